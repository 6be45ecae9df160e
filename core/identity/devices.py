"""Which devices a person is known by, and where he can be: derived from his sessions of late."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

from core.identity import repository
from core.kit.db import Tx
from core.ports import Place

_REMEMBERED = timedelta(days=90)
_EARTH_KM = 6371.0
_FASTEST_KMH = 1000.0  # an airliner with the wind
_NEAR_KM = 300.0
"""So little is not told: databases of addresses are wrong by as much."""
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


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where somebody was, and when."""

    latitude: float
    longitude: float
    at: datetime


def too_far(last: Sighting | None, here: Place | None, now: datetime) -> int | None:
    """Kilometres between two log-ins that nobody travels in the time between them; None where somebody could, or where
    it is not known where they were."""
    if last is None or here is None:
        return None
    km = distance_km(last.latitude, last.longitude, here.latitude, here.longitude) - here.radius_km
    hours = (now - last.at).total_seconds() / 3600
    return round(km) if km > _NEAR_KM and km > hours * _FASTEST_KMH else None


def distance_km(latitude: float, longitude: float, to_latitude: float, to_longitude: float) -> float:
    """Along the great circle (haversine)."""
    a, b = math.radians(latitude), math.radians(to_latitude)
    turn = math.sin((b - a) / 2) ** 2
    turn += math.cos(a) * math.cos(b) * math.sin(math.radians(to_longitude - longitude) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(turn)))
