"""What the agent waits for, as durable timers: that nobody gets back to a customer, that a promise falls due, that a
deal stalls. No deal is looked at before its time has come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import get_args
from uuid import UUID

from core.automation.agent.contacts import Contacts
from core.automation.agent.signals import Cause, Weights
from core.automation.rules.calendar import WorkingDays
from core.kit import timers
from core.kit.db import Tx
from core.kit.events import Event
from core.kit.timers import Timer

TIMER = "agent.watch"
ANSWER = "agent.answer"
_MORNING, _AFTERNOON = time(9), time(16)


def watched(event: Event) -> tuple[Cause, str | None, UUID | None]:
    """What the timer was set for; of a promise, its day and the call."""
    _, cause, *rest = event.data["key"].split(":")
    assert cause in get_args(Cause)
    return (cause, rest[1], UUID(rest[0])) if cause == "promise_due" else (cause, None, None)


async def arm(tx: Tx, deal_id: UUID, known: Contacts, calendar: WorkingDays, table: Weights) -> None:
    """Wait anew, from the deal's last contact on. What should have been noticed long ago is, next morning: a history
    that comes late is no reason to wake anybody at night."""
    now = tx.clock.now()

    def due(cause: Cause, since: datetime, days: int) -> Timer:
        at = max(calendar.morning_in(since, days), calendar.next_at(now, _MORNING.hour))
        return Timer(deal_id, at, _key(deal_id, cause))

    wanted = [due("deal_stalled", known.last_at or now, table.stalled_days)]
    if known.unreplied_since is None:
        await timers.cancel(tx, TIMER, _key(deal_id, "no_follow_up"))
    else:
        wanted.append(due("no_follow_up", known.unreplied_since, table.follow_up_days))
    await timers.set_timers(tx, TIMER, wanted)


async def stalled_again(tx: Tx, deal_id: UUID, calendar: WorkingDays, table: Weights) -> None:
    """As long as nothing happens it is said again, after the same time."""
    due = calendar.morning_in(tx.clock.now(), table.stalled_days)
    await timers.set_timers(tx, TIMER, [Timer(deal_id, due, _key(deal_id, "deal_stalled"))])


async def promises(tx: Tx, deal_id: UUID, call_id: UUID, days: Sequence[str], calendar: WorkingDays) -> None:
    """Wait for the mornings of the days for which the seller promised something in a call; for this afternoon, where it
    is for today."""
    now = tx.clock.now()
    wanted = []
    for day in days:
        ahead = [due for at in (_MORNING, _AFTERNOON) if (due := calendar.at(date.fromisoformat(day), at)) > now]
        wanted += [Timer(deal_id, due, f"{deal_id}:promise_due:{call_id}:{day}") for due in ahead[:1]]
    await timers.set_timers(tx, TIMER, wanted)


async def for_answer(tx: Tx, task_id: UUID, deal_id: UUID, calendar: WorkingDays, days: int) -> None:
    """Wait until it is too late to count as an answer to what was just sent."""
    due = calendar.after(tx.clock.now(), days)
    await timers.set_timers(tx, ANSWER, [Timer(deal_id, due, str(task_id))])


async def forget(tx: Tx, deal_id: UUID) -> None:
    """Nothing more is waited for but what was promised: then it is seen that the deal is closed."""
    for cause in ("deal_stalled", "no_follow_up"):
        await timers.cancel(tx, TIMER, _key(deal_id, cause))


def _key(deal_id: UUID, cause: str) -> str:
    return f"{deal_id}:{cause}"
