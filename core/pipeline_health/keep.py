"""The resident that keeps a tenant's pipeline health: each event of a deal changes the sums by what changed in it.

The sums live in the database, changed in the transaction of the event, so that any process can read them. The deal is
read as it stands now: an event that comes late, or before another, ends at the same sums.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from core.kit import timers
from core.kit.db import Tx
from core.kit.events import Event, EventType
from core.pipeline_health import repository
from core.pipeline_health.look import TIMER, look, next_look
from core.pipeline_health.marks import VERSION, Marks, count_in, difference, marks, total
from core.tenants import repository as tenants

LOOK_AFTER = timedelta(minutes=10)
"""So long changes are gathered until somebody looks at what they did."""
KEPT = timedelta(days=3 * 366)
"""So far back it is told how a group stood."""
_AT_ONCE = 2_000


class PipelineHealth:
    """In memory: in which zone's days, and by which version of the marks, the sums are counted."""

    def __init__(self) -> None:
        self._counted: tuple[int | None, str | None] = (None, None)
        self._levels: dict[str, str] = {}

    async def restore(self, tx: Tx) -> None:
        known = await repository.known(tx)
        self._counted = (known["version"], known["counted_in"])
        self._levels = dict(known["levels"] or {})

    async def handle(self, tx: Tx, event: Event) -> None:
        zone = (await tenants.tenant(tx)).time_zone
        if self._counted != (VERSION, zone):
            await rebuild(tx, zone)
            self._counted = (VERSION, zone)
        elif (deal_id := _deal(event)) is not None:
            await follow(tx, deal_id, ZoneInfo(zone))
        now = tx.clock.now()
        if event.type is EventType.TIMER_DUE:
            self._levels = await look(tx, ZoneInfo(zone), self._levels)
            await repository.forget_points(tx, now.date() - KEPT)
            due = next_look(now, ZoneInfo(zone))
        else:
            due = now + LOOK_AFTER
        await timers.set_timers(tx, TIMER, [timers.Timer(tx.tenant_id, due)], earliest=True)


def _deal(event: Event) -> UUID | None:
    if event.type in (EventType.DEAL_CREATED, EventType.DEAL_CHANGED):
        return event.subject
    found = event.data.get("deal_id")
    return UUID(str(found)) if found else None


async def follow(tx: Tx, deal_id: UUID, zone: ZoneInfo) -> None:
    """Let the sums say of a deal what it is now."""
    deal = await repository.trail(tx, deal_id)
    before = await repository.marks_of(tx, deal_id)
    after = marks(deal, zone) if deal else {}
    if before == after:
        return
    await repository.add(tx, difference(before, after))
    if deal:
        await repository.keep(tx, {deal_id: after})
    else:
        await repository.drop(tx, deal_id)


async def rebuild(tx: Tx, time_zone: str) -> None:
    """Add up all deals anew: for a tenant that has no sums yet, or of another version or zone."""
    await repository.begin(tx, time_zone)
    zone = ZoneInfo(time_zone)
    state: Marks = {}
    part: dict[UUID, Marks] = {}
    async for deal_id, deal in repository.trails(tx):
        part[deal_id] = marks(deal, zone)
        count_in(state, part[deal_id])
        if len(part) == _AT_ONCE:
            await repository.keep(tx, part)
            part = {}
    await repository.keep(tx, part)
    found = list(state.items())
    for start in range(0, len(found), _AT_ONCE):
        await repository.add(tx, dict(found[start : start + _AT_ONCE]))


async def recomputed(tx: Tx, time_zone: str) -> Marks:
    """All sums from the deals themselves; writes nothing. Of the deals that may be seen."""
    zone = ZoneInfo(time_zone)
    return total([marks(deal, zone) async for _, deal in repository.trails(tx)])
