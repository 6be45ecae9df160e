"""The queries about attempts, pauses and halts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update

from core.automation.execution.model import AutomationHalt, AutomationPause, TaskAttempt
from core.automation.model import Task
from core.kit.db import Tx
from core.kit.ids import new_id
from core.kit.pages import PageRequest, newest_first


async def locked(tx: Tx, task_id: UUID) -> Task | None:
    """The task, held against other changes; rows that refer to it may still be written by others."""
    query = select(Task).where(Task.id == task_id).with_for_update(key_share=True)
    return (await tx.session.execute(query)).scalar_one_or_none()


async def due(tx: Tx, now: datetime) -> list[UUID]:
    """Approved tasks whose time has come."""
    query = select(Task.id).where(Task.status == "approved", Task.due_at <= now)
    return list((await tx.session.execute(query)).scalars())


async def begin(tx: Tx, task: Task, destination: str) -> TaskAttempt:
    """Write down that a try begins; commit it before it does."""
    newest = select(func.coalesce(func.max(TaskAttempt.number), 0)).where(TaskAttempt.task_id == task.id)
    number = (await tx.session.execute(newest)).scalar_one() + 1
    row = TaskAttempt(
        id=new_id(), tenant_id=tx.tenant_id, task_id=task.id, number=number, destination=destination, outcome="begun",
        at=tx.clock.now(),
    )  # fmt: skip
    tx.session.add(row)
    await tx.session.flush()
    return row


async def end(tx: Tx, attempt_id: UUID, outcome: str, error: str | None) -> None:
    values = {"outcome": outcome, "error": error[:300] if error else None, "ended_at": tx.clock.now()}
    await tx.session.execute(update(TaskAttempt).where(TaskAttempt.id == attempt_id).values(values))


async def tries(tx: Tx, task: Task) -> int:
    """That count since somebody last said yes: those that were held back do not."""
    query = select(func.count()).where(
        TaskAttempt.task_id == task.id, TaskAttempt.outcome != "held",
        TaskAttempt.at >= (task.decided_at or task.created_at),
    )  # fmt: skip
    return int((await tx.session.execute(query)).scalar_one())


async def attempts(tx: Tx, task_id: UUID) -> list[TaskAttempt]:
    query = select(TaskAttempt).where(TaskAttempt.task_id == task_id).order_by(TaskAttempt.number)
    return list((await tx.session.execute(query)).scalars())


async def log(tx: Tx, page: PageRequest) -> Sequence[tuple[TaskAttempt, Task]]:
    """The newest first; of tasks that one may see."""
    query = select(TaskAttempt, Task).join(Task, Task.id == TaskAttempt.task_id)
    rows = await tx.session.execute(newest_first(query, TaskAttempt.id, page))
    return [(row[0], row[1]) for row in rows]


async def pause(tx: Tx) -> AutomationPause | None:
    return (await tx.session.execute(select(AutomationPause))).scalar_one_or_none()


async def halt(tx: Tx) -> AutomationHalt | None:
    return (await tx.session.execute(select(AutomationHalt).order_by(AutomationHalt.id).limit(1))).scalar_one_or_none()


async def set_pause(tx: Tx, by: UUID | None) -> None:
    if await pause(tx) is None:
        row = AutomationPause(id=new_id(), tenant_id=tx.tenant_id, by=by, at=tx.clock.now())
        tx.session.add(row)
        await tx.session.flush()


async def end_pause(tx: Tx) -> None:
    await tx.session.execute(delete(AutomationPause))


async def set_halt(tx: Tx, reason: str) -> None:
    """In a transaction of the machinery."""
    if await halt(tx) is None:
        tx.session.add(AutomationHalt(reason=reason, at=tx.clock.now()))
        await tx.session.flush()


async def end_halt(tx: Tx) -> None:
    """In a transaction of the machinery."""
    await tx.session.execute(delete(AutomationHalt))
