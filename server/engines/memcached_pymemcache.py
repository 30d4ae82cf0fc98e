"""memcached through pymemcache."""

from __future__ import annotations

from typing import Any

from server.api.enums import Mode
from server.engines._memcached import Memcached
from server.engines.base import Errors, Op
from server.errors import DeadlineExceeded, Unavailable


class MemcachedPymemcache(Memcached):
    """pymemcache, with a client of one connection for each call under way."""

    name = "memcached-pymemcache"
    title = "memcached, pymemcache"
    drivers = dict.fromkeys((Mode.BLOCKING, Mode.THREADS), "pymemcache")
    notes = ("default_noreply=False: by default the driver does not wait for answers to writes",)

    def connect(self) -> Any:
        """Return a client; it connects when it is first used."""
        from pymemcache.client.base import Client

        class PymemcacheConnection(Client):  # type: ignore[misc]
            def run_blocking(self, work: Any, *args: Any) -> None:
                work(*args)

        return PymemcacheConnection(
            self.host,
            connect_timeout=self.deadline,
            timeout=self.deadline,
            no_delay=True,
            default_noreply=False,
        )

    def errors(self) -> Errors:
        """Return the driver's errors; what the server refuses is its state, never the request."""
        from pymemcache.exceptions import MemcacheError

        return ((TimeoutError, DeadlineExceeded), (MemcacheError, Unavailable))

    def ping(self, db: Any) -> Op[str]:
        """Return the server's version."""
        version = yield db.version()
        return f"memcached {version.decode()}"
