"""The host says what it is; a folder without git says that it does not know."""

import subprocess
from pathlib import Path

from windtunnel.recording import environment


def test_the_host_tells_what_a_figure_depends_on() -> None:
    host = environment.gather()
    assert host["cores"] >= 1
    assert host["memory_bytes"] > 1 << 28
    assert host["python"].startswith(("CPython", "PyPy"))
    assert host["versions"]["msgspec"]
    assert "no-such-package" not in environment.versions(("no-such-package", "msgspec"))


def test_git_tells_the_revision_and_uncommitted_changes(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    assert environment.git(tmp_path / "missing") == {"revision": None, "dirty": None}
    git("init")
    (tmp_path / "file").write_text("a")
    git("add", "file")
    git("commit", "-m", "first")
    clean = environment.git(tmp_path)
    assert len(str(clean["revision"])) == 40
    assert clean["dirty"] is False
    (tmp_path / "file").write_text("two")
    assert environment.git(tmp_path) == {**clean, "dirty": True}
