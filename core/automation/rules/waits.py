"""Waits that outlive whatever dies: a row and its timer, set and taken back together."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from core.automation.rules import repository
from core.automation.rules.course import Wait
from core.automation.rules.facts import Moment
from core.kit import timers
from core.kit.db import Tx

TIMER = "rules.wait"


async def put(tx: Tx, wait: Wait) -> None:
    deal_id = wait.moment.deal_id
    await repository.put_wait(
        tx, wait.rule_id, deal_id, wait.moment.to_json(), wait.due_at, until_answered=wait.until_answered
    )
    await timers.set_timers(tx, TIMER, [timers.Timer(deal_id, wait.due_at, _key(wait.rule_id, deal_id))])


async def take(tx: Tx, key: str, due_by: datetime) -> Wait | None:
    """The one whose timer rang; None where it was cancelled, or moved, while that event was on the way."""
    rule_id, _, deal_id = key.partition(":")
    row = await repository.take_wait(tx, UUID(rule_id), UUID(deal_id), due_by)
    return Wait(row.rule_id, Moment.from_json(row.moment), row.due_at, row.until_answered) if row else None


async def drop(tx: Tx, *, deal_id: UUID | None = None, rule_id: UUID | None = None) -> None:
    """Those of a deal that end with the customer's word, or all of a rule."""
    for one, about in await repository.drop_waits(tx, deal_id=deal_id, rule_id=rule_id):
        await timers.cancel(tx, TIMER, _key(one, about))


def _key(rule_id: UUID, deal_id: UUID) -> str:
    return f"{rule_id}:{deal_id}"
