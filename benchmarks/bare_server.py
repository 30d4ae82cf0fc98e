"""The yardstick: a Tornado RequestHandler with one literal route and everything else default.

`python -m benchmarks.bare_server` writes its port, reads the body to answer with from stdin, and
serves until its stdin ends.
"""

from __future__ import annotations

import asyncio
import sys

from tornado.web import Application, RequestHandler

PATH = "/read"


async def main() -> None:
    """Serve."""
    body = sys.stdin.buffer.readline().strip()

    class Bare(RequestHandler):
        def get(self) -> None:
            self.set_header("Content-Type", "application/json")
            self.write(body)

    server = Application([(PATH, Bare)]).listen(0, "127.0.0.1")
    (sock,) = server._sockets.values()
    print(sock.getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
