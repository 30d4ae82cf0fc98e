"""Questions to a server in its own protocol, quick and without a driver: does it answer yet?"""

from __future__ import annotations

import http.client
import socket
from contextlib import closing

DEADLINE = 0.8


def ask(port: int, question: bytes, answer: bytes, size: int = 65536) -> bool:
    """Whether the server on this port answers the question with bytes that hold `answer`."""
    return answer in tell(port, question, size, until=answer)


def tell(port: int, question: bytes, size: int = 65536, until: bytes = b"") -> bytes:
    """What the server says first, up to `size` bytes or to `until`; empty when it says nothing."""
    said = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as peer:
            peer.sendall(question)
            while len(said) < size and (not said or until not in said):
                if not (more := peer.recv(size)):
                    break
                said += more
    except OSError:
        pass
    return said


def http_ok(port: int, path: str) -> bool:
    """Return whether a GET on 127.0.0.1 answers 200."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
