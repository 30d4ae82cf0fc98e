from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.services import Workspace
from tests.stacks import own_workspace


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with own_workspace() as workspace:
        yield workspace
