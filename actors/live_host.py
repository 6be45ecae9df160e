"""Hosts of live sessions. What a session needs is in the store, so a host is asked for nothing: it looks for sessions
that nobody holds, and one that dies is followed by whichever other sees that first.

Ray starts a lost host again by running its constructor, which is all that it takes.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import ray

from core.kit.log import logger
from core.settings import Settings

if TYPE_CHECKING:
    from core.bootstrap import Services

log = logger("live")
NAMESPACE = "salesedge"
_AGAIN_S = 5.0
_PREFIX = "live-host-"
House = Callable[[Settings], "Services"]
"""Makes the services of a process, with handles of what answers elsewhere."""


@dataclass(frozen=True, slots=True)
class LiveReport:
    """What a host holds, and in which process."""

    host: str
    pid: int
    sessions: list[UUID]


class LiveHostActor:
    """The body of the actor; `start_live_hosts` makes actors of it."""

    def __init__(self, settings: Settings, name: str, house: House) -> None:
        self._settings, self._name, self._house = settings, name, house
        self._loop = asyncio.new_event_loop()
        self._held: Callable[[], list[UUID]] = list
        self._leave: Callable[[], Any] | None = None
        threading.Thread(target=self._run, name="live-host", daemon=True).start()

    async def report(self) -> LiveReport:
        return LiveReport(self._name, os.getpid(), self._held())

    async def leave(self) -> None:
        """Hold nothing more: what is here goes to other hosts."""
        if self._leave is not None:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._leave(), self._loop))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._stay())

    async def _stay(self) -> None:
        """What it asks may come up later than it does."""
        while True:
            try:
                return await self._host()
            except Exception as error:
                log.error("live_host_fell", host=self._name, error=type(error).__name__, exc_info=error)
                await asyncio.sleep(_AGAIN_S)

    async def _host(self) -> None:
        from core.live.host import LiveHost
        from core.live.making import of_house

        services = self._house(self._settings)
        host = LiveHost(self._name, services.live.store, of_house(services), self._settings.live, services.clock)
        self._held, self._leave = host.held, host.leave
        await host.run()


def start_live_hosts(settings: Settings, house: House, *, num_cpus: float) -> list[Any]:
    """Make the hosts that are not there yet; they live until the cluster ends or they are killed by name."""
    return [
        ray.remote(LiveHostActor).options(
            name=f"{_PREFIX}{number}", namespace=NAMESPACE, lifetime="detached", get_if_exists=True, num_cpus=num_cpus,
            max_restarts=-1, max_task_retries=-1, max_concurrency=100,
        ).remote(settings, str(number), house)
        for number in range(settings.live.hosts)
    ]  # fmt: skip


def live_reports(settings: Settings) -> list[LiveReport]:
    """Of each host."""
    names = [f"{_PREFIX}{number}" for number in range(settings.live.hosts)]
    actors = [ray.get_actor(name, namespace=NAMESPACE) for name in names]
    found: list[LiveReport] = ray.get([actor.report.remote() for actor in actors])
    return found
