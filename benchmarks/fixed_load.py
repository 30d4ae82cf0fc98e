"""A bounded number of identical requests over kept-alive connections, from a process of its own.

`python -m benchmarks.fixed_load PORT PATH CONNECTIONS`: for each number on stdin it sends so many
requests (rounded up to a multiple of the connections) and then prints `done`.
"""

from __future__ import annotations

import socket
import sys


class KeptConnection:
    """One kept-alive connection with at most one request in flight."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()

    def send(self) -> None:
        self._socket.sendall(self._request)

    def receive(self) -> None:
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        if not data.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"not a 200: {data[:200]!r}")
        mark = data.index(b"Content-Length: ") + 16
        length = int(data[mark : data.index(b"\r\n", mark)])
        while len(data) < end + 4 + length:
            data += self._more()

    def _more(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise SystemExit("the server closed the connection")
        return data


def main(port: int, path: str, count: int) -> None:
    """Send as many requests as each line of stdin says."""
    connections = [KeptConnection(port, path) for _ in range(count)]
    for line in sys.stdin:
        for _ in range(-(-int(line) // count)):
            for connection in connections:
                connection.send()
            for connection in connections:
                connection.receive()
        print("done", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
