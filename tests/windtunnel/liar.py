"""A small server that speaks the contract, and breaks it in one way when told to."""

from __future__ import annotations

import random
from collections.abc import Callable
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any

import msgspec
from gevent.pywsgi import WSGIServer

from windtunnel.client.api import Draft, Record, encode

Reply = tuple[str, list[tuple[str, str]], bytes]


class Liar:
    """Keeps records in a dictionary. `lies` maps a verb to what is done to its answer.

    Such a function gets the status, the location and the decoded body, and returns them.
    """

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.lies: dict[str, Callable[[int, str, Any], tuple[int, str, Any]]] = {}
        self.seen: list[str] = []
        self._ids = random.Random(1)
        self.server = WSGIServer(("127.0.0.1", 0), self._answer, log=None)
        self.server.start()
        self.server.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # connections inherit it

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def populate(self, drafts: list[Draft]) -> list[Record]:
        made = [self._made(msgspec.to_builtins(draft)) for draft in drafts]
        return [msgspec.convert(record, Record) for record in made]

    def _made(self, content: dict[str, Any]) -> dict[str, Any]:
        id_ = f"{self._ids.getrandbits(96):024x}"
        self.records[id_] = {"id": id_, **content}
        return self.records[id_]

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        verb, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.seen.append(verb)
        id_ = path.partition("/records/")[2]
        sent = environ["wsgi.input"].read()
        status, location, told = self._do(verb, path, id_, sent and msgspec.json.decode(sent))
        if verb in self.lies:
            status, location, told = self.lies[verb](status, location, told)
        body = told if isinstance(told, bytes) else b"" if told is None else encode(told)
        fields = [("Content-Length", str(len(body))), ("X-Pool", "fast")]
        start(f"{status} Status", [*fields, ("Location", location)] if location else fields)
        return [body]

    def _do(self, verb: str, path: str, id_: str, sent: Any) -> tuple[int, str, Any]:
        if verb == "POST":
            made = self._made(sent)
            return 201, f"{path}/{made['id']}", made
        if path.endswith("/summary"):
            row = {"tag": "a", "count": 3, "mean": 1.5, "longest": 2.0}
            return 200, "", {"size": 3, "tags": [row, {**row, "tag": "b"}]}
        if not id_:
            newest = sorted(self.records.values(), key=lambda r: r["when"], reverse=True)
            return 200, "", {"records": [r for r in newest if r["duration"] > 850][:10]}
        if id_ not in self.records:
            return 404, "", {"title": "not found"}
        if verb == "DELETE":
            del self.records[id_]
            return 204, "", None
        if verb in {"PUT", "PATCH"}:
            self.records[id_] = {**self.records[id_], **sent}
        return 200, "", self.records[id_]
