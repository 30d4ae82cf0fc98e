"""Starts Elasticsearch without its launcher.

The launcher is a Java program that starts a second Java for the server and passes it options on a
pipe. It costs two seconds of CPU a start and 80 MB, and it ends before the server does, so that a
supervisor takes the port for free while it is not. So the launcher runs once, with a `java` that
records its command line, and from then on that command is run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.commands import CommandFailedError, run
from deploy.services.folders import atomic_folder
from deploy.services.workspace import chown_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVER = "org.elasticsearch.server/org.elasticsearch.bootstrap.Elasticsearch"
RECORDING_JAVA = """#!/bin/sh
case " $* " in
*" {server} "*)
    dd of={records}/stdin bs=1M count=1 2>/dev/null
    for word in "$@"; do printf '%s\\n' "$word"; done >{records}/argv
    exit 1 ;;
esac
exec {java} "$@"
"""
# The server ends when its standard input does: a pipe that it holds open itself never ends.
FEED = 'exec 0<>"$1"; cat "$2" >&0; shift 2; exec "$@"'


def server_command(
    launcher: Sequence[str], env: Mapping[str, str], folder: Path, account: str | None
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return command and environment of the server that the launcher would start.

    `env` is the launcher's and names the Java to use (ES_JAVA_HOME); what is recorded and the pipe
    go to `folder`. Raises CommandFailedError.
    """
    key = hashlib.sha256(json.dumps([*launcher, sorted(env.items())]).encode()).hexdigest()
    records = folder / f"launch-{key[:12]}"
    if not records.exists():
        with atomic_folder(records) as draft:
            _record(launcher, env, draft, account)
    arguments = (records / "argv").read_text().splitlines()
    java = f"{env['ES_JAVA_HOME']}/bin/java"
    feed = ("/bin/sh", "-c", FEED, "sh", str(_pipe(folder, account)), str(records / "stdin"))
    kept = {key: value for key, value in env.items() if key == "LD_LIBRARY_PATH"}
    return (*feed, java, *arguments), {**kept, "LIBFFI_TMPDIR": env["ES_TMPDIR"]}


def _record(
    launcher: Sequence[str], env: Mapping[str, str], records: Path, account: str | None
) -> None:
    java_home = _recording_java(Path(env["ES_JAVA_HOME"]), records)
    chown_tree(records, account)
    options = f'-XX:TieredStopAtLevel=1 "-Djava.home={java_home}"'  # quoted: it may have spaces
    try:
        run(launcher, env={**env, "JDK_JAVA_OPTIONS": options}, user=account)
    except CommandFailedError as error:  # always: the server that it waits for was never started
        if not (records / "argv").exists():
            raise CommandFailedError(f"its launcher started no server: {error}") from error
    shutil.rmtree(java_home)


def _recording_java(real: Path, records: Path) -> Path:
    home = records / "java"
    (home / "bin").mkdir(parents=True)
    for entry in real.iterdir():
        if entry.name != "bin":
            (home / entry.name).symlink_to(entry)
    script = home / "bin" / "java"
    java = f"'{real}/bin/java'"
    script.write_text(RECORDING_JAVA.format(server=SERVER, records=f"'{records}'", java=java))
    script.chmod(0o755)
    return home


def _pipe(folder: Path, account: str | None) -> Path:
    pipe = folder / "launch"
    pipe.unlink(missing_ok=True)  # the server of a killed run may still hold it
    os.mkfifo(pipe, 0o600)
    chown_tree(pipe, account)
    return pipe
