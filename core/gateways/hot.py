"""Values that may be lost, held in Valkey or Redis, and never older than what was committed elsewhere."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from secrets import token_bytes
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from core.kit.log import logger

log = logger("hot")
T = TypeVar("T")

_VALUE, _CLAIM = b"\x01", b"\x00"
_LEASE_S = 30
_CLAIM_ALL = "for _, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1], 'EX', ARGV[2]) end"
_LEASE = _CLAIM_ALL.replace("ARGV[2])", "ARGV[2], 'NX')")
_FILL = """for i, key in ipairs(KEYS) do
    if redis.call('GET', key) == ARGV[1] then redis.call('SET', key, ARGV[2 + i], 'EX', ARGV[2]) end
end"""
_RELEASE = "for _, key in ipairs(KEYS) do if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end end"


class RedisHotValues:
    """`HotValues`. Under a key stands a value, or the claim of who is about to put one there.

    A writer claims its keys before it commits, whatever stood there, and a reader that finds nothing claims the empty
    key before it looks elsewhere. Only who still holds the claim fills it: a reader that looked before a commit has
    lost its claim by then. A claim that is never filled (its process died) runs out, and costs time and no truth.

    A server that was away may come back with old values: keys bear the run of the server, so those are never seen. A
    writer that alone cannot reach a running server deletes its keys as soon as it can; until then, and at most for
    `lifetime_s`, others may read what was before.
    """

    def __init__(
        self,
        url: str,
        *,
        lifetime_s: int = 900,
        claim_s: int = 600,
        wait_s: float = 0.25,
        pause_s: float = 2.0,
    ) -> None:
        self._redis: Any = Redis.from_url(
            url, socket_timeout=wait_s, socket_connect_timeout=wait_s, retry=Retry(NoBackoff(), 0),
            redis_connect_func=self._connected,
        )  # fmt: skip
        self._lifetime_s, self._claim_s, self._pause_s = lifetime_s, claim_s, pause_s
        self._run: bytes | None = None
        self._owed: set[str] = set()
        self._off_until = 0.0

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        if time.monotonic() < self._off_until:
            return [None] * len(keys)

        async def read() -> list[bytes | None]:
            run = await self._ready()
            found = await self._redis.mget([run + key.encode() for key in keys])
            if self._run != run:  # another run of the server answered than the one that was asked
                return [None] * len(keys)
            return [raw[1:] if raw is not None and raw[:1] == _VALUE else None for raw in found]

        return await self._tried(read) or [None] * len(keys)

    async def lease(self, keys: Sequence[str]) -> bytes | None:
        if time.monotonic() < self._off_until:
            return None
        return await self._claimed(keys, kept_s=_LEASE_S, empty=True)

    async def claim(self, keys: Sequence[str]) -> bytes | None:
        return await self._claimed(keys, kept_s=self._claim_s, empty=False)

    async def fill(self, claim: bytes, values: Mapping[str, bytes]) -> None:
        if values:
            arguments = [claim, self._lifetime_s, *(_VALUE + value for value in values.values())]
            await self._tried(lambda: self._script(_FILL, list(values), arguments))

    async def release(self, claim: bytes, keys: Sequence[str]) -> None:
        if keys:
            await self._tried(lambda: self._script(_RELEASE, keys, [claim]))

    async def drop(self, keys: Sequence[str]) -> None:
        self._owed.update(keys)
        await self._tried(self._ready)

    async def _claimed(self, keys: Sequence[str], *, kept_s: int, empty: bool) -> bytes | None:
        claim = _CLAIM + token_bytes(12)

        async def put() -> bytes:
            await self._script(_LEASE if empty else _CLAIM_ALL, keys, [claim, kept_s])
            return claim

        return await self._tried(put)

    async def _script(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> None:
        run = await self._ready()
        await self._redis.eval(script, len(keys), *(run + key.encode() for key in keys), *arguments)

    async def _ready(self) -> bytes:
        """The prefix of this run of the server. What could not be deleted before goes first."""
        if self._run is None:
            told = await self._redis.info("server")
            self._run = f"{told['run_id'][:12]}:".encode()
        run = self._run
        if self._owed:
            owed = set(self._owed)
            await self._redis.delete(*(run + key.encode() for key in owed))
            self._owed -= owed
        return run

    async def _connected(self, connection: Any) -> None:
        """A new connection may lead to another run of the server."""
        await connection.on_connect()
        self._run = None

    async def _tried(self, do: Callable[[], Awaitable[T]]) -> T | None:
        try:
            return await do()
        except (RedisError, OSError) as error:
            if time.monotonic() >= self._off_until:
                log.warning("hot_values_away", error=type(error).__name__, pause_s=self._pause_s)
            self._off_until = time.monotonic() + self._pause_s
            return None

    async def close(self) -> None:
        await self._redis.aclose()
