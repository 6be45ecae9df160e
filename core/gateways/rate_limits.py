"""Requests are counted in Valkey or Redis, so that several replicas share one count."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from core.kit.clock import SystemClock
from core.kit.log import logger
from core.ports import Rate

log = logger("rate_limits")
_WAIT_S = 0.25
_PAUSE_S = 5.0


class RedisRateLimiter:
    """`RateLimiter`, by a sliding window. A server that is away costs the limits for a while, never the requests.

    `per_minute`: requests for each kind of subject.
    """

    def __init__(self, url: str, per_minute: Mapping[str, int]) -> None:
        storage = RedisStorage(
            url.replace("unix://", "redis+unix://") if url.startswith("unix://") else url,
            implementation="redispy", key_prefix="rate", wrap_exceptions=True,
            socket_timeout=_WAIT_S, socket_connect_timeout=_WAIT_S,
        )  # fmt: skip
        self._window = SlidingWindowCounterRateLimiter(storage)
        self._items: dict[str, RateLimitItem] = {
            kind: RateLimitItemPerMinute(most) for kind, most in per_minute.items()
        }
        self._clock = SystemClock()  # the library tells times of the day
        self._off_until = 0.0

    async def take(self, *subjects: tuple[str, str]) -> list[Rate]:
        if time.monotonic() < self._off_until:
            return []
        try:
            return list(await asyncio.gather(*(self._one(kind, who) for kind, who in subjects)))
        except StorageError as error:
            self._off_until = time.monotonic() + _PAUSE_S
            log.warning("requests_not_counted", error=type(error.storage_error).__name__, pause_s=_PAUSE_S)
            return []

    async def _one(self, kind: str, who: str) -> Rate:
        item = self._items[kind]
        allowed = await self._window.hit(item, kind, who)
        stats = await self._window.get_window_stats(item, kind, who)
        reset_s = max(1, math.ceil(stats.reset_time - self._clock.now().timestamp()))
        return Rate(kind, item.amount, item.get_expiry(), stats.remaining, reset_s, allowed)
