"""The executor: an approved task is carried out once its time has come, and again until it is done or given up.

At least once towards the outside: a try is written down and committed before it begins, and what it did commits with
the task. A process that dies in between has it tried again under the same id (Message-ID, UID), so the worst is a
second copy of one message. Who pauses a company or halts all of them is heard before each try and once more right
before something leaves the house. A customer who has answered is not written to: from the look at his answers until
the mail has left, no answer of his is noted, so it is known wholly before or after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from core.automation.execution import repository
from core.automation.execution.breaker import Breaker
from core.automation.execution.destinations import Destination
from core.automation.execution.model import TaskAttempt
from core.automation.model import Task
from core.automation.withdraw import TO_CUSTOMER, say
from core.deals import repository as deals
from core.kit import timers
from core.kit.db import Database, Tx
from core.kit.errors import SalesEdgeError, Unavailable
from core.kit.events import Event, EventType
from core.kit.log import logger
from core.kit.retry import backoff_s
from core.notifications.notify import Notice, notify

TIMER = "automation.carry_out"
_HELD_S = 300.0  # a company's resumption is heard at once; the end of a halt within this
log = logger("executor")


async def schedule(tx: Tx, task: Task) -> None:
    """Carry it out when it is due, at the earliest now."""
    if task.status == "approved":
        await timers.set_timers(tx, TIMER, [timers.Timer(task.id, max(task.due_at, tx.clock.now()))])


async def held(tx: Tx) -> str | None:
    """Why nothing may be carried out just now."""
    if await repository.halt(tx) is not None:
        return "halted"
    return "paused" if await repository.pause(tx) is not None else None


async def _is_answered(tx: Tx, task: Task) -> bool:
    await deals.keep_still(tx, task.deal_id)
    return await deals.has_spoken_since(tx, task.deal_id, task.created_at, task.id)


class Executor:
    """`destinations`: kind of task → where it goes. `db` is for what must stay whatever becomes of a try."""

    def __init__(
        self, db: Database, destinations: Mapping[str, Destination], *, most_tries: int = 8, timeout_s: float = 30.0,
        backoff_base_s: float = 15.0, breaker_failures: int = 5, breaker_cool_s: float = 60.0,
    ) -> None:  # fmt: skip
        self._db = db
        self._destinations = destinations
        self._most_tries = most_tries
        self._timeout_s = timeout_s
        self._backoff_base_s = backoff_base_s
        self._breakers = {
            one.name: Breaker(db.clock, failures=breaker_failures, cool_s=breaker_cool_s)
            for one in destinations.values()
        }

    async def carry_out(self, tx: Tx, task_id: UUID) -> None:
        """Nothing for a task that is not approved any more. Locks it, so that no two try at once."""
        task = await repository.locked(tx, task_id)
        if task is None or task.status != "approved":
            return None
        if await held(tx):
            return await self._later(tx, task, _HELD_S)
        if task.kind in TO_CUSTOMER and await _is_answered(tx, task):
            task.status, task.withdrawn_because = "withdrawn", "customer_answered"
            return await say(tx, task, "customer_answered")
        destination = self._destinations[task.kind]
        breaker = self._breakers[destination.name]
        if (wait_s := breaker.wait_s()) > 0:
            return await self._later(tx, task, wait_s)
        if await repository.tries(tx, task) >= self._most_tries:
            return await self._give_up(tx, task, "Each try was cut short.")
        attempt = await self._begin(task, destination.name)
        if await held(tx):
            await repository.end(tx, attempt.id, "held", None)
            return await self._later(tx, task, _HELD_S)
        try:
            async with asyncio.timeout(self._timeout_s), tx.session.begin_nested():
                await destination.carry_out(tx, task)
        except (Unavailable, TimeoutError) as error:
            breaker.failed()
            await self._failed(tx, task, attempt, error)
        except SalesEdgeError as error:
            breaker.succeeded()  # it answered
            await repository.end(tx, attempt.id, "refused", error.detail)
            await self._give_up(tx, task, error.detail)
        else:
            breaker.succeeded()
            await repository.end(tx, attempt.id, "done", None)
            await self._finish(tx, task, "done")

    async def _begin(self, task: Task, destination: str) -> TaskAttempt:
        async with self._db.tenant(task.tenant_id) as own:
            return await repository.begin(own, task, destination)

    async def _failed(self, tx: Tx, task: Task, attempt: TaskAttempt, error: Exception) -> None:
        detail = error.detail if isinstance(error, Unavailable) else f"No answer within {self._timeout_s:.0f} s."
        await repository.end(tx, attempt.id, "failed", detail)
        tries = await repository.tries(tx, task)
        if tries >= self._most_tries:
            await self._give_up(tx, task, detail)
        else:
            await self._later(tx, task, backoff_s(tries, base_s=self._backoff_base_s, most_s=3_600.0))

    async def _later(self, tx: Tx, task: Task, wait_s: float) -> None:
        at = tx.clock.now() + timedelta(seconds=wait_s)
        await timers.set_timers(tx, TIMER, [timers.Timer(task.id, at)])

    async def _give_up(self, tx: Tx, task: Task, why: str) -> None:
        """Until a person says otherwise: `retry`."""
        await self._finish(tx, task, "failed")
        log.warning("task_failed", task_id=str(task.id), kind=task.kind)
        deal = await deals.deal(tx, task.deal_id)
        if deal.owner_id is not None:
            key = f"failed:{task.id}:{tx.clock.now():%Y%m%d%H%M%S}"
            await notify(tx, Notice("task_failed", task.id, key, deal.id), [deal.owner_id])

    async def _finish(self, tx: Tx, task: Task, status: str) -> None:
        task.status = status
        data = {"deal_id": str(task.deal_id), "kind": task.kind, "status": status}
        await tx.emit(Event(EventType.TASK_FINISHED, tx.tenant_id, task.id, data, at=tx.clock.now()))
