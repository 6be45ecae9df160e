"""Where addresses are, by a database in MaxMind's format that the operator supplies (GeoLite2, DB-IP, IPinfo, …)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.kit.errors import BadInput
from core.ports import Place

_NAME_LETTERS = 100
_COUNTRY_RADIUS_KM = 1000
"""Where the database does not say how exact it is."""


class MmdbPlaces:
    """The file is mapped into memory, so that all processes of a machine share it. Raises `BadInput`."""

    def __init__(self, path: Path) -> None:
        import maxminddb

        try:
            self._reader = maxminddb.open_database(path, maxminddb.MODE_AUTO)
        except maxminddb.InvalidDatabaseError:
            raise BadInput(f"SALESEDGE_AUTH__PLACES: {path.name} is no database in MaxMind's format.") from None

    def find(self, address: str | None) -> Place | None:
        try:
            found: Any = self._reader.get(address) if address else None
        except ValueError:
            return None
        return _place(found) if isinstance(found, dict) else None


class NoPlaces:
    """Where the operator has supplied none."""

    def find(self, address: str | None) -> Place | None:
        return None


def _place(found: dict[str, Any]) -> Place | None:
    where = found.get("location") or {}
    latitude, longitude = where.get("latitude"), where.get("longitude")
    names = [_named(found.get("city")), (found.get("country") or {}).get("iso_code")]
    if latitude is None or longitude is None:
        return None
    radius_km = where.get("accuracy_radius") or _COUNTRY_RADIUS_KM
    name = ", ".join(str(part) for part in names if part)[:_NAME_LETTERS]
    return Place(name or None, float(latitude), float(longitude), float(radius_km))


def _named(part: Any) -> str | None:
    return ((part or {}).get("names") or {}).get("en")
