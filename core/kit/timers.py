"""What shall happen at a time: a row, written with the data that wants it, that becomes an event once it is due.

A timer has a kind and a key: setting it again moves it, cancelling it takes it away. The `Ticker` turns each due timer
into TIMER_DUE in one transaction, so it fires once, whatever dies; `core/flows.py` says what follows for each kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, Database, TenantOwned, Tx
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.log import logger
from core.kit.retry import backoff_s

log = logger("timers")
_LOOK_EVERY_S = 1.0
"""How late a timer may be that was set while the ticker waited for a later one."""


class TimerRow(TenantOwned, Base):
    __tablename__ = "timers"

    kind: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(100))
    subject: Mapped[UUID]
    due_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("tenant_id", "kind", "key"), Index("timers_due", "due_at"))


_SET = """INSERT INTO timers (id, tenant_id, kind, key, subject, due_at)
          SELECT t.id, CAST(:tenant AS uuid), :kind, t.key, t.subject, t.due_at
          FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS text[]), CAST(:subjects AS uuid[]),
                      CAST(:dues AS timestamptz[])) AS t(id, key, subject, due_at)
          ON CONFLICT (tenant_id, kind, key) DO UPDATE SET subject = excluded.subject, due_at = """
_MOVE = text(_SET + "excluded.due_at")
_EARLIEST = text(_SET + "least(timers.due_at, excluded.due_at)")
_CANCEL = text("DELETE FROM timers WHERE kind = :kind AND key = :key")
_TAKE = text("""DELETE FROM timers WHERE id = (
                    SELECT id FROM timers WHERE due_at <= :now ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
                RETURNING tenant_id, kind, key, subject, due_at""")
_NEXT = text("SELECT min(due_at) FROM timers")


@dataclass(frozen=True, slots=True)
class Timer:
    """`subject`: the id of what it is about; by default the key is that as well."""

    subject: UUID
    due_at: datetime
    key: str = ""


async def set_timers(tx: Tx, kind: str, wanted: Sequence[Timer], *, earliest: bool = False) -> None:
    """`earliest`: one that is set already moves only to a time that comes sooner."""
    if wanted:
        values = {
            "tenant": str(tx.tenant_id), "kind": kind, "ids": [new_id() for _ in wanted],
            "keys": [timer.key or str(timer.subject) for timer in wanted],
            "subjects": [timer.subject for timer in wanted], "dues": [timer.due_at for timer in wanted],
        }  # fmt: skip
        await tx.session.execute(_EARLIEST if earliest else _MOVE, values)


async def cancel(tx: Tx, kind: str, key: str) -> None:
    await tx.session.execute(_CANCEL, {"kind": kind, "key": key})


async def fire(tx: Tx) -> bool:
    """Turn the timer that is due longest into its event; false where none is. In a transaction of the machinery."""
    found = await tx.session.execute(_TAKE, {"now": tx.clock.now()})
    row = found.mappings().first()
    if row is None:
        return False
    await tx.become(row["tenant_id"])
    data = {"kind": row["kind"], "key": row["key"], "due_at": row["due_at"].isoformat()}
    await tx.emit(Event(EventType.TIMER_DUE, tx.tenant_id, row["subject"], data, at=tx.clock.now()))
    return True


class Ticker:
    """Fires what is due until cancelled. Any number may run: a timer is taken by one of them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def run(self) -> None:
        failures = 0
        while True:
            try:
                await self.fire_due()
                failures = 0
                await asyncio.sleep(await self._wait_s())
            except Exception as error:
                failures += 1
                log.warning("ticker_waits", error=type(error).__name__, failures=failures)
                await asyncio.sleep(backoff_s(failures, base_s=0.1, most_s=5.0))

    async def fire_due(self) -> int:
        """All that is due now; returns how many."""
        count = 0
        while True:
            async with self._db.system() as tx:
                if not await fire(tx):
                    return count
            count += 1

    async def _wait_s(self) -> float:
        async with self._db.system() as tx:
            due: datetime | None = (await tx.session.execute(_NEXT)).scalar_one()
        if due is None:
            return _LOOK_EVERY_S
        return min(_LOOK_EVERY_S, max(0.0, (due - self._db.clock.now()).total_seconds()))
