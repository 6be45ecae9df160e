"""Which facts are told to people, and to whom."""

from __future__ import annotations

from uuid import UUID

from core.calls import repository as calls
from core.deals import repository as deals
from core.kit.db import Tx
from core.kit.events import Event
from core.notifications.notify import Notice, notify

FELL_BY = 0.1
"""What the odds lose at once to be worth a word."""


async def call_done(event: Event, tx: Tx, kind: str) -> None:
    """`kind`: call_ready or call_failed; to whoever uploaded it."""
    call = await calls.call(tx, event.subject)
    await notify(tx, Notice(kind, call.id, f"{kind}:{call.id}", deal_id=call.deal_id), [call.owner_id])


async def competitor_named(event: Event, tx: Tx) -> None:
    """To the owner of the deal in whose call it was."""
    if event.data["deal_id"] is None:
        return
    deal = await deals.deal(tx, UUID(str(event.data["deal_id"])))
    heard = next((row for row in await deals.activities(tx, deal.id) if row.call_id == event.subject), None)
    if heard is not None and heard.competitors and deal.owner_id is not None:
        await notify(tx, Notice("competitor_named", event.subject, f"rival:{event.subject}", deal.id), [deal.owner_id])


async def forecast_fell(event: Event, tx: Tx) -> None:
    before, now = event.data["before"], event.data["probability"]
    if before is None or before - now < FELL_BY:
        return
    deal = await deals.deal(tx, event.subject)
    if deal.owner_id is not None:
        fell = {"points": round(100 * (before - now)), "percent": round(100 * now)}
        key = f"fell:{event.data['forecast_id']}"
        await notify(tx, Notice("forecast_fell", deal.id, key, deal.id, fell), [deal.owner_id])


async def task_waiting(tx: Tx, task_id: UUID, deal_id: UUID) -> None:
    deal = await deals.deal(tx, deal_id)
    if deal.owner_id is not None:
        await notify(tx, Notice("task_waiting", task_id, f"task:{task_id}", deal_id), [deal.owner_id])
