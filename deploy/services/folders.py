"""Folders that are either complete or absent, however the process that made them ended."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.base import UnavailableError, Workspace
from deploy.services.commands import CommandFailedError
from deploy.services.workspace import chown_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder beside `target`, which takes its name if the block succeeds."""
    _remove_abandoned_drafts(target)
    draft = target.with_name(f".{target.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    draft.mkdir(parents=True)
    draft.chmod(0o755)
    try:
        yield draft
        _rename(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _rename(draft: Path, target: Path) -> None:
    try:
        draft.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster: its folder is as good
            raise


def _remove_abandoned_drafts(target: Path) -> None:
    for draft in target.parent.glob(f".{target.name}.*.*"):
        if not Path(f"/proc/{draft.name.split('.')[-2]}").exists():
            shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def folder_errors(workspace: Workspace, title: str) -> Iterator[None]:
    """Raise UnavailableError, with one line, for what goes wrong with folders in the block."""
    try:
        yield
    except PermissionError as error:
        fix = f"sudo chown -R $(id -un) {workspace.root}"
        reason = f"{title}: {error.filename} belongs to another account"
        raise UnavailableError(reason, fix) from error
    except OSError as error:
        path = error.filename or workspace.home
        raise UnavailableError(f"{title}: {path}: {error.strerror}") from error
    except CommandFailedError as error:
        raise UnavailableError(f"{title}: its data folder cannot be made: {error}") from error


def data_folder(workspace: Workspace, name: str) -> Path:
    """Return the data folder `name`, made if absent, owned by the account that serves it."""
    folder = workspace.data / name
    folder.mkdir(exist_ok=True)
    chown_tree(folder, workspace.account)
    folder.chmod(0o700)
    return folder


def data_folder_from(workspace: Workspace, name: str, template: Path) -> Path:
    """Return the data folder `name`, copied from the template if absent."""
    folder = workspace.data / name
    if not folder.exists():
        with atomic_folder(folder) as draft:
            shutil.copytree(template, draft, dirs_exist_ok=True)
            chown_tree(draft, workspace.account)
            draft.chmod(0o700)
    return folder


def template_folder(workspace: Workspace, name: str, fill: Callable[[Path], None]) -> Path:
    """Return the template `name` among the programs, made once by `fill`, given an empty folder."""
    folder = workspace.programs / name
    if not folder.exists():
        with atomic_folder(folder) as draft:
            chown_tree(draft, workspace.account)
            fill(draft)
            draft.chmod(0o755)
    return folder
