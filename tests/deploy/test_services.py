"""What there is, where it listens, and what is said when it cannot be had."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.errors import StackError
from deploy.programs import refuse_wrong_addresses
from deploy.services import (
    PORTS,
    ManagedService,
    UnavailableError,
    Workspace,
    obtain_all,
    prepare_all,
    services,
)
from deploy.services.redis import RedisServer
from deploy.services.ways.debian import Debian
from deploy.services.ways.path import OnPath
from deploy.services.ways.wheel import Wheel, pins
from tests import databases

DEPLOY = Path(__file__).parents[2] / "deploy"
EVERY = [
    "elasticsearch",
    "memcached",
    "mongo",
    "mysql",
    "nginx",
    "postgres",
    "redis",
    "rethinkdb",
]


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with databases.workspace() as workspace:
        yield workspace


def test_a_file_is_a_service() -> None:
    assert list(services()) == EVERY


@pytest.mark.parametrize("service", services().values(), ids=lambda service: service.name)
def test_every_wheel_is_pinned_with_hashes(service: ManagedService) -> None:
    for way in service.ways:
        if isinstance(way, Wheel):
            version, lines = pins()[way.package]
            assert f"{way.package}=={version}" in lines
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", lines)


def test_ports_move_together_and_one_by_one(workspace: Workspace) -> None:
    moved = replace(workspace, offset=7, ports={"mongo": 4711})
    assert moved.port("postgres") == PORTS["postgres"] + 7
    assert moved.port("mongo") == 4711


def test_no_port_is_one_that_a_database_is_known_by() -> None:
    known = {5432, 27017, 6379, 11211, 3306, 9200, 9300, 28015, 29015}
    assert known.isdisjoint(PORTS.values())
    assert len(set(PORTS.values())) == len(PORTS)


def test_an_address_in_the_environment_leaves_nothing_to_start(workspace: Workspace) -> None:
    url = "postgresql://elsewhere/db"
    given = replace(workspace, environ={"WINDTUNNEL_POSTGRES_URL": url})
    said: list[str] = []
    programs, missing = obtain_all(given, ["postgres"], said.append)
    assert missing == {}
    assert programs["postgres"].is_external
    assert programs["postgres"].url == url
    assert said == [f"PostgreSQL: at {url} (WINDTUNNEL_POSTGRES_URL)"]
    assert prepare_all(given, programs) == ([], {})


def test_a_password_in_an_address_is_not_printed(workspace: Workspace) -> None:
    given = replace(workspace, environ={"WINDTUNNEL_REDIS_URL": "redis://me:se@cret@elsewhere/1"})
    said: list[str] = []
    programs, _ = obtain_all(given, ["redis"], said.append)
    assert said == ["Valkey: at redis://me:***@elsewhere/1 (WINDTUNNEL_REDIS_URL)"]
    assert "cret" not in repr(programs)


def test_a_blank_address_is_none(workspace: Workspace) -> None:
    given = replace(workspace, environ={"WINDTUNNEL_REDIS_SAFE_URL": " "})
    assert RedisServer().own_instances(given) == list(RedisServer.names)


def test_a_wrong_address_is_refused_before_anything_is_started() -> None:
    with pytest.raises(StackError, match="WINDTUNNEL_MYSQL_URL: its query may not have timeout"):
        refuse_wrong_addresses({"WINDTUNNEL_MYSQL_URL": "h/d?timeout=3"})


def test_an_address_for_one_durability_leaves_the_others_to_start(workspace: Workspace) -> None:
    given = replace(workspace, environ={"WINDTUNNEL_REDIS_SAFE_URL": "redis://elsewhere"})
    assert RedisServer().own_instances(given) == ["redis-volatile", "redis-fast"]


def test_what_cannot_be_had_is_said_in_one_line_with_what_mends_it(workspace: Workspace) -> None:
    class Nowhere(RedisServer):
        @property
        def ways(self) -> Any:
            return OnPath(("no-such-server",)), Debian("no-such-package", "bin/none")

    said: list[str] = []
    with pytest.raises(UnavailableError) as caught:
        Nowhere().obtain(workspace, said.append)
    assert caught.value.fix
    assert "\n" not in str(caught.value)
    assert "Valkey: no-such-server is not on PATH" in said
    assert said[-1].startswith("Valkey: Debian has no package no-such-package")


def test_rethinkdb_is_run_from_path_alone(workspace: Workspace) -> None:
    bare = replace(workspace, environ={"PATH": "/nowhere"})
    programs, missing = obtain_all(bare, ["rethinkdb"], print)
    if programs:
        pytest.skip("this machine has RethinkDB")
    assert missing["rethinkdb"].fix == "docker compose -f deploy/compose.yaml up -d rethinkdb"


def test_a_file_in_the_way_of_a_folder_is_one_line(workspace: Workspace) -> None:
    programs, _ = obtain_all(workspace, ["redis"], print)
    (workspace.home / "data").write_text("in the way")
    instances, missing = prepare_all(workspace, programs)
    assert instances == []
    assert str(missing["redis"]).endswith("Not a directory")


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


def test_compose_has_the_same_instances_on_the_same_ports_of_loopback() -> None:
    published = {
        name: [str(port) for port in service["ports"]]
        for name, service in compose()["services"].items()
    }
    hosts = {name: ports[0].rsplit(":", 1)[0] for name, ports in published.items()}
    instances = [name for service in services().values() for name in service.names if name in PORTS]
    assert hosts == {name: f"127.0.0.1:{PORTS[name]}" for name in instances}
    assert all(len(ports) == 1 for ports in published.values())


def test_compose_pins_every_image_and_says_how_it_is_known_to_be_ready() -> None:
    for name, service in compose()["services"].items():
        assert re.fullmatch(r"[\w./-]+:\d[\w.-]*", service["image"]), name
        assert "healthcheck" in service, name
