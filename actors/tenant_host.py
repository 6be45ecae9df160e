"""Hosts of tenants' residents. A Ray actor is a process, so tenants share hosts; one may have a host of its own.

Ray rebuilds a lost host by running its constructor again. What lives in it is a cache of the database, restored when
its tenant is first heard of, so a call that is sent again after a crash changes nothing twice. Who is alive is what
Ray's list of named actors says; more or fewer hosts move no tenant but those of a host that came or left.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import ray

from core.automation.hosting import OWN, own_host
from core.automation.routing import RoutedAgents
from core.kit.errors import SalesEdgeError
from core.kit.events import Event
from core.ports import Predictor
from core.settings import Settings

NAMESPACE = "salesedge"
_PREFIX = "tenant-host-"
_LOOK_AFTER_S = 10.0
MakePredictor = Callable[[], Predictor]
"""Called in the host: whom its agents ask for odds."""


@dataclass(frozen=True, slots=True)
class HostReport:
    """What a host holds. `memory_bytes`: resident, of the process; `tenant_bytes`: what each tenant that is awake
    added to it since the start."""

    host: str
    tenants: int
    waiting: int
    turns: int
    repeats: int
    restored: int
    overtaken: int
    memory_bytes: int
    tenant_bytes: int


class TenantHost:
    """The body of the actor; `start_hosts` makes actors of it."""

    def __init__(self, settings: Settings, name: str, predictor: MakePredictor) -> None:
        from core import bootstrap
        from core.automation.residents import agent_host

        limits = settings.agents
        self._settings = settings
        self._name = name
        self._host = agent_host(
            bootstrap.database(settings, bootstrap.database_url(settings)), predictor(), bootstrap.deal_inputs,
            most_awake=limits.most_awake, idle_s=limits.idle_s, at_once=limits.at_once,
        )  # fmt: skip
        self._leaving = False
        self._bare_bytes = _memory_bytes()
        self._keeper: asyncio.Task[None] | None = None

    async def handle(self, event: Mapping[str, Any], resident: str) -> bool:
        """False: not taken, this host is about to leave."""
        if self._leaving:
            return False
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._look_after())
        await self._host.handle(Event.from_cloudevent(event), resident)
        return True

    async def leave(self) -> None:
        """Take nothing more; returns once all that was taken is done."""
        self._leaving = True
        await self._host.finish()

    async def tenants(self) -> list[str]:
        """Who is awake here."""
        return [str(tenant_id) for tenant_id in self._host.awake()]

    async def settings(self) -> Settings:
        """What it was started with: another host needs the same."""
        return self._settings

    async def report(self) -> HostReport:
        awake, memory = len(self._host.awake()), _memory_bytes()
        return HostReport(
            self._name, awake, self._host.waiting(), **asdict(self._host.counts), memory_bytes=memory,
            tenant_bytes=max(0, memory - self._bare_bytes) // awake if awake else 0,
        )  # fmt: skip

    async def _look_after(self) -> None:
        """Put to sleep who is idle, and tell Ray's metrics how things stand."""
        from ray.util.metrics import Gauge

        gauges: dict[str, Gauge] = {}
        while True:
            await asyncio.sleep(_LOOK_AFTER_S)
            self._host.put_to_sleep()
            for name, value in asdict(await self.report()).items():
                if name != "host":
                    if name not in gauges:
                        gauges[name] = Gauge(f"salesedge_tenant_host_{name}", tag_keys=("host",))
                    gauges[name].set(value, tags={"host": self._name})


def _memory_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _actor(host: str) -> Any:
    return ray.get_actor(_PREFIX + host, namespace=NAMESPACE)


def live_hosts() -> list[str]:
    named = ray.util.list_named_actors(all_namespaces=True)
    mine = [actor["name"] for actor in named if actor["namespace"] == NAMESPACE]
    return [name.removeprefix(_PREFIX) for name in mine if name.startswith(_PREFIX)]


def start_hosts(settings: Settings, predictor: MakePredictor, *, num_cpus: float) -> list[Any]:
    """Make the hosts that are not there yet; they live until the cluster ends or they are killed by name."""
    own = [own_host(UUID(str(tenant_id))) for tenant_id in settings.agents.own_hosts]
    shared = [str(number) for number in range(settings.agents.hosts)]
    return [_start(settings, host, predictor, num_cpus) for host in [*shared, *own]]


def running_settings() -> Settings | None:
    """Of the hosts that live; None where none does."""
    for host in live_hosts():
        found: Settings = ray.get(_actor(host).settings.remote())
        return found
    return None


def scale_hosts(settings: Settings, predictor: MakePredictor, count: int, *, num_cpus: float) -> list[str]:
    """Have so many shared hosts: those that are too many leave when what they took is done. Returns who is left."""
    wanted = [str(number) for number in range(count)]
    started = [_start(settings, host, predictor, num_cpus) for host in wanted]
    ray.get([actor.tenants.remote() for actor in started])
    for host in live_hosts():
        if host not in wanted and not host.startswith(OWN):
            ray.get(_actor(host).leave.remote())
            ray.kill(_actor(host))
    return wanted


def reports() -> list[HostReport]:
    found: list[HostReport] = ray.get([_actor(host).report.remote() for host in sorted(live_hosts())])
    return found


def _start(settings: Settings, host: str, predictor: MakePredictor, num_cpus: float) -> Any:
    return ray.remote(TenantHost).options(
        name=_PREFIX + host, namespace=NAMESPACE, lifetime="detached", get_if_exists=True, num_cpus=num_cpus,
        max_restarts=-1, max_task_retries=-1, max_concurrency=1000,
    ).remote(settings, host, predictor)  # fmt: skip


class RayHosts:
    """The actors, as `RoutedAgents` asks for hosts."""

    def __init__(self) -> None:
        self._actors: dict[str, Any] = {}

    async def live(self) -> list[str]:
        return await asyncio.to_thread(live_hosts)

    async def handle(self, host: str, event: Event, resident: str) -> bool:
        from ray.exceptions import RayActorError, RayTaskError

        try:
            if host not in self._actors:
                self._actors[host] = await asyncio.to_thread(_actor, host)
            taken: bool = await self._actors[host].handle.remote(event.to_cloudevent(), resident)
        except RayTaskError as error:
            if isinstance(error.cause, SalesEdgeError):
                raise error.cause from None
            raise
        except (RayActorError, ValueError):  # it died, or there is none of that name any more
            taken = False
        if not taken:
            self._actors.pop(host, None)
        return taken


def remote_agents() -> RoutedAgents:
    """The port `Agents` over all hosts that live."""
    return RoutedAgents(RayHosts())
