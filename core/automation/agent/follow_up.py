"""The agent as a resident of its tenant's host: one event, what it needs to know, what it decides, written once."""

from __future__ import annotations

import dataclasses
from typing import Any
from uuid import UUID

from core.automation import prune
from core.automation import repository as tasks
from core.automation.agent import outcomes, repository, watch
from core.automation.agent.contacts import contacts
from core.automation.agent.decide import AgentState, Decision, FollowUpAgent, House
from core.automation.agent.learn import Arm, Learned
from core.automation.agent.odds import Oracle
from core.automation.agent.signals import Situation, signals
from core.automation.agent.situation import days_promised, situation
from core.automation.rules.company import working_days
from core.automation.withdraw import Because, withdraw
from core.deals import repository as deals
from core.deals.model import Deal
from core.kit.db import Tx
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.tenants import repository as tenants

HEARD = (
    EventType.INSIGHTS_READY, EventType.DEAL_CREATED, EventType.DEAL_CHANGED, EventType.FORECAST_CHANGED,
    EventType.TASK_DECIDED, EventType.TASK_FINISHED, EventType.TASK_WITHDRAWN, EventType.TIMER_DUE,
)  # fmt: skip
"""What the agent takes, in the order in which it was committed."""
_ACTIVITY = "activities"


def is_for_agent(event: Event) -> bool:
    """Is there anything in it for the agent?"""
    if event.type is EventType.TIMER_DUE:
        return event.data["kind"] in (watch.TIMER, watch.ANSWER, prune.TIMER)
    if event.type is EventType.INSIGHTS_READY:
        return bool(event.data["deal_id"])
    if event.type is EventType.DEAL_CHANGED:
        talked = _ACTIVITY in event.data["fields"] and event.data.get("kind") != "note"
        return talked or "stage" in event.data["fields"]
    return event.type in HEARD


class FollowUp:
    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._agent = FollowUpAgent(AgentState())
        self._is_new = True

    async def restore(self, tx: Tx) -> None:
        known = await repository.known(tx)
        learned = Learned((Arm(*arm), won, lost) for *arm, won, lost in known["arms"])
        open_tasks = [(UUID(deal), kind) for deal, kind in known["open_tasks"]]
        self._agent = FollowUpAgent(AgentState.restore(open_tasks, learned))

    async def handle(self, tx: Tx, event: Event) -> None:
        learned = self._agent.state.learned
        if self._is_new:
            await prune.arm(tx)
            self._is_new = False
        if event.type in (EventType.TASK_DECIDED, EventType.TASK_FINISHED, EventType.TASK_WITHDRAWN):
            self._note_task(event)
            if event.type is EventType.TASK_DECIDED:
                await outcomes.judged(tx, event, learned)
            elif event.type is EventType.TASK_FINISHED:
                await outcomes.sent(tx, event, learned)
        elif event.type is EventType.TIMER_DUE and event.data["kind"] == watch.ANSWER:
            await outcomes.too_late(tx, event, learned)
        elif event.type is EventType.TIMER_DUE and event.data["kind"] == prune.TIMER:
            await prune.prune(tx)
        elif is_for_agent(event):
            deal_id = UUID(str(event.data.get("deal_id") or event.subject))
            await deals.keep_still(tx, deal_id)
            deal = await deals.deal(tx, deal_id)
            if event.type in (EventType.FORECAST_CHANGED, EventType.TIMER_DUE):
                await self._decide(tx, event, deal)
            else:
                await self._follow(tx, event, deal)

    def _note_task(self, event: Event) -> None:
        # Approved is still to be done; only a dismissed task makes room for another.
        if event.data.get("verdict") != "approved":
            self._agent.note_task_closed(UUID(event.data["deal_id"]), event.data["kind"])

    async def _follow(self, tx: Tx, event: Event, deal: Deal) -> None:
        """What is open of a deal whose customer has spoken, or which is closed, is withdrawn; then it waits anew."""
        if _talked(event):
            await outcomes.answered(tx, deal.id, self._agent.state.learned)
        because = _over(event, deal)
        gone = await withdraw(tx, deal.id, because, event) if because is not None else []
        for task in gone:
            self._agent.note_task_closed(deal.id, task.kind)
        if gone:
            await _keep(tx, event, deal.id, event.type.value, verdict="withdrew", why=because)
        if deal.outcome is not None:
            await watch.forget(tx, deal.id)
            return
        calendar = await working_days(tx)
        await watch.arm(tx, deal.id, contacts(await deals.activities(tx, deal.id)), calendar, self._agent.weights)
        if event.type is EventType.INSIGHTS_READY:
            call_id = UUID(str(event.data["call_id"]))
            await watch.promises(tx, deal.id, call_id, await days_promised(tx, call_id), calendar)

    async def _decide(self, tx: Tx, event: Event, deal: Deal) -> None:
        tenant, calendar = await tenants.tenant(tx), await working_days(tx)
        seen = await situation(tx, event, deal, calendar)
        if seen.is_open and signals(seen, self._agent.weights):
            seen = dataclasses.replace(seen, odds=await self._oracle(tx, deal.id))
        decision = self._agent.decide(seen, House(tenant.autonomy, tenant.locale[:2], calendar))
        await _write(tx, event, seen, decision, self._agent.weights.threshold)
        if seen.cause == "deal_stalled" and seen.is_open:
            await watch.stalled_again(tx, deal.id, calendar, self._agent.weights)


def _over(event: Event, deal: Deal) -> Because | None:
    """Why what was to be done about the deal is not to be done any more; None where it is."""
    if deal.outcome is not None:
        return "deal_closed"
    return "customer_answered" if _talked(event) else None


def _talked(event: Event) -> bool:
    """The customer has spoken, in writing or in a call."""
    return event.type is EventType.INSIGHTS_READY or event.data.get("direction") == "in"


async def _write(tx: Tx, event: Event, seen: Situation, decision: Decision, threshold: float) -> None:
    plan = decision.plan
    reasons = [dataclasses.asdict(reason) for reason in decision.reasons]
    task_id = new_id() if plan else None
    kept: dict[str, Any] = {
        "call_id": seen.call_id, "weight": decision.weight, "threshold": threshold, "signals": reasons,
        "odds": seen.odds.to_json() if seen.odds else None, "why": decision.why,
    }  # fmt: skip
    if plan is not None:
        row = {
            "id": task_id, "tenant_id": tx.tenant_id, "deal_id": seen.deal_id, "call_id": seen.call_id,
            "event_id": seen.event_id, "kind": plan.kind, "template": plan.template, "status": plan.status,
            "priority": plan.priority, "title": plan.title, "due_at": plan.due_at, "reasons": reasons,
            "created_at": tx.clock.now(),
        }  # fmt: skip
        for made in await tasks.add_new(tx, [row]):
            data = {"deal_id": str(seen.deal_id), "kind": plan.kind}
            await tx.emit(Event(EventType.TASK_CREATED, tx.tenant_id, made, data, at=tx.clock.now()))
        kept |= {
            "kind": plan.kind, "template": plan.template, "due_at": plan.due_at, "task_id": task_id,
            "helps": plan.helps, "usual": plan.usual, "hour": plan.hour,
        }  # fmt: skip
    await _keep(tx, event, seen.deal_id, seen.cause, verdict="acted" if plan else "waited", **kept)


async def _keep(tx: Tx, event: Event, deal_id: UUID, cause: str, **said: Any) -> None:
    row = {
        "id": new_id(), "tenant_id": tx.tenant_id, "deal_id": deal_id, "event_id": event.id, "cause": cause,
        "at": tx.clock.now(), "weight": 0.0, "threshold": 0.0, "signals": [], **said,
    }  # fmt: skip
    await repository.put(tx, row)
