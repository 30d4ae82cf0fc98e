"""A TCP proxy in threads that can go wrong in the ways a network and a server do."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.databases import held_port

NO_LINGER = struct.pack("ii", 1, 0)  # close with a reset


class MovableProxy:
    """Listens on a port that is held for it and passes on to `target` until told otherwise."""

    def __init__(self, target: tuple[str, int], port: int) -> None:
        self._target = target
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._open = threading.Event()  # clear: what arrives waits
        self._open.set()
        self._calm = threading.Event()  # set by `close`: ends the delays too
        self.delay = 0.0
        self.port = port
        self._listener = self._listen()

    def url(self, direct: str) -> str:
        """Return `direct` with this proxy in the server's place."""
        parts = urlsplit(direct)
        return direct.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{self.port}", 1)

    def refuse(self) -> None:
        """End every connection with a reset and refuse new ones, as after a kill."""
        self._stop_listening()
        self._cut()

    def accept(self) -> None:
        """Serve again on the same port."""
        self._listener = self._listen()

    def hang(self) -> None:
        """Accept everything and answer nothing, as a stopped server does."""
        self._open.clear()

    def resume(self) -> None:
        """Pass on what has waited, and all that comes."""
        self._open.set()

    def close(self) -> None:
        """End for good."""
        self.refuse()
        self._calm.set()
        self._open.set()

    def _listen(self) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()
        return listener

    def _stop_listening(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept
        self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        pair = (client, server)
        self._pairs.add(pair)
        for end in pair:
            with contextlib.suppress(OSError):  # it has gone away already
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._pass, args=[pair, False], daemon=True).start()
        threading.Thread(target=self._pass, args=[pair, True], daemon=True).start()
        if self._listener.fileno() < 0:  # it came just before the door closed
            self._cut()

    def _pass(self, pair: tuple[socket.socket, socket.socket], answers: bool) -> None:
        source, sink = reversed(pair) if answers else pair
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if answers and self.delay:
                    self._calm.wait(self.delay)
                self._open.wait()
                sink.sendall(data)
        self._end(pair)

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self._pairs.discard(pair)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes the other thread
            end.close()

    def _cut(self) -> None:
        for pair in list(self._pairs):
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                    end.shutdown(socket.SHUT_RD)
                end.close()
            self._pairs.discard(pair)


@contextmanager
def proxied(url: str) -> Iterator[MovableProxy]:
    """A proxy before the server at `url`."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    with held_port() as port:
        proxy = MovableProxy((parts.hostname, parts.port), port)
        try:
            yield proxy
        finally:
            proxy.close()
