"""PostgreSQL's error codes mean the same through every driver."""

from __future__ import annotations

from typing import Any

import pytest

from server.api.enums import Durability
from server.engines.base import Engine, Opening
from server.engines.postgres_asyncpg import PostgresAsyncpg
from server.engines.postgres_psycopg import PostgresPsycopg
from server.engines.postgres_psycopg2 import PostgresPsycopg2
from server.errors import DeadlineExceeded, Invalid, Problem, Unavailable
from server.stores.modes import translate_error

psycopg_errors = pytest.importorskip("psycopg.errors")
psycopg2_errors = pytest.importorskip("psycopg2.errors")
asyncpg = pytest.importorskip("asyncpg")

CODES = (getattr(value, "sqlstate", None) for value in vars(psycopg_errors).values())
STATES = sorted(code for code in CODES if isinstance(code, str))

OPENING = Opening("records", Durability.FAST, "", 1, 1.0)

EXPECTED: dict[str, type[Problem] | None] = {
    "08006": Unavailable,  # connection_failure
    "22P02": Invalid,  # invalid_text_representation
    "23505": None,  # unique_violation
    "25006": Unavailable,  # read_only_sql_transaction
    "28P01": Unavailable,  # invalid_password
    "3D000": Unavailable,  # invalid_catalog_name
    "40P01": Unavailable,  # deadlock_detected
    "42501": Unavailable,  # insufficient_privilege
    "42601": None,  # syntax_error
    "42P01": Unavailable,  # undefined_table
    "53300": Unavailable,  # too_many_connections
    "55P03": Unavailable,  # lock_not_available
    "57014": DeadlineExceeded,  # query_canceled
    "57P01": Unavailable,  # admin_shutdown
    "58030": Unavailable,  # io_error
    "XX000": Unavailable,  # internal_error
    "ZZ999": Unavailable,  # unknown to every driver
}


def raised_by_psycopg(state: str) -> Exception:
    try:
        error = psycopg_errors.lookup(state)("it failed")
    except KeyError:
        error = psycopg_errors.Error("it failed")
        error.sqlstate = state
    return error  # type: ignore[no-any-return]


def raised_by_psycopg2(state: str) -> Exception:
    try:
        error: Any = psycopg2_errors.lookup(state)("it failed")
    except KeyError:
        error = pytest.importorskip("psycopg2").DatabaseError("it failed")
    error.__setstate__({"pgcode": state})
    return error  # type: ignore[no-any-return]


def raised_by_asyncpg(state: str) -> Exception:
    return asyncpg.PostgresError.new({"C": state, "M": "it failed"})  # type: ignore[no-any-return]


DRIVERS = [
    (PostgresPsycopg, raised_by_psycopg),
    (PostgresPsycopg2, raised_by_psycopg2),
    (PostgresAsyncpg, raised_by_asyncpg),
]


def meaning(engine: type[Engine], error: Exception) -> type[Problem] | None:
    translation = translate_error(engine(OPENING), error)
    return type(translation) if isinstance(translation, Problem) else None


def test_every_state_means_the_same_through_every_driver() -> None:
    assert len(STATES) > 200
    for state in STATES:
        meanings = {engine.name: meaning(engine, raised_by(state)) for engine, raised_by in DRIVERS}
        assert len(set(meanings.values())) == 1, (state, meanings)


@pytest.mark.parametrize("state", EXPECTED)
def test_what_a_state_means(state: str) -> None:
    for engine, raised_by in DRIVERS:
        assert meaning(engine, raised_by(state)) is EXPECTED[state], engine.name


def test_what_the_clients_raise_themselves_is_unavailable() -> None:
    psycopg, psycopg2 = pytest.importorskip("psycopg"), pytest.importorskip("psycopg2")
    errors = [
        (PostgresPsycopg, psycopg.OperationalError("no route")),
        (PostgresPsycopg2, psycopg2.OperationalError("no route")),
        (PostgresAsyncpg, asyncpg.InterfaceError("closed")),
    ]
    for engine, error in errors:
        assert meaning(engine, error) is Unavailable
