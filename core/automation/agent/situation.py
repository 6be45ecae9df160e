"""What is known of a deal, put together for one decision."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from core.analysis import repository as analysis
from core.automation.agent import repository
from core.automation.agent.contacts import Contacts, contacts
from core.automation.agent.signals import Cause, Situation
from core.automation.agent.watch import watched
from core.automation.rules.calendar import WorkingDays
from core.deals import repository as deals
from core.deals.model import Deal
from core.forecasting import repository as forecasts
from core.kit.db import Tx
from core.kit.events import Event, EventType


async def situation(tx: Tx, event: Event, deal: Deal, calendar: WorkingDays) -> Situation:
    """After FORECAST_CHANGED, or when a timer of the agent's rang."""
    now = tx.clock.now()
    told = contacts(await deals.activities(tx, deal.id))
    person = await deals.find_contact(tx, deal.contact_id) if deal.contact_id else None
    cause, of_event = await _of_event(tx, event, deal.id, told)
    talked = cause == "FORECAST_CHANGED" and of_event["call_id"] is not None
    return Situation(
        event_id=event.id, at=now, deal_id=deal.id, deal_name=deal.name, value_cents=deal.value_cents, cause=cause,
        is_open=deal.outcome is None, contact_has_email=bool(person and person.email), wrote_last=told.wrote_last,
        # What a call has just shown is no silence.
        silent_days=calendar.between(told.last_at, now) if told.last_at and not talked else None,
        unreplied_days=calendar.between(told.unreplied_since, now) if told.unreplied_since and not talked else None,
        turned_down=await _turned_down(tx, deal.id, cause, told), **of_event,
    )  # fmt: skip


async def _turned_down(tx: Tx, deal_id: UUID, cause: Cause, told: Contacts) -> frozenset[str]:
    """Asked for by timers alone: what is new may be proposed again."""
    return (
        frozenset() if cause == "FORECAST_CHANGED" else await repository.turned_down(tx, deal_id, told.unreplied_since)
    )


async def _of_event(tx: Tx, event: Event, deal_id: UUID, told: Contacts) -> tuple[Cause, dict[str, Any]]:
    if event.type is EventType.FORECAST_CHANGED:
        call_id = UUID(event.data["call_id"]) if event.data.get("call_id") else None
        odds = {"probability": event.data["probability"], "probability_before": event.data.get("before")}
        return "FORECAST_CHANGED", {"call_id": call_id, **odds, **await _heard(tx, call_id)}
    cause, day, promised_in = watched(event)
    newest = await forecasts.latest(tx, deal_id, 1)
    known: dict[str, Any] = {"probability": newest[0].probability if newest else None}
    if cause == "no_follow_up":
        call_id = told.call_id if not told.wrote_last else None
        return cause, {"call_id": call_id, **known, **await _heard(tx, call_id)}
    if promised_in is not None and day in promised(await _insights(tx, promised_in)):
        return cause, {"call_id": promised_in, "promised_on": day, **known}
    return cause, {"call_id": None, **known}


def promised(insights: dict[str, Any]) -> list[str]:
    """The days, as ISO 8601, for which the seller promised something in a call."""
    steps = insights.get("next_steps", [])
    return sorted({step["due_on"] for step in steps if step["owner"] == "seller" and step["due_on"]})


async def _insights(tx: Tx, call_id: UUID | None) -> dict[str, Any]:
    row = await analysis.insights(tx, call_id) if call_id else None
    return row.data if row is not None else {}


async def _heard(tx: Tx, call_id: UUID | None) -> dict[str, Any]:
    data = await _insights(tx, call_id)
    if not data:
        return {}
    customer = data["sentiment"].get("customer") or {}
    return {
        "sentiment": customer.get("valence"),
        "sentiment_trend": customer.get("trend"),
        "unanswered_objections": sum(not objection["met"] for objection in data["objections"]),
        "competitors": tuple(sorted({naming["name"] for naming in data["competitors"]})),
        "buying_signals": len(data["buying_signals"]),
        "seller_steps": sum(step["owner"] == "seller" for step in data["next_steps"]),
        "has_next_step": bool(data["next_steps"]),
    }


async def days_promised(tx: Tx, call_id: UUID) -> list[str]:
    return promised(await _insights(tx, call_id))
