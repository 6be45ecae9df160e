"""What may be forgotten lives in Valkey or Redis: how far a call's running stage is."""

from __future__ import annotations

from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.kit.log import logger

log = logger("redis")
_KEPT_S = 86_400


class RedisProgress:
    """`Progress`. A server that is away costs the display, never the work."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, decode_responses=True, socket_timeout=1.0, socket_connect_timeout=1.0)

    async def set(self, call_id: UUID, stage: str, share: float) -> None:
        try:
            await self._redis.set(f"progress:{call_id}", f"{stage} {share:.4f}", ex=_KEPT_S)
        except RedisError as error:
            log.warning("progress_not_kept", error=type(error).__name__)

    async def get(self, call_id: UUID) -> tuple[str, float] | None:
        try:
            found = await self._redis.get(f"progress:{call_id}")
        except RedisError:
            return None
        if not found:
            return None
        stage, share = str(found).split(" ")
        return stage, float(share)

    async def clear(self, call_id: UUID) -> None:
        try:
            await self._redis.delete(f"progress:{call_id}")
        except RedisError as error:
            log.warning("progress_not_cleared", error=type(error).__name__)
