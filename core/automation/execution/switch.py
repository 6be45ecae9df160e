"""A company pauses what is carried out in its name, and goes on; a task that was given up is tried again."""

from __future__ import annotations

from uuid import UUID

from core.automation.execution import repository
from core.automation.execution.carry_out import TIMER, schedule
from core.automation.model import Task
from core.automation.repository import task as read_task
from core.kit import timers
from core.kit.db import Tx
from core.kit.errors import Conflict


async def pause(tx: Tx, *, by: UUID | None) -> None:
    """What is being sent at this moment still goes out; nothing after it."""
    await repository.set_pause(tx, by)
    tx.audit("automation.paused", f"tenant:{tx.tenant_id}")


async def resume(tx: Tx) -> None:
    """All that fell due meanwhile is carried out now."""
    now = tx.clock.now()
    await repository.end_pause(tx)
    tx.audit("automation.resumed", f"tenant:{tx.tenant_id}")
    await timers.set_timers(tx, TIMER, [timers.Timer(task_id, now) for task_id in await repository.due(tx, now)])


async def retry(tx: Tx, task_id: UUID, *, by: UUID) -> Task:
    task = await read_task(tx, task_id, lock=True)
    if task.status != "failed":
        raise Conflict(f"Only a task that failed is tried again; this one is {task.status}.")
    task.status = "approved"
    task.decided_at, task.decided_by = tx.clock.now(), by
    await schedule(tx, task)
    return task
