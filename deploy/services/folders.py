"""Data folders that survive any end: made from a template, whole or not at all."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deploy.services.base import Missing, Workspace
from deploy.services.cache import making
from deploy.services.shell import Failed
from deploy.services.workspace import own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def plainly(workspace: Workspace, title: str) -> Iterator[None]:
    """Turns what can go wrong with folders into one line; raises Missing."""
    try:
        yield
    except PermissionError as error:
        mend = f"sudo chown -R $(id -un) {workspace.root}"
        raise Missing(f"{title}: {error.filename} belongs to another account", mend) from error
    except OSError as error:
        raise Missing(f"{title}: {error.filename or workspace.home}: {error.strerror}") from error
    except Failed as failed:
        raise Missing(f"{title}: its data folder cannot be made: {failed}") from failed


def empty(workspace: Workspace, name: str) -> Path:
    """The data folder `name`, made when it is absent, owned by the account that serves it."""
    folder = workspace.data / name
    folder.mkdir(exist_ok=True)
    own(folder, workspace.account)
    folder.chmod(0o700)
    return folder


def templated(workspace: Workspace, name: str, template: Path) -> Path:
    """The data folder `name`, copied from the template when it is absent."""
    folder = workspace.data / name
    if not folder.exists():
        with making(folder) as draft:
            shutil.copytree(template, draft, dirs_exist_ok=True)
            own(draft, workspace.account)
            draft.chmod(0o700)
    return folder


def template(workspace: Workspace, name: str, fill: Callable[[Path], None]) -> Path:
    """The template `name` among the programs, made by `fill` (given an empty folder) once."""
    folder = workspace.programs / name
    if not folder.exists():
        with making(folder) as draft:
            own(draft, workspace.account)
            fill(draft)
            draft.chmod(0o755)
    return folder
