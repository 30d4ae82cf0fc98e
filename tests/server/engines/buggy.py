"""An engine with a bug in every read."""

from __future__ import annotations

from typing import Any

from server.engines import Op, Record
from server.engines.memory import Memory


class Buggy(Memory):
    name = "buggy"

    def read(self, db: Any, id: str) -> Op[Record | None]:
        yield db.get(id)
        raise KeyError("a secret of the inside")
