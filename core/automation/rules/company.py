"""The working days of the transaction's company."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from core.automation.rules import repository
from core.automation.rules.calendar import WorkingDays, place_problems
from core.automation.rules.model import WorkCalendar
from core.kit.db import Tx
from core.kit.errors import Invalid
from core.tenants import repository as tenants


async def calendar(tx: Tx) -> WorkCalendar:
    """Where it said nothing, the working days of the country of its locale."""
    row = await repository.calendar(tx)
    if row is not None:
        return row
    country = (await tenants.tenant(tx)).locale[3:5].upper() or None
    known = country if not place_problems(country, None) else None
    return WorkCalendar(tenant_id=tx.tenant_id, country=known, subdivision=None, weekend=[6, 7], closed=[], open=[])


async def working_days(tx: Tx) -> WorkingDays:
    row = await calendar(tx)
    return WorkingDays(
        (await tenants.tenant(tx)).time_zone, row.country, row.subdivision, frozenset(row.weekend),
        _days(row.closed), _days(row.open),
    )  # fmt: skip


async def set_calendar(
    tx: Tx, *, country: str | None, subdivision: str | None, weekend: Sequence[int], closed: Sequence[date],
    open_: Sequence[date],
) -> WorkCalendar:  # fmt: skip
    found = place_problems(country, subdivision)
    if found:
        raise Invalid("Holidays of that place are not known.", problems=found)
    await repository.set_calendar(tx, {
        "country": country, "subdivision": subdivision, "weekend": sorted(set(weekend)),
        "closed": sorted({day.isoformat() for day in closed}), "open": sorted({day.isoformat() for day in open_}),
    })  # fmt: skip
    tx.audit("calendar.changed", f"tenant:{tx.tenant_id}", after={"country": country, "subdivision": subdivision})
    return await calendar(tx)


def _days(days: Sequence[str]) -> frozenset[date]:
    return frozenset(date.fromisoformat(day) for day in days)
