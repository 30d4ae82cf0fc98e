"""The toy server of the `line` engine, told by a test to answer, to hang or to be gone."""

from __future__ import annotations

import contextlib
import socket
import threading

RECORD = (
    '{"id":"%s","topic":"toy","when":"2026-11-21T02:48:24.123000Z","duration":1.0,"tags":["a"]}'
)


class Toy:
    """Listens where its port is held; `answering` cleared makes it hang, `stop` makes it gone."""

    def __init__(self, port: int) -> None:
        self.answering = threading.Event()
        self.answering.set()
        self.asked = threading.Semaphore(0)
        self.connections: set[socket.socket] = set()
        self.made: list[socket.socket] = []
        """Every connection that there ever was, in order; `connections` are open."""
        self._left = threading.Condition()
        self.port = port
        self.start()

    def start(self) -> None:
        """Listen, again on the same port after `stop`."""
        self._listening = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def stop(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait_until_left(self, *connections: socket.socket) -> None:
        """Wait until the other side has closed these."""
        with self._left:
            assert self._left.wait_for(lambda: not self.connections & set(connections), 60)

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                self.connections.add(connection)
                self.made.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rwb") as file:
            for line in file:
                self.asked.release()
                self.answering.wait()
                file.write(self._answer(line.decode().split()).encode() + b"\n")
                file.flush()
        with self._left:
            self.connections.discard(connection)
            self._left.notify_all()

    def _answer(self, words: list[str]) -> str:
        if words[0] == "get":
            return RECORD % words[1]
        return "Toy 1.0" if words[0] == "ping" else "ok"
