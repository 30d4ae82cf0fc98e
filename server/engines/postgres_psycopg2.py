"""PostgreSQL through psycopg2, which puts parameters into the statement's text itself."""

from __future__ import annotations

from server.api.enums import Mode
from server.engines._libpq import Libpq, LibpqSession, errors_of
from server.engines.base import Errors


class PostgresPsycopg2(Libpq):
    """PostgreSQL through psycopg2."""

    name = "postgres-psycopg2"
    title = "PostgreSQL, psycopg2"
    drivers = {Mode.BLOCKING: "psycopg2-binary", Mode.THREADS: "psycopg2-binary"}
    notes = ("psycopg2 prepares nothing: the server parses and plans each statement again",)

    def connect(self) -> LibpqSession:
        """Connect; one round trip where the server asks no password."""
        import psycopg2

        connection = psycopg2.connect(self.address, **self.settings())
        connection.autocommit = True
        return LibpqSession(connection)

    def errors(self) -> Errors:
        """Return psycopg2's errors."""
        import psycopg2

        return errors_of(psycopg2)
