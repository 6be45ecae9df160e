"""Who lives at a tenant's, and at which host: the protocol of residents, and rendezvous hashing (Thaler and
Ravishankar, 1998), so that a host that comes or goes moves only its own tenants."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from core.kit.db import Tx
from core.kit.events import Event

OWN = "own-"
AGENT, HEALTH = "agent", "health"
"""Names of residents."""


class Resident(Protocol):
    """What keeps state for one tenant and takes its events one after another: the follow-up agent, pipeline health.

    Its memory is a cache of the database. A host marks the event as handled in the transaction that it hands over, so
    what a resident writes there takes effect once; where anything fails, or another host took a turn meanwhile, the
    resident is thrown away and another is restored.
    """

    async def restore(self, tx: Tx) -> None:
        """Know what the database knows of the transaction's tenant, by one query. Called once, before all else."""
        ...

    async def handle(self, tx: Tx, event: Event) -> None:
        """Take an event that was not taken before. What lies outside of `tx` must bear to be done again."""
        ...


Residents = Mapping[str, Callable[[], Resident]]
"""Name → how one is made. The name stands in the inbox beside the event: it is for ever."""


def host_for(tenant_id: UUID, hosts: Sequence[str]) -> str:
    """The host with the highest weight for this tenant."""

    def weight(host: str) -> bytes:
        return hashlib.blake2b(tenant_id.bytes + host.encode(), digest_size=8).digest()

    return max(hosts, key=weight)


def own_host(tenant_id: UUID) -> str:
    """The name of the host that holds this tenant alone, where it has one."""
    return f"{OWN}{tenant_id}"


def host_among(tenant_id: UUID, live: Sequence[str]) -> str | None:
    """Its own host where that lives, else one of the shared; None where there is none."""
    own = own_host(tenant_id)
    if own in live:
        return own
    shared = [host for host in live if not host.startswith(OWN)]
    return host_for(tenant_id, shared) if shared else None
