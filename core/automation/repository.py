"""The queries about tasks, and the turns of residents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert

from core.automation.model import HandledEvent, Task
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.pages import PageRequest, newest_first

OPEN = ("suggested", "waiting", "approved")
OWED = "promise_due"
"""The reason of a task that the customer's answer does not settle."""


async def task(tx: Tx, task_id: UUID, *, lock: bool = False) -> Task:
    found = await tx.session.get(Task, task_id, with_for_update=lock)
    if found is None:
        raise NotFound("There is no such task.")
    return found


async def tasks(tx: Tx, page: PageRequest, *, status: str | None, deal_id: UUID | None) -> list[Task]:
    query = select(Task)
    if status is not None:
        query = query.where(Task.status == status)
    if deal_id is not None:
        query = query.where(Task.deal_id == deal_id)
    return list((await tx.session.execute(newest_first(query, Task.id, page))).scalars())


async def add_new(tx: Tx, rows: Sequence[dict[str, Any]]) -> list[UUID]:
    """Write tasks once: one that its event led to before is left alone. Returns the new ones' keys."""
    if not rows:
        return []
    query = insert(Task).values(list(rows)).on_conflict_do_nothing().returning(Task.id)
    return list((await tx.session.execute(query)).scalars())


async def withdraw(tx: Tx, deal_id: UUID, because: str, cause: UUID, before: datetime) -> list[Task]:
    """Take back the deal's tasks that nobody has done, but for what came of the same event or later, and what the
    seller owes all the same. One that is being carried out just now is left to the executor, which asks by itself."""
    wanted = (
        select(Task.id)
        .where(
            Task.deal_id == deal_id, Task.status.in_(OPEN), Task.event_id != cause, Task.created_at <= before,
            ~Task.reasons.contains([{"key": OWED}]),
        )
        .with_for_update(skip_locked=True, key_share=True)
    )  # fmt: skip
    values = {"status": "withdrawn", "withdrawn_because": because}
    query = update(Task).where(Task.id.in_(wanted)).values(values).returning(Task)
    return sorted((await tx.session.execute(query)).scalars(), key=lambda row: row.id)


# The inbox row comes first: a turn is counted only for an event that is new, and waits for nobody while it holds one.
_TAKE_TURN = text("""
    WITH fresh AS (
        INSERT INTO handled_events (id, tenant_id, resident, at) VALUES (:event, :tenant, :resident, :now)
        ON CONFLICT DO NOTHING RETURNING tenant_id, resident
    )
    INSERT INTO resident_turns (tenant_id, resident, turn) SELECT tenant_id, resident, 1 FROM fresh
    ON CONFLICT (tenant_id, resident) DO UPDATE SET turn = resident_turns.turn + 1 RETURNING turn
""")


async def take_turn(tx: Tx, event_id: UUID, resident: str) -> int | None:
    """Mark the event as handled by this resident and hold its turn until the end of the transaction. Returns the
    turn's number; None where the event was handled before."""
    given = {"event": event_id, "tenant": tx.tenant_id, "resident": resident, "now": tx.clock.now()}
    turn: int | None = (await tx.session.execute(_TAKE_TURN, given)).scalar_one_or_none()
    return turn


async def forget_handled(tx: Tx, before: datetime) -> None:
    await tx.session.execute(delete(HandledEvent).where(HandledEvent.at < before))
