"""memcached through aiomcache."""

from __future__ import annotations

import asyncio
from typing import Any

from server.api.enums import Mode
from server.engines._memcached import Memcached
from server.engines.base import Errors, Op
from server.errors import Unavailable


class MemcachedAiomcache(Memcached):
    """aiomcache, with a client of one connection for each call under way."""

    name = "memcached-aiomcache"
    title = "memcached, aiomcache"
    drivers = {Mode.ASYNC: "aiomcache"}
    notes = (
        "a client of one connection for each call under way, discarded with a cancelled call: the "
        "driver's own pool would give the late answer to the next call",
        "replies are read by us: the driver (0.8.2) loops for ever when the server is killed",
    )

    async def aconnect(self) -> Any:
        """Return a client; it connects when it is first used."""
        import aiomcache

        class AiomcacheConnection(aiomcache.Client):
            async def run_blocking(self, work: Any, *args: Any) -> None:
                await asyncio.to_thread(work, *args)

            async def _execute_simple_command(self, conn: Any, raw_command: bytes) -> bytes:
                conn.writer.write(raw_command)
                await conn.writer.drain()
                line: bytes = await conn.reader.readuntil(b"\r\n")
                return line[:-2]

        host, port = self.host
        return AiomcacheConnection(host, port, pool_size=1)

    def errors(self) -> Errors:
        """Return the driver's errors; what the server refuses is its state, never the request."""
        from aiomcache.exceptions import ClientException

        return ((ClientException, Unavailable),)

    def ping(self, db: Any) -> Op[str]:
        """Return the server's version."""
        version = yield db.version()
        return f"memcached {version.decode()}"
