"""Starts Elasticsearch without its launcher.

The launcher is a Java program of its own that starts a second Java for the server and hands it
options on a pipe. It costs two seconds of CPU a start and 80 MB, and it ends before the server
does, so that a supervisor takes the port for free while it is not. So the launcher runs once, with
a `java` that notes down what it is told to run, and from then on that is run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.cache import making
from deploy.services.shell import Failed, run
from deploy.services.workspace import own

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVER = "org.elasticsearch.server/org.elasticsearch.bootstrap.Elasticsearch"
NOTING = """#!/bin/sh
case " $* " in
*" {server} "*)
    dd of={notes}/stdin bs=1M count=1 2>/dev/null
    for word in "$@"; do printf '%s\\n' "$word"; done >{notes}/argv
    exit 1 ;;
esac
exec {java} "$@"
"""
# The server ends when its standard input does: a pipe that it holds open itself never does.
FEED = 'exec 0<>"$1"; cat "$2" >&0; shift 2; exec "$@"'


def directly(
    launcher: Sequence[str], env: Mapping[str, str], folder: Path, account: str | None
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Command and environment of the server that the launcher would start; raises Failed.

    `env` is the launcher's and names the Java to use (ES_JAVA_HOME); notes and pipe go to `folder`.
    """
    key = hashlib.sha256(json.dumps([*launcher, sorted(env.items())]).encode()).hexdigest()
    notes = folder / f"launch-{key[:12]}"
    if not notes.exists():
        with making(notes) as draft:
            _note_down(launcher, env, draft, account)
    words = (notes / "argv").read_text().splitlines()
    java = f"{env['ES_JAVA_HOME']}/bin/java"
    feed = ("/bin/sh", "-c", FEED, "sh", str(_pipe(folder, account)), str(notes / "stdin"))
    kept = {key: value for key, value in env.items() if key == "LD_LIBRARY_PATH"}
    return (*feed, java, *words), {**kept, "LIBFFI_TMPDIR": env["ES_TMPDIR"]}


def _note_down(
    launcher: Sequence[str], env: Mapping[str, str], notes: Path, account: str | None
) -> None:
    java_home = _noting_java(Path(env["ES_JAVA_HOME"]), notes)
    own(notes, account)
    options = f'-XX:TieredStopAtLevel=1 "-Djava.home={java_home}"'  # quoted: it may have spaces
    try:
        run(launcher, env={**env, "JDK_JAVA_OPTIONS": options}, user=account)
    except Failed as failed:  # it always does: the server that it waits for was never started
        if not (notes / "argv").exists():
            raise Failed(f"its launcher started no server: {failed}") from failed
    shutil.rmtree(java_home)


def _noting_java(real: Path, notes: Path) -> Path:
    home = notes / "java"
    (home / "bin").mkdir(parents=True)
    for entry in real.iterdir():
        if entry.name != "bin":
            (home / entry.name).symlink_to(entry)
    script = home / "bin" / "java"
    script.write_text(NOTING.format(server=SERVER, notes=f"'{notes}'", java=f"'{real}/bin/java'"))
    script.chmod(0o755)
    return home


def _pipe(folder: Path, account: str | None) -> Path:
    pipe = folder / "launch"
    pipe.unlink(missing_ok=True)  # one that a killed run's server may still hold
    os.mkfifo(pipe, 0o600)
    own(pipe, account)
    return pipe
