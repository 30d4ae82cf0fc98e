"""A call that is severed in the very moment in which its answer comes."""

from __future__ import annotations

import threading

import pytest

from server.api.enums import Durability
from server.engines.base import Opening
from server.errors import DeadlineExceeded
from server.stores.modes.sync_connections import SyncConnections
from tests.server.engines.line import Line, LineEngine
from tests.server.toy import Toy

PATIENCE = 30


class Told(Line):
    """A connection that tells when it has been answered, and when it has been severed."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.answered = threading.Event()
        self.severed = False

    def ask(self, text: str) -> str:
        answer = super().ask(text)
        self.answered.set()
        return answer


def test_a_connection_that_is_being_severed_is_used_no_more(toy: Toy) -> None:
    class LateAnswer(LineEngine):
        def connect(self) -> Told:
            return Told(self.address)

        def sever(self, db: Line) -> None:
            assert isinstance(db, Told)
            toy.answering.set()
            assert db.answered.wait(PATIENCE)
            super().sever(db)
            db.severed = True

    address = f"127.0.0.1:{toy.port}"
    engine = LateAnswer(Opening("records", Durability.VOLATILE, address, 1, 0.2))
    connections = SyncConnections(engine)
    db = engine.connect()
    toy.answering.clear()
    with pytest.raises(DeadlineExceeded):
        connections.run(db, engine.read, "0" * 24)
    assert db.severed
    connections.close([db])
