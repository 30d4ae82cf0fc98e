"""Which addresses of databases a stack tells its servers."""

from __future__ import annotations

from pathlib import Path

from deploy.programs import database_urls
from deploy.services import Workspace


def told(offset: int, **environ: str) -> dict[str, str]:
    return database_urls(Workspace(Path("/x/.run"), offset=offset, environ=environ))


def test_on_default_ports_only_the_files_need_to_be_told() -> None:
    assert told(0) == {"WINDTUNNEL_SQLITE_URL": "/x/.run/data/sqlite"}


def test_moved_ports_are_told_for_each_instance() -> None:
    moved = told(500)
    assert moved["WINDTUNNEL_REDIS_SAFE_URL"].endswith(":16881")
    assert moved["WINDTUNNEL_POSTGRES_URL"].rpartition("/")[0].endswith(":15932")


def test_one_address_for_a_whole_service_stands_where_ports_are_moved() -> None:
    moved = told(500, WINDTUNNEL_REDIS_URL="redis://127.0.0.1:6379")
    assert not [name for name in moved if "REDIS" in name]
    assert "WINDTUNNEL_MYSQL_SAFE_URL" in moved


def test_one_address_for_a_durability_leaves_the_others_ours() -> None:
    moved = told(500, WINDTUNNEL_REDIS_SAFE_URL="redis://127.0.0.1:6379")
    assert "WINDTUNNEL_REDIS_SAFE_URL" not in moved
    assert moved["WINDTUNNEL_REDIS_FAST_URL"].endswith(":16880")


def test_an_empty_variable_is_no_address() -> None:
    assert told(500, WINDTUNNEL_REDIS_URL="", WINDTUNNEL_SQLITE_URL="") == told(500)
