from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.services import Place
from tests.stacks import own_place


@pytest.fixture
def place() -> Iterator[Place]:
    with own_place() as place:
        yield place
