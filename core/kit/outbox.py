"""The transactional outbox and, for each reaction, its inbox.

An event is a row of `events`, written in the transaction of its data, with one row of `deliveries` for each reaction
that shall take it. A worker marks a delivery done and runs its reaction in one transaction: at least once it runs,
exactly once it takes effect. A worker that dies lets go of its lock with its connection. One that keeps failing is
parked, where `salesedge events parked` shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned
from core.kit.events import Event, EventType
from core.kit.facts import FACTS

if TYPE_CHECKING:
    from core.kit.db import Tx

CHANNEL = "salesedge_events"


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


class DeliveryRow(Base):
    """One event for one reaction: `pending`, `done` or `parked`."""

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
        Index("deliveries_pending", "seq", postgresql_where=text("status = 'pending'")),
        Index("deliveries_ordered", "tenant_id", "reaction", "seq", postgresql_where=text("status = 'pending'")),
        Index("deliveries_parked", "seq", postgresql_where=text("status = 'parked'")),
    )


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery in hand, its row locked until the transaction ends."""

    event: Event
    reaction: str
    attempts: int


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
        SELECT fact.id, r.name, fact.tenant_id, fact.seq, r.ordered, 'pending', 0, fact.at
        FROM fact, unnest(CAST(:reactions AS text[]), CAST(:ordered AS boolean[])) AS r(name, ordered) RETURNING seq
    )
    SELECT pg_notify('{CHANNEL}', '') FROM made LIMIT 1
""")  # noqa: S608 - the channel is a constant of ours
_NOTIFY = text(f"SELECT pg_notify('{CHANNEL}', '')")
_TAKE = text("""
    WITH due AS MATERIALIZED (
        SELECT d.event_id, d.reaction FROM deliveries d
        WHERE d.status = 'pending' AND d.next_at <= :now AND d.reaction = ANY(:reactions)
          AND (NOT d.ordered OR NOT EXISTS (
                SELECT 1 FROM deliveries p WHERE p.status = 'pending' AND p.tenant_id = d.tenant_id
                   AND p.reaction = d.reaction AND p.seq < d.seq))
        ORDER BY d.seq LIMIT 1 FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE deliveries d SET status = 'done', done_at = :now, error = NULL
    FROM due, events e WHERE d.event_id = due.event_id AND d.reaction = due.reaction AND e.id = d.event_id
    RETURNING d.reaction, d.attempts, e.id, e.tenant_id, e.type, e.subject, e.data, e.version, e.at, e.trace
""")
_FAILED = text("""UPDATE deliveries SET attempts = attempts + 1, error = :error, next_at = :next_at,
                         status = CASE WHEN :park OR attempts + 1 >= :most THEN 'parked' ELSE 'pending' END
                  WHERE event_id = :event AND reaction = :reaction AND status = 'pending' RETURNING status""")
_PARKED = text("""SELECT d.event_id, d.reaction, d.tenant_id, d.attempts, d.error, e.type, e.subject, e.at
                  FROM deliveries d JOIN events e ON e.id = d.event_id WHERE d.status = 'parked' ORDER BY d.seq""")
_RERUN = text("""UPDATE deliveries SET status = 'pending', attempts = 0, next_at = :now
                 WHERE status = 'parked' AND (CAST(:event AS uuid) IS NULL OR event_id = :event) RETURNING event_id""")
_NEXT_AT = text("SELECT min(next_at) FROM deliveries WHERE status = 'pending' AND next_at > :now")


async def write(tx: Tx, fact: Event) -> None:
    """Put an event and its deliveries into the open transaction; wakes the workers at commit. Raises
    `BadEvent` where its data does not fit its type."""
    version, data = FACTS.written(fact.type, fact.data)
    routes = tx.routes.get(fact.type.value, ())
    values = {
        "id": fact.id, "tenant": str(fact.tenant_id), "type": fact.type.value, "subject": fact.subject,
        "data": data, "version": version, "at": fact.at, "trace": fact.trace or tx.trace,
        "reactions": [name for name, _ in routes], "ordered": [ordered for _, ordered in routes],
    }  # fmt: skip
    await tx.session.execute(_WRITE, values)


async def take(tx: Tx, reactions: Sequence[str]) -> Delivery | None:
    """Mark the next delivery done that is due and free, oldest first; None where there is none. It is done when this
    transaction commits, with the reaction's effect; until then others pass it by, and a rollback gives it back."""
    found = await tx.session.execute(_TAKE, {"now": tx.clock.now(), "reactions": list(reactions)})
    row = found.mappings().first()
    if row is None:
        return None
    kind = EventType(row["type"])
    data = FACTS.upcast(kind, row["version"], row["data"])
    fact = Event(kind, row["tenant_id"], row["subject"], data, id=row["id"], at=row["at"], trace=row["trace"])
    return Delivery(fact, row["reaction"], row["attempts"])


async def failed(tx: Tx, delivery: Delivery, error: str, *, after_s: float, most: int, park: bool) -> bool:
    """Count a failed try; true where the delivery is parked by it."""
    result = await tx.session.execute(
        _FAILED,
        {
            "error": error[:2000], "next_at": tx.clock.now() + timedelta(seconds=after_s), "park": park, "most": most,
            "event": delivery.event.id, "reaction": delivery.reaction,
        },
    )  # fmt: skip
    return result.scalar_one_or_none() == "parked"


async def parked(tx: Tx) -> list[dict[str, Any]]:
    """All that waits for a person: event, reaction, error, attempts."""
    return [dict(row) for row in (await tx.session.execute(_PARKED)).mappings()]


async def rerun(tx: Tx, event_id: UUID | None = None) -> int:
    """Put parked deliveries (of one event, or all) back to work; returns how many."""
    result = await tx.session.execute(_RERUN, {"now": tx.clock.now(), "event": event_id})
    again = len(result.all())
    await tx.session.execute(_NOTIFY)
    return again


async def next_due(tx: Tx) -> datetime | None:
    """When the earliest delayed delivery falls due."""
    found: datetime | None = (await tx.session.execute(_NEXT_AT, {"now": tx.clock.now()})).scalar_one_or_none()
    return found
