"""A server that stands still for a while, every now and then, and remembers when.

`python -m tests.windtunnel.stalling STALL EVERY`, in seconds. Answers say when they were given and
which stalls there were, by the clock that `time.perf_counter()` is on every process here.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.windtunnel.served import ROOT

stalls: list[tuple[float, float]] = []


class StallingConnection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        told = stalls if b"/stalls" in data else time.perf_counter()
        body = json.dumps(told).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


async def stall(seconds: float, every: float) -> None:
    while True:
        await asyncio.sleep(every - seconds)
        began = time.perf_counter()
        time.sleep(seconds)
        stalls.append((began, time.perf_counter()))


async def main(seconds: float, every: float) -> None:
    server = await asyncio.get_running_loop().create_server(StallingConnection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stall(seconds, every)


@contextmanager
def stalling(seconds: float, every: float) -> Iterator[str]:
    """Start one, and give its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.windtunnel.stalling", str(seconds), str(every)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:  # it would be waited for, for ever
            process.kill()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), float(sys.argv[2])))
