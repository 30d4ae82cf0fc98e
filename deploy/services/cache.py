"""Folders that are either whole or not there, however their making ended."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def making(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, which takes its name once the block has ended well."""
    _sweep(target)
    draft = target.with_name(f".{target.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    draft.mkdir(parents=True)
    draft.chmod(0o755)
    try:
        yield draft
        _settle(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _settle(draft: Path, target: Path) -> None:
    try:
        draft.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was as quick: its folder is as good
            raise


def _sweep(target: Path) -> None:
    for draft in target.parent.glob(f".{target.name}.*.*"):
        if not Path(f"/proc/{draft.name.split('.')[-2]}").exists():
            shutil.rmtree(draft, ignore_errors=True)
