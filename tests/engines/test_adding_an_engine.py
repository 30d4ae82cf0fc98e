"""docs/adding-an-engine.md is true: its engine is taken from the text and run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import server.engines
from server.api.record import Change
from server.engines import EngineError, discover
from server.errors import NotOffered
from server.settings import Settings
from server.stores import Stores
from server.stores.modes import CallTimes
from tests.engines.test_conformance import record

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/adding-an-engine.md").read_text()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the engine of the document; its data goes there too."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (code,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    engines = tmp_path / "engines"
    engines.mkdir()
    (engines / "files.py").write_text(code)
    return engines


@pytest.mark.parametrize("id", ["files/blocking/fast", "files/threads/safe"])
async def test_the_example_keeps_records(folder: Path, id: str) -> None:
    store = Stores(discover(folder).values(), Settings())[id]
    original = record()
    await store.reset([record(), original])
    assert await store.read(CallTimes(), original.id) == original
    edited = await store.edit(CallTimes(), original.id, Change(duration=7.0))
    assert edited == original.apply(Change(duration=7.0))
    assert await store.read(CallTimes(), original.id) == edited
    assert [await store.delete(CallTimes(), original.id) for _ in range(2)] == [True, False]
    assert await store.update(CallTimes(), original) is False
    with pytest.raises(NotOffered, match="no index"):
        await store.find(CallTimes(), 0.0, 1)
    await store.close()


async def test_the_example_passes_the_conformance_suite(folder: Path) -> None:
    environ = os.environ | {"WINDTUNNEL_ENGINES": str(folder), "TMPDIR": str(folder.parent)}
    suite = ["tests/engines/test_conformance.py", "-k", "files/threads/fast", "-q"]
    command = [sys.executable, "-m", "pytest", *suite, "-p", "no:cacheprovider"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout
    assert re.search(r"\d+ passed", ended.stdout)


def test_an_engine_needs_one_import_of_the_server(folder: Path) -> None:
    imports = re.findall(r"^(?:from|import) (server[\w.]*)", TEXT, re.MULTILINE)
    assert imports == ["server.engines"]
    listed = TEXT[TEXT.index("**One import.**") :].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", listed)) <= set(server.engines.__all__)


def test_an_import_of_a_module_that_moved_is_explained(folder: Path) -> None:
    code = (folder / "files.py").read_text().replace("from server.engines ", "from server.record ")
    (folder / "files.py").write_text(code)
    with pytest.raises(EngineError, match=r"files\.py: .*imported from server\.engines"):
        discover(folder)


def test_a_name_that_is_taken_is_said(folder: Path) -> None:
    code = (folder / "files.py").read_text()
    (folder / "again.py").write_text(code)
    with pytest.raises(EngineError, match=r"two engines are called 'files'.*files\.py"):
        discover(folder)


def test_what_the_text_points_at_is_there() -> None:
    named = re.findall(r"`((?:server|tests|deploy)/[\w/]+(?:\.py|/))`", TEXT)
    assert len(named) >= 3
    for path in named:
        assert (ROOT / path).exists(), path
