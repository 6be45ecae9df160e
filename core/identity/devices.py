"""Which devices a person is known by: derived from his sessions of late."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

from core.identity import repository
from core.kit.db import Tx

_REMEMBERED = timedelta(days=90)
_V4_BITS, _V6_BITS = 24, 64


def network(address: str | None) -> str | None:
    """The /24 (IPv4) or /64 (IPv6) that an address lies in: providers hand out others of it to the same household."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return address
    bits = _V6_BITS if isinstance(ip, IPv6Address) else _V4_BITS
    return str(ip_network((ip, bits), strict=False))


async def seen(tx: Tx, user_id: UUID) -> set[tuple[str | None, str | None]]:
    """Networks and user agents of the user's sessions of 90 days."""
    rows = await repository.origins(tx, user_id, since=tx.clock.now() - _REMEMBERED)
    return {(network(address), agent) for address, agent in rows}
