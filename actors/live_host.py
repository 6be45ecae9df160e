"""Hosts of live sessions. What a session needs is in the store, so a host is asked for nothing: it looks for sessions
that nobody holds, and one that dies is followed by whichever other sees that first.

Ray starts a lost host again by running its constructor, which is all that it takes. Whose process ends on the same
machine is seen at once by the host next to it, long before a lease ends or Ray says so (1.5 s on two busy cores).
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
from ray.exceptions import RayActorError

from core.kit.errors import Unavailable
from core.kit.log import logger
from core.settings import Settings

if TYPE_CHECKING:
    from core.bootstrap import Services
    from core.live.host import LiveHost

log = logger("live")
NAMESPACE = "salesedge"
_AGAIN_S = 2.0
_PREFIX = "live-host-"
House = Callable[[Settings], "Services"]
"""Makes the services of a process, with handles of what answers elsewhere."""


@dataclass(frozen=True, slots=True)
class LiveReport:
    """What a host holds, in which process of which node and under which token; "": it is starting."""

    host: str
    node: str
    pid: int
    sessions: list[UUID]
    token: str


class LiveHostActor:
    """The body of the actor; `start_live_hosts` makes actors of it."""

    def __init__(self, settings: Settings, name: str, house: House) -> None:
        self._settings, self._name, self._house = settings, name, house
        self._loop = asyncio.new_event_loop()
        self._host: LiveHost | None = None
        threading.Thread(target=self._run, name="live-host", daemon=True).start()

    async def report(self) -> LiveReport:
        host = self._host
        held, token = (host.held(), host.token) if host else ([], "")
        return LiveReport(self._name, _node(), os.getpid(), held, token)

    async def leave(self) -> None:
        """Hold nothing more: what is here goes to other hosts."""
        if self._host is not None:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._host.leave(), self._loop))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._stay())

    async def _stay(self) -> None:
        """What it asks may come up later than it does."""
        while True:
            try:
                return await self._hold()
            except Exception as error:
                log.error("live_host_fell", host=self._name, error=type(error).__name__, exc_info=error)
                await asyncio.sleep(_AGAIN_S)

    async def _hold(self) -> None:
        from core.live.host import LiveHost
        from core.live.making import of_house

        services = self._house(self._settings)
        making, times = of_house(services), self._settings.live
        self._host = host = LiveHost(self._name, services.live.store, making, times, services.clock)
        watching = asyncio.create_task(self._watch(host)) if times.hosts > 1 else None
        try:
            await host.run()
        finally:
            if watching is not None:
                watching.cancel()

    async def _watch(self, host: LiveHost) -> None:
        """The host next to this one, in a ring: when its process ends, what it held is free."""
        name = f"{_PREFIX}{(int(self._name) + 1) % self._settings.live.hosts}"
        while True:
            try:
                actor = await asyncio.to_thread(ray.get_actor, name, NAMESPACE)
                report: LiveReport = await actor.report.remote()
                if report.token and report.node == _node():
                    await until_dead(report.pid)
                    await host.forsaken(report.token)
            except (ValueError, RayActorError, Unavailable) as error:  # it is not there yet, or the store is away
                log.warning("live_host_not_watched", host=name, error=type(error).__name__)
            await asyncio.sleep(_AGAIN_S)


def _node() -> str:
    return str(ray.get_runtime_context().get_node_id())


async def until_dead(pid: int) -> None:
    """Returns once that process of this machine has ended: pidfd_open(2)."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


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
