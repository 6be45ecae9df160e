"""Requests are counted in Valkey or Redis, so that several replicas share one count."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from core.kit.clock import SystemClock
from core.kit.log import logger
from core.ports import Rate

log = logger("rate_limits")
_WAIT_S = 1.0
_PAUSE_S = 5.0


class RedisRateLimiter:
    """`RateLimiter`, by a sliding window. While the server is away each replica counts for itself.

    `quotas`: requests and seconds for each kind of subject.
    """

    def __init__(self, url: str, quotas: Mapping[str, tuple[int, int]]) -> None:
        storage = RedisStorage(
            url.replace("unix://", "redis+unix://") if url.startswith("unix://") else url,
            implementation="redispy", key_prefix="rate", wrap_exceptions=True,
            socket_timeout=_WAIT_S, socket_connect_timeout=_WAIT_S,
        )  # fmt: skip
        self._shared = SlidingWindowCounterRateLimiter(storage)
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._items: dict[str, RateLimitItem] = {
            kind: RateLimitItemPerSecond(most, multiples=window_s) for kind, (most, window_s) in quotas.items()
        }
        self._clock = SystemClock()  # the library tells times of the day
        self._off_until = 0.0

    async def take(self, *subjects: tuple[str, str]) -> list[Rate]:
        if time.monotonic() >= self._off_until:
            try:
                return await self._all(self._shared, subjects)
            except StorageError as error:
                if time.monotonic() >= self._off_until:  # the first of those that were under way
                    log.warning("counts_not_shared", error=type(error.storage_error).__name__, pause_s=_PAUSE_S)
                self._off_until = time.monotonic() + _PAUSE_S
        return await self._all(self._own, subjects)

    async def _all(self, window: SlidingWindowCounterRateLimiter, subjects: Sequence[tuple[str, str]]) -> list[Rate]:
        return list(await asyncio.gather(*(self._one(window, kind, who) for kind, who in subjects)))

    async def _one(self, window: SlidingWindowCounterRateLimiter, kind: str, who: str) -> Rate:
        item = self._items[kind]
        allowed = await window.hit(item, kind, who)
        stats = await window.get_window_stats(item, kind, who)
        reset_s = max(1, math.ceil(stats.reset_time - self._clock.now().timestamp()))
        return Rate(kind, item.amount, item.get_expiry(), stats.remaining, reset_s, allowed)
