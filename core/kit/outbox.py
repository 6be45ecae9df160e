"""The transactional outbox and, for each reaction, its inbox.

An event is a row of `events`, written in the transaction of its data, with one row of `deliveries` for each reaction
that shall take it. A worker claims deliveries, which counts a try of each and keeps others off until `next_at`: so
even a try that kills its worker is counted. Then it marks one done and runs its reaction in one transaction: at least
once it runs, exactly once it takes effect. The mark holds the row's lock until the reaction ends, and does not find a
row that was claimed again meanwhile. One that keeps failing is parked, where `salesedge events parked` shows it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, SmallInteger, String, TextClause, text
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned
from core.kit.events import Event, EventType
from core.kit.facts import FACTS

if TYPE_CHECKING:
    from core.kit.db import Tx

CHANNEL = "salesedge_events"
WRITTEN, AGAIN = "written", "again"
"""Notices on the channel: there are new events; what was done or parked shall run again."""
PUBLISH = "events.publish"
"""Among the reactions of each event where there is a broker: to be put on its topic."""


class EventRow(TenantOwned, Base):
    """One fact, never changed. `seq` orders the events of a tenant as they were committed."""

    __tablename__ = "events"

    seq: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    type: Mapped[str] = mapped_column(String(64))
    subject: Mapped[UUID] = mapped_column(index=True)
    data: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    at: Mapped[datetime]
    trace: Mapped[str | None]

    __table_args__ = (Index("events_at", "at"),)


class DeliveryRow(Base):
    """One event for one reaction: `pending`, `done` or `parked`. Nobody takes it before `next_at`."""

    __tablename__ = "deliveries"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    reaction: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant_id: Mapped[UUID]
    seq: Mapped[int] = mapped_column(BigInteger)
    ordered: Mapped[bool]
    status: Mapped[str] = mapped_column(String(16), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime]
    error: Mapped[str | None]
    done_at: Mapped[datetime | None]

    __table_args__ = (
        Index("deliveries_fresh", "seq", postgresql_where=text("status = 'pending' AND attempts = 0")),
        Index("deliveries_again", "next_at", postgresql_where=text("status = 'pending' AND attempts > 0")),
        Index("deliveries_ordered", "tenant_id", "reaction", "seq", postgresql_where=text("status = 'pending'")),
        Index("deliveries_parked", "seq", postgresql_where=text("status = 'parked'")),
    )


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed delivery. `attempts` counts this try, and tells this claim from any later one."""

    event: Event
    reaction: str
    attempts: int
    ordered: bool
    version: int  # in which the event's data was written

    def current(self) -> Event:
        """The event in the newest version of its data. Raises `BadEvent`, `Unavailable`."""
        if self.version == FACTS.newest(self.event.type):
            return self.event
        return replace(self.event, data=FACTS.upcast(self.event.type, self.version, self.event.data))


# The lock makes numbers within a tenant rise in the order of commits, so that "earlier" can be asked of `seq`. The
# event is inserted out of the lock's own row, hence after it.
_WRITE = text(f"""
    WITH lock AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended(CAST(:tenant AS text), 0))),
    fact AS (
        INSERT INTO events (id, tenant_id, type, subject, data, version, at, trace)
        SELECT CAST(:id AS uuid), CAST(:tenant AS uuid), :type, CAST(:subject AS uuid), CAST(:data AS jsonb),
               CAST(:version AS smallint), CAST(:at AS timestamptz), :trace FROM lock RETURNING id, tenant_id, seq, at
    ),
    made AS (
        INSERT INTO deliveries (event_id, reaction, tenant_id, seq, ordered, status, attempts, next_at)
        SELECT fact.id, r.name, fact.tenant_id, fact.seq, r.ordered, 'pending', 0,
               fact.at + r.after_s * interval '1 s'
        FROM fact, unnest(CAST(:reactions AS text[]), CAST(:ordered AS boolean[]), CAST(:after_s AS float8[]))
             AS r(name, ordered, after_s) RETURNING seq
    )
    SELECT pg_notify('{CHANNEL}', '{WRITTEN}') FROM made LIMIT 1
""")  # noqa: S608 - the channel is a constant of ours
_NOTIFY = text(f"SELECT pg_notify('{CHANNEL}', '{AGAIN}')")
_MINE = "event_id = :event AND reaction = :reaction AND attempts = :attempts AND status = 'pending'"
_BEGIN = text(f"UPDATE deliveries SET status = 'done', done_at = :now, error = NULL WHERE {_MINE}")  # noqa: S608
_LATER = text(f"UPDATE deliveries SET error = :error, next_at = :next_at WHERE {_MINE}")  # noqa: S608
_PARK = text(f"UPDATE deliveries SET error = :error, status = 'parked' WHERE {_MINE}")  # noqa: S608
_PARKED = text("""SELECT d.event_id, d.reaction, d.tenant_id, d.attempts, d.error, e.type, e.subject, e.at
                  FROM deliveries d JOIN events e ON e.id = d.event_id WHERE d.status = 'parked' ORDER BY d.seq""")
_REPLAY = text("""
    INSERT INTO deliveries AS d (event_id, reaction, tenant_id, seq, ordered, status, attempts, next_at)
    SELECT e.id, r.name, e.tenant_id, e.seq, r.ordered, 'pending', 0, :now
    FROM events e, unnest(CAST(:types AS text[]), CAST(:names AS text[]), CAST(:ordered AS boolean[]))
         AS r(type, name, ordered)
    WHERE e.type = r.type AND e.at >= :since
    ON CONFLICT (event_id, reaction) DO UPDATE
       SET status = 'pending', attempts = 0, next_at = :now, error = NULL, done_at = NULL
       WHERE d.status <> 'pending' RETURNING 1
""")
_RERUN = text("""UPDATE deliveries SET status = 'pending', attempts = 0, next_at = :now
                 WHERE status = 'parked' AND (CAST(:event AS uuid) IS NULL OR event_id = :event) RETURNING event_id""")


async def write(tx: Tx, fact: Event) -> None:
    """Put an event and its deliveries into the open transaction; wakes the workers at commit. Raises
    `BadEvent` where its data does not fit its type."""
    version, data = FACTS.written(fact.type, fact.data)
    routes = tx.routes.get(fact.type.value, ())
    values = {
        "id": fact.id, "tenant": str(fact.tenant_id), "type": fact.type.value, "subject": fact.subject,
        "data": data, "version": version, "at": fact.at, "trace": fact.trace or tx.trace,
        "reactions": [name for name, _, _ in routes], "ordered": [ordered for _, ordered, _ in routes],
        "after_s": [after_s for _, _, after_s in routes],
    }  # fmt: skip
    await tx.session.execute(_WRITE, values)


def event_of(row: Mapping[Any, Any]) -> Event:
    """The event in a row of `events`, its data as it was written."""
    return Event(
        type=EventType(row["type"]), tenant_id=row["tenant_id"], subject=row["subject"], data=row["data"],
        id=row["id"], at=row["at"], trace=row["trace"],
    )  # fmt: skip


async def begin(tx: Tx, delivery: Delivery) -> bool:
    """Mark it done when this transaction commits; false where it is no longer ours."""
    return await _changed(tx, _BEGIN, delivery, now=tx.clock.now())


async def later(tx: Tx, delivery: Delivery, error: str, *, after_s: float) -> bool:
    """Try it again then; false where it is no longer ours."""
    return await _changed(tx, _LATER, delivery, error=error[:2000], next_at=tx.clock.now() + timedelta(seconds=after_s))


async def park(tx: Tx, delivery: Delivery, error: str) -> bool:
    """Give it up; false where it is no longer ours."""
    return await _changed(tx, _PARK, delivery, error=error[:2000])


async def _changed(tx: Tx, what: TextClause, delivery: Delivery, **values: Any) -> bool:
    mine = {"event": delivery.event.id, "reaction": delivery.reaction, "attempts": delivery.attempts}
    result = await tx.session.execute(what, {**mine, **values})
    return bool(result.rowcount)  # type: ignore[attr-defined]


async def parked(tx: Tx) -> list[dict[str, Any]]:
    """All that waits for a person: event, reaction, error, attempts."""
    return [dict(row) for row in (await tx.session.execute(_PARKED)).mappings()]


async def rerun(tx: Tx, event_id: UUID | None = None) -> int:
    """Put parked deliveries (of one event, or all) back to work; returns how many."""
    result = await tx.session.execute(_RERUN, {"now": tx.clock.now(), "event": event_id})
    again = len(result.all())
    await tx.session.execute(_NOTIFY)
    return again


async def replay(tx: Tx, since: datetime, reactions: Collection[str]) -> int:
    """Let these reactions take every event from `since` on once more, also those that were not there to take it then;
    returns how many deliveries that makes. Names are those of `tx.routes`."""
    wanted = [(type_, r) for type_, taking in tx.routes.items() for r in taking if r[0] in reactions]
    result = await tx.session.execute(
        _REPLAY,
        {
            "now": tx.clock.now(), "since": since, "types": [type_ for type_, _ in wanted],
            "names": [name for _, (name, _, _) in wanted], "ordered": [ordered for _, (_, ordered, _) in wanted],
        },
    )  # fmt: skip
    count = len(result.all())
    await tx.session.execute(_NOTIFY)
    return count
