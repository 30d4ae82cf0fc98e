"""Valkey or Redis through redis-py: a key for each record, its value the record as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from server.addresses import UrlForm
from server.api.enums import Durability, Mode
from server.api.record import Record, decode, encode
from server.engines._keyvalue import KeyValue
from server.engines.base import Errors, Op, Promise, Service
from server.errors import DeadlineExceeded, Unavailable

BATCH = 1000

URL_FORM = UrlForm(
    {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"},
    6379,
    r"\d{1,4}",
    parameters={
        "ssl_ca_certs": None,
        "ssl_certfile": None,
        "ssl_keyfile": None,
        "ssl_cert_reqs": frozenset({"none", "optional", "required"}),
    },
)

APPEND = {
    Durability.VOLATILE: "no",
    Durability.FAST: "everysec",
    Durability.SAFE: "always",
}
"""appendfsync, or "no" without a log: it holds for a whole server."""


class Redis(KeyValue):
    """redis-py and its asyncio twin, with one connection for each call under way."""

    name = "redis"
    title = "Valkey/Redis, redis-py"
    service = Service(
        "redis",
        {
            Durability.VOLATILE: "redis://127.0.0.1:16379",
            Durability.FAST: "redis://127.0.0.1:16380",
            Durability.SAFE: "redis://127.0.0.1:16381",
        },
        URL_FORM.normalize,
    )
    drivers = dict.fromkeys(Mode, "redis")
    durabilities = {
        Durability.VOLATILE: Promise("appendonly no, save ''", False, False),
        Durability.FAST: Promise("appendonly yes, appendfsync everysec", False, False),
        Durability.SAFE: Promise("appendonly yes, appendfsync always", True, True),
    }
    notes = (
        "one server for each durability, as appendfsync holds for a whole server; asked when a "
        "store opens, unless CONFIG is forbidden",
        "everysec writes to the page cache before it answers, save while a sync is under way: "
        "a killed process then loses what was acknowledged meanwhile",
        "a client of one connection for each call under way (single_connection_client), which "
        "takes a fifth less CPU than the driver's pool; the driver's retries are off",
        "async: no socket_timeout, which costs a third more CPU; the deadline cancels the call",
        "pure Python parser unless hiredis is installed; RESP3",
    )

    def connect(self) -> Any:
        """Return a client that has connected."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return redis.Redis.from_url(
            self.address,
            single_connection_client=True,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=self.deadline,
            socket_timeout=self.deadline,
            driver_info=None,
        )

    async def aconnect(self) -> Any:
        """Return a client that has connected."""
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        client = redis.asyncio.Redis.from_url(
            self.address,
            single_connection_client=True,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=self.deadline,
            socket_timeout=None,
            driver_info=None,
        )
        return await client.initialize()

    async def aclose(self, db: Any) -> None:
        """Close the connection without waiting for the server."""
        await db.aclose()

    def errors(self) -> Errors:
        """Return the driver's errors; what the server refuses is its state, never the request."""
        from redis.exceptions import RedisError
        from redis.exceptions import TimeoutError as RedisTimeoutError

        return ((RedisTimeoutError, DeadlineExceeded), (RedisError, Unavailable))

    def prepare(self, db: Any) -> Op[None]:
        """Refuse a server that does not keep its log as promised, where CONFIG is allowed."""
        from redis.exceptions import ResponseError

        try:
            log = yield db.config_get("append*")
        except ResponseError:  # hosted servers keep CONFIG to themselves
            return
        policy = log["appendfsync"] if log["appendonly"] == "yes" else "no"
        if policy != APPEND[self.durability]:
            promise = self.durabilities[self.durability].how
            raise Unavailable(
                f"{self.title}: {self.durability} is {promise}; this server has "
                f"appendonly {log['appendonly']}, appendfsync {log['appendfsync']}"
            )

    def ping(self, db: Any) -> Op[str]:
        """Return the server's name and version."""
        info = yield db.info("server")
        if version := info.get("valkey_version"):
            return f"Valkey {version}"
        return f"Redis {info['redis_version']}"

    def reset(self, db: Any, records: Sequence[Record]) -> Op[None]:
        """Unlink this store's keys and set those of `records`; the other stores' keys stay."""
        cursor = None
        while cursor != 0:
            cursor, keys = yield db.scan(cursor or 0, match=f"{self.collection}:*", count=BATCH)
            if keys:
                yield db.unlink(*keys)
        for start in range(0, len(records), BATCH):
            batch = records[start : start + BATCH]
            yield db.mset({self.key(record.id): encode(record) for record in batch})

    def key(self, id: str) -> str:
        """Return the key of a record."""
        return f"{self.collection}:{id}"

    def create(self, db: Any, record: Record) -> Op[None]:
        """SET."""
        yield db.set(self.key(record.id), encode(record))

    def read(self, db: Any, id: str) -> Op[Record | None]:
        """GET."""
        value = yield db.get(self.key(id))
        return None if value is None else decode(value)

    def update(self, db: Any, record: Record) -> Op[bool]:
        """SET ... XX, which answers nil where there is no such key."""
        return (yield db.set(self.key(record.id), encode(record), xx=True)) is not None

    def delete(self, db: Any, id: str) -> Op[bool]:
        """DEL."""
        removed: int = yield db.delete(self.key(id))
        return removed == 1
