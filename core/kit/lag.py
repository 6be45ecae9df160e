"""How far behind each reaction is: what operators watch. Numbers of the whole installation, nothing of a tenant."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from core.kit.db import Database

_LAG = text("""
    SELECT d.reaction, count(*) FILTER (WHERE d.status = 'pending') AS events,
           count(*) FILTER (WHERE d.status = 'parked') AS parked,
           max(extract(epoch FROM CAST(:now AS timestamptz) - e.at)) FILTER (WHERE d.status = 'pending') AS seconds
    FROM deliveries d JOIN events e ON e.id = d.event_id
    WHERE d.status IN ('pending', 'parked') GROUP BY d.reaction ORDER BY d.reaction
""")


@dataclass(frozen=True, slots=True)
class Lag:
    """`events` are not done, the oldest happened `behind_s` ago; `parked` wait for a person."""

    reaction: str
    events: int
    behind_s: float
    parked: int


async def lag(db: Database) -> list[Lag]:
    """Of each reaction, whatever the transport; also of one that is gone and left something. With a broker
    `events.publish` is what has not reached it yet."""
    async with db.system() as tx:
        rows = await tx.session.execute(_LAG, {"now": tx.clock.now()})
        found = {row.reaction: Lag(row.reaction, row.events, float(row.seconds or 0), row.parked) for row in rows}
    known = {name for taking in db.routes.values() for name, _, _ in taking}
    return [found.get(name, Lag(name, 0, 0.0, 0)) for name in sorted(known | set(found))]
