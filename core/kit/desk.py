"""Where deliveries are claimed: a connection of its own, in which each statement is a transaction and a round trip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import make_url

from core.kit.db import SYSTEM_ROLE, Database
from core.kit.outbox import Delivery, event_of

MOST_LEASE_S = 300

# Of an ordered reaction a tenant's deliveries come in one piece from the oldest that is pending, or not at all. What
# was tried before comes alone: should it kill its worker, it takes no others with it twice.
_DUE = """
    SELECT d.event_id, d.reaction, d.tenant_id, d.seq, d.ordered FROM deliveries d
    WHERE d.status = 'pending' AND d.next_at <= %(now)s AND d.reaction = ANY(%(reactions)s) AND {which}
      AND (NOT d.ordered OR NOT EXISTS (
            SELECT 1 FROM deliveries p WHERE p.status = 'pending' AND p.tenant_id = d.tenant_id
               AND p.reaction = d.reaction AND p.seq < d.seq AND (p.next_at > %(now)s OR p.attempts > 0)))
    ORDER BY {by} LIMIT {most} FOR UPDATE OF d SKIP LOCKED
"""
_TAKE = f"""
    due AS MATERIALIZED (SELECT * FROM fresh UNION ALL SELECT * FROM again),
    free AS MATERIALIZED (
        SELECT * FROM due d WHERE NOT d.ordered OR NOT EXISTS (
            SELECT 1 FROM deliveries p WHERE p.status = 'pending' AND p.tenant_id = d.tenant_id
               AND p.reaction = d.reaction AND p.seq < d.seq
               AND (p.seq, p.reaction) NOT IN (SELECT seq, reaction FROM due))
    ),
    taken AS (
        UPDATE deliveries d SET attempts = d.attempts + 1,
               next_at = %(now)s + least(%(lease_s)s * 2 ^ d.attempts, {MOST_LEASE_S}) * interval '1 s'
        FROM free WHERE d.event_id = free.event_id AND d.reaction = free.reaction
        RETURNING d.event_id, d.reaction, d.attempts, d.ordered, d.seq
    )
    SELECT t.reaction, t.attempts, t.ordered, e.id, e.tenant_id, e.type, e.subject, e.data, e.version, e.at, e.trace
    FROM taken t JOIN events e ON e.id = t.event_id ORDER BY t.seq
"""  # noqa: S608 - of constants above
_CLAIM = f"""
    WITH fresh AS MATERIALIZED ({_DUE.format(which="d.attempts = 0", by="d.seq", most="%(most)s")}),
    again AS MATERIALIZED ({_DUE.format(which="d.attempts > 0", by="d.next_at", most="1")}), {_TAKE}
"""
# What a broker brings is taken before its time, unless it was tried before: then it is the relay's.
_CLAIM_THESE = f"""
    WITH named AS (SELECT * FROM unnest(%(events)s::uuid[], %(reactions)s::text[]) AS n(event_id, reaction)),
    fresh AS MATERIALIZED (
        SELECT d.event_id, d.reaction, d.tenant_id, d.seq, d.ordered
        FROM deliveries d JOIN named n ON n.event_id = d.event_id AND n.reaction = d.reaction
        WHERE d.status = 'pending' AND d.attempts = 0 FOR UPDATE OF d SKIP LOCKED
    ),
    again AS (SELECT * FROM fresh WHERE false), {_TAKE}
"""  # noqa: S608
# An earlier one of the tenant is not done: the relay takes these after it.
_LEAVE_THESE = """
    UPDATE deliveries d SET next_at = least(d.next_at, %(now)s)
    FROM unnest(%(events)s::uuid[], %(reactions)s::text[]) AS n(event_id, reaction)
    WHERE d.event_id = n.event_id AND d.reaction = n.reaction AND d.status = 'pending' AND d.attempts = 0
"""
_RELEASE = """
    UPDATE deliveries d SET attempts = d.attempts - 1, next_at = %(now)s
    FROM unnest(%(events)s::uuid[], %(reactions)s::text[], %(attempts)s::int[]) AS mine(event_id, reaction, attempts)
    WHERE d.event_id = mine.event_id AND d.reaction = mine.reaction AND d.attempts = mine.attempts
      AND d.status = 'pending'
"""
_NEXT_AT = """SELECT min(next_at) AS at FROM deliveries
              WHERE status = 'pending' AND next_at > %(after)s AND reaction = ANY(%(reactions)s)"""


class Desk:
    """For one task at a time. Opened when first asked, and again after its connection was lost."""

    def __init__(self, db: Database) -> None:
        self._url = make_url(db.url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._db = db
        self._connection: psycopg.AsyncConnection[dict[str, Any]] | None = None

    async def claim(self, reactions: Sequence[str], *, most: int, lease_s: float) -> list[Delivery]:
        """Count a try of the deliveries that are due, oldest first, and keep others off them for `lease_s`, longer
        with each try. At most one of them was tried before."""
        return [
            _delivery(row) for row in await self._ask(_CLAIM, reactions=list(reactions), most=most, lease_s=lease_s)
        ]

    async def claim_these(self, wanted: Sequence[tuple[UUID, str]], *, lease_s: float) -> list[Delivery]:
        """The same for an (event, reaction) that somebody told of. Those that were tried are not among them; those
        that have to wait for another become due."""
        these = {"events": [event for event, _ in wanted], "reactions": [reaction for _, reaction in wanted]}
        claimed = [_delivery(row) for row in await self._ask(_CLAIM_THESE, **these, lease_s=lease_s)]
        if len(claimed) < len(wanted):
            await self._ask(_LEAVE_THESE, **these)
        return claimed

    async def release(self, deliveries: Iterable[Delivery]) -> None:
        """Take back claims of which nothing came, as if they had not been made."""
        mine = [(delivery.event.id, delivery.reaction, delivery.attempts) for delivery in deliveries]
        if mine:
            events, reactions, attempts = (list(column) for column in zip(*mine, strict=True))
            await self._ask(_RELEASE, events=events, reactions=reactions, attempts=attempts)

    async def next_due(self, reactions: Sequence[str], after: datetime) -> datetime | None:
        """When the earliest falls due that was not due at `after`."""
        [row] = await self._ask(_NEXT_AT, reactions=list(reactions), after=after)
        at: datetime | None = row["at"]
        return at

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _ask(self, query: str, **values: Any) -> list[dict[str, Any]]:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, row_factory=dict_row, prepare_threshold=2
                )
                await self._connection.execute(f"SET ROLE {SYSTEM_ROLE}")
            cursor = await self._connection.execute(query, {"now": self._db.clock.now(), **values})
            return await cursor.fetchall() if cursor.description else []
        except BaseException:
            await self.close()  # broken, or broken off in the middle of an answer
            raise


def _delivery(row: dict[str, Any]) -> Delivery:
    return Delivery(event_of(row), row["reaction"], row["attempts"], row["ordered"], row["version"])
