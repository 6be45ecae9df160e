"""Which host holds a tenant: rendezvous hashing (Thaler and Ravishankar, 1998), so that a host that goes moves
only its own tenants."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID


def host_for(tenant_id: UUID, hosts: Sequence[str]) -> str:
    """The host with the highest weight for this tenant."""

    def weight(host: str) -> bytes:
        return hashlib.blake2b(tenant_id.bytes + host.encode(), digest_size=8).digest()

    return max(hosts, key=weight)
