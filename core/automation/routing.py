"""Brings each tenant's events to the host that holds it, over hosts that come, leave and die."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from core.automation.hosting import AGENT, host_among
from core.kit.errors import Unavailable
from core.kit.events import Event
from core.kit.retry import backoff_s

LOOK_EVERY_S = 2.0
"""How old the list of live hosts may be. An older one costs nothing but a memory that is restored elsewhere."""
TRIES = 8


class Hosts(Protocol):
    """The hosts there are, by name."""

    async def live(self) -> list[str]: ...

    async def handle(self, host: str, event: Event, resident: str) -> bool:
        """False: the host died or is about to leave; whether it took the event is not known. Raises what the resident
        raised."""
        ...


class RoutedAgents:
    """The port `Agents`. An event that a host may have taken before it died is sent again: it changes nothing twice."""

    def __init__(
        self, hosts: Hosts, *, clock_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._hosts = hosts
        self._clock_s = clock_s
        self._sleep = sleep
        self._live: list[str] = []
        self._looked_s: float | None = None
        self._looking = asyncio.Lock()

    async def handle(self, event: Event, resident: str = AGENT) -> None:
        for attempt in range(TRIES):
            host = host_among(event.tenant_id, await self._known())
            if host is not None:
                if await self._hosts.handle(host, event, resident):
                    return
                self._live = [other for other in self._live if other != host]
            if host is None or attempt:
                await self._sleep(backoff_s(attempt, base_s=0.1, most_s=4.0))
            if host is None:
                self._looked_s = None
        raise Unavailable("No tenant host takes events just now.")

    async def _known(self) -> list[str]:
        async with self._looking:
            now_s = self._clock_s()
            if self._looked_s is None or now_s - self._looked_s >= LOOK_EVERY_S:
                self._live = await self._hosts.live()
                self._looked_s = now_s
        return self._live
