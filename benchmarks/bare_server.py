"""A bare server to compare with: one Tornado RequestHandler, everything else default.

`python -m benchmarks.bare_server` reads the body of its response from stdin, writes its port,
and serves until its stdin ends.
"""

from __future__ import annotations

import asyncio
import sys

from tornado.web import Application, RequestHandler

PATH = "/read"


async def main() -> None:
    """Serve until stdin ends."""
    body = sys.stdin.buffer.readline().strip()

    class BareHandler(RequestHandler):
        def get(self) -> None:
            self.set_header("Content-Type", "application/json")
            self.write(body)

    server = Application([(PATH, BareHandler)]).listen(0, "127.0.0.1")
    (sock,) = server._sockets.values()
    print(sock.getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
