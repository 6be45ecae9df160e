"""Hosts of tenants' agents. A Ray actor is a process, so tenants share hosts; a tenant's host follows from its id.

Ray rebuilds a lost host by running its constructor again. The agents in it are caches of the database: each is restored
when its tenant is first heard of, so a call that is sent again after a crash changes nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray

from core.automation.hosting import host_for
from core.kit.events import Event
from core.settings import Settings

NAMESPACE = "salesedge"


class TenantHost:
    """The body of the actor; `start_hosts` makes actors of it."""

    def __init__(self, settings: Settings) -> None:
        from core import bootstrap
        from core.automation.host import AgentHost

        self._host = AgentHost(bootstrap.database(settings, bootstrap.database_url(settings)))

    async def handle(self, event: Mapping[str, Any], resident: str) -> None:
        await self._host.handle(Event.from_cloudevent(event), resident)

    async def tenants(self) -> list[str]:
        """Whose agents are awake here."""
        return [str(tenant_id) for tenant_id in self._host.awake()]


def _name(host: str) -> str:
    return f"tenant-host-{host}"


def _names(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def start_hosts(settings: Settings, *, num_cpus: float) -> list[Any]:
    """Make the hosts that are not there yet; they live until the cluster ends or they are killed by name."""
    actor = ray.remote(TenantHost)
    return [
        actor.options(
            name=_name(host), namespace=NAMESPACE, lifetime="detached", get_if_exists=True, num_cpus=num_cpus,
            max_restarts=-1, max_task_retries=-1, max_concurrency=1000,
        ).remote(settings)
        for host in _names(settings.agents.hosts)
    ]  # fmt: skip


class RemoteAgents:
    """The port `Agents` over the hosts."""

    def __init__(self, hosts: int) -> None:
        self._hosts = _names(hosts)
        self._actors: dict[str, Any] = {}

    async def handle(self, event: Event, resident: str = "agent") -> None:
        host = host_for(event.tenant_id, self._hosts)
        if host not in self._actors:
            self._actors[host] = ray.get_actor(_name(host), namespace=NAMESPACE)
        await self._actors[host].handle.remote(event.to_cloudevent(), resident)
