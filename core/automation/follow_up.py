"""One event to the tenant's agent: what it needs to know, what it decides, written once."""

from __future__ import annotations

import dataclasses
from typing import Any
from uuid import UUID

from core.analysis import repository as analysis
from core.automation import repository
from core.automation.agent import AgentState, Decision, FollowUpAgent
from core.automation.signals import Situation
from core.deals import repository as deals
from core.kit.db import Tx
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.tenants import repository as tenants


class FollowUp:
    """The agent as a resident of its tenant's host, which hands it each event once."""

    def __init__(self) -> None:
        self._agent: FollowUpAgent | None = None

    async def restore(self, tx: Tx) -> None:
        known = await repository.known_to_agent(tx)
        self._agent = FollowUpAgent(
            AgentState.restore(
                autonomy=known["autonomy"], language=known["locale"][:2], time_zone=known["time_zone"],
                open_tasks=[(UUID(deal_id), kind) for deal_id, kind in known["open_tasks"]], handled=[],
            )
        )  # fmt: skip

    async def handle(self, tx: Tx, event: Event) -> None:
        assert self._agent is not None, "it is restored first"
        if event.type is EventType.TASK_FINISHED:
            self._agent.note_task_closed(UUID(event.data["deal_id"]), event.data["kind"])
            return
        if event.type is EventType.TASK_DECIDED:
            # Approved is still to be done; only a dismissed task makes room for another.
            if event.data.get("verdict") == "dismissed":
                self._agent.note_task_closed(UUID(event.data["deal_id"]), event.data["kind"])
            return
        tenant = await tenants.tenant(tx)
        self._agent.state.autonomy = tenant.autonomy
        seen = await _situation(tx, event)
        for decision in self._agent.decide(seen):
            await _write(tx, seen, decision)


async def _situation(tx: Tx, event: Event) -> Situation:
    deal = await deals.deal(tx, event.subject)
    contact = await deals.contact(tx, deal.contact_id) if deal.contact_id else None
    last = await deals.last_activity(tx, deal.id)
    call_id = UUID(event.data["call_id"]) if event.data.get("call_id") else None
    return Situation(
        event_id=event.id, at=tx.clock.now(), deal_id=deal.id, deal_name=deal.name, value_cents=deal.value_cents,
        probability=event.data["probability"], probability_before=event.data.get("before"), call_id=call_id,
        contact_name=contact.name if contact else None, contact_has_email=bool(contact and contact.email),
        last_contact_at=last.at if last else None, customer_answered=bool(last and last.direction == "in"),
        **await _heard(tx, call_id),
    )  # fmt: skip


async def _heard(tx: Tx, call_id: UUID | None) -> dict[str, Any]:
    row = await analysis.insights(tx, call_id) if call_id else None
    if row is None:
        return {}
    data = row.data
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


async def _write(tx: Tx, seen: Situation, decision: Decision) -> None:
    row = {
        "id": new_id(), "tenant_id": tx.tenant_id, "deal_id": seen.deal_id, "call_id": seen.call_id,
        "event_id": seen.event_id, "kind": decision.kind, "template": decision.template, "status": decision.status,
        "priority": decision.priority, "title": decision.title, "due_at": decision.due_at,
        "reasons": [dataclasses.asdict(reason) for reason in decision.reasons], "created_at": tx.clock.now(),
    }  # fmt: skip
    for task_id in await repository.add_new(tx, [row]):
        data = {"deal_id": str(seen.deal_id), "kind": decision.kind}
        await tx.emit(Event(EventType.TASK_CREATED, tx.tenant_id, task_id, data, at=tx.clock.now()))
