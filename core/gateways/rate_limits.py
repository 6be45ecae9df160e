"""Requests are counted in Valkey or Redis, so that several replicas share one count."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.kit.clock import SystemClock
from core.kit.log import logger
from core.ports import Rate

log = logger("rate_limits")
_WAIT_S = 1.0
_PAUSE_S = 5.0
# All subjects of a request in one turn, by the server's own clock. A window begins with its first request; of the one
# before it counts the share that still lies within the last `window` milliseconds. What is refused is not counted.
_TAKE = """
local now = redis.call('TIME')
local at = now[1] * 1000 + math.floor(now[2] / 1000)
local told = {}
for i, key in ipairs(KEYS) do
    local most, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local kept = redis.call('HMGET', key, 'start', 'before', 'count')
    local start, before, count = tonumber(kept[1]) or at, tonumber(kept[2]) or 0, tonumber(kept[3]) or 0
    local passed = math.floor((at - start) / window)
    if passed == 1 then
        start, before, count = start + window, count, 0
    elseif passed ~= 0 then
        start, before, count = at, 0, 0
    end
    local left = window - (at - start)
    local taken = math.floor(before * left / window) + count
    local allowed = taken < most
    if allowed then
        count, taken = count + 1, taken + 1
        redis.call('HSET', key, 'start', string.format('%.0f', start), 'before', before, 'count', count)
        redis.call('PEXPIRE', key, 2 * window)
    end
    local reset = left
    if before > 0 then
        reset = math.min(reset, left % (window / before))
    end
    told[3 * i - 2], told[3 * i - 1], told[3 * i] = allowed and 1 or 0, most - taken, math.ceil(reset)
end
return told
"""


class RedisRateLimiter:
    """`RateLimiter`, by a sliding window. While the server is away each replica counts for itself.

    `quotas`: requests and seconds for each kind of subject.
    """

    def __init__(self, url: str, quotas: Mapping[str, tuple[int, int]]) -> None:
        self._client = Redis.from_url(url, socket_timeout=_WAIT_S, socket_connect_timeout=_WAIT_S)
        self._take = self._client.register_script(_TAKE)
        self._quotas = dict(quotas)
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._items: dict[str, RateLimitItem] = {
            kind: RateLimitItemPerSecond(most, multiples=window_s) for kind, (most, window_s) in quotas.items()
        }
        self._clock = SystemClock()  # the library tells times of the day
        self._off_until = 0.0

    async def take(self, *subjects: tuple[str, str]) -> list[Rate]:
        if time.monotonic() >= self._off_until:
            try:
                return await self._shared(subjects)
            except (RedisError, OSError) as error:
                if time.monotonic() >= self._off_until:  # the first of those that were under way
                    log.warning("counts_not_shared", error=type(error).__name__, pause_s=_PAUSE_S)
                self._off_until = time.monotonic() + _PAUSE_S
        return list(await asyncio.gather(*(self._alone(kind, who) for kind, who in subjects)))

    async def _shared(self, subjects: Sequence[tuple[str, str]]) -> list[Rate]:
        limits = [limit for kind, _ in subjects for limit in (self._quotas[kind][0], self._quotas[kind][1] * 1000)]
        told = await self._take(keys=[f"rates:{kind}:{who}" for kind, who in subjects], args=limits)
        found = zip(subjects, told[::3], told[1::3], told[2::3], strict=True)
        return [
            Rate(kind, *self._quotas[kind], max(0, remaining), max(1, math.ceil(reset_ms / 1000)), bool(allowed))
            for (kind, _), allowed, remaining, reset_ms in found
        ]

    async def _alone(self, kind: str, who: str) -> Rate:
        item = self._items[kind]
        allowed = await self._own.hit(item, kind, who)
        stats = await self._own.get_window_stats(item, kind, who)
        reset_s = max(1, math.ceil(stats.reset_time - self._clock.now().timestamp()))
        return Rate(kind, item.amount, item.get_expiry(), stats.remaining, reset_s, allowed)
