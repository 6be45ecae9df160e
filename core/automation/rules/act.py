"""What a rule does: tasks through the same door as the agent's, notifications, battlecards; kept with what it saw."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from core.automation import repository as tasks
from core.automation.rules import repository
from core.automation.rules.calendar import WorkingDays
from core.automation.rules.course import Firing
from core.automation.rules.definition import Action, Battlecard, Tell
from core.automation.rules.definition import Task as TaskAction
from core.automation.rules.facts import Known
from core.automation.rules.model import RuleFiring
from core.competitors import repository as competitors
from core.deals import repository as deals
from core.deals.model import Deal
from core.kit.db import Tx
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.notifications.notify import Notice, notify
from core.tenants import repository as tenants
from core.tenants.model import Tenant

_STATUS = {"suggest": "suggested", "approve": "waiting", "act": "approved"}
_TITLES = {
    "send_email": ("Enviar e-mail: {deal}", "Send an e-mail: {deal}"),
    "create_crm_task": ("Tarefa: {deal}", "Task: {deal}"),
    "notify_user": ("Veja o que mudou: {deal}", "See what changed: {deal}"),
    "schedule_meeting": ("Marcar uma reunião: {deal}", "Arrange a meeting: {deal}"),
    "notify": ("{rule}: {deal}", "{rule}: {deal}"),
}
_CARD = {
    "strengths": ("forte em", "strong in"),
    "weaknesses": ("fraco em", "weak in"),
    "unknown": ("ainda sem battlecard", "no battlecard yet"),
}
_MOST_TEXT = 1000


async def act(tx: Tx, firing: Firing, known: Known, calendar: WorkingDays) -> RuleFiring:
    tenant = await tenants.tenant(tx)
    row = RuleFiring(
        id=new_id(), tenant_id=tx.tenant_id, rule_id=firing.rule.id, version=firing.rule.version,
        event_id=firing.event_id, deal_id=firing.moment.deal_id, call_id=firing.moment.call_id, at=firing.at,
        seen=dict(firing.seen), done=[],
    )  # fmt: skip
    waiting = await repository.open_kinds(tx, firing.moment.deal_id)
    done = []
    for action in firing.rule.says.actions:
        kind: str = action.kind
        if isinstance(action, TaskAction):
            kind = await _kind(tx, action, known.story.deal)
            what = "already_open"
            if kind not in waiting:
                what = await _task(tx, firing, action, kind, known, calendar, tenant)
                waiting.add(kind)
        else:
            what = await _tell(tx, row, firing, action, known, tenant)
        done.append({"kind": kind, "outcome": what})
    row.done = done
    await repository.add(tx, row)
    return row


async def _task(
    tx: Tx, firing: Firing, action: TaskAction, kind: str, known: Known, calendar: WorkingDays, tenant: Tenant
) -> str:
    call_id = firing.moment.call_id
    row = {
        "id": new_id(), "tenant_id": tx.tenant_id, "deal_id": firing.moment.deal_id, "call_id": call_id,
        "event_id": firing.event_id, "rule_id": firing.rule.id, "kind": kind,
        "template": _template(action, kind, call_id), "status": _STATUS[tenant.autonomy],
        "priority": action.priority, "title": _said(action, firing, known.story.deal, tenant)[:300],
        "due_at": due_at(action, firing.at, calendar), "reasons": _reasons(firing), "created_at": tx.clock.now(),
    }  # fmt: skip
    made = await tasks.add_new(tx, [row])
    for task_id in made:
        data = {"deal_id": str(firing.moment.deal_id), "kind": kind}
        await tx.emit(Event(EventType.TASK_CREATED, tx.tenant_id, task_id, data, at=tx.clock.now()))
    return "done" if made else "already_done"


def due_at(action: TaskAction, at: datetime, calendar: WorkingDays) -> datetime:
    """At once, or at nine in the morning so many working days later."""
    days = action.due_in_working_days
    return calendar.morning_in(at, days) if days else at


def _template(action: TaskAction, kind: str, call_id: UUID | None) -> str | None:
    """Of a call that was not, nothing can be written."""
    if kind == "send_email":
        return (action.template or "follow_up") if call_id else "re_engage"
    return action.template or "follow_up" if kind == "schedule_meeting" and call_id else None


async def _kind(tx: Tx, action: TaskAction, deal: Deal) -> str:
    """Who has no address is not written to: then somebody has to reach him."""
    if action.kind not in ("send_email", "schedule_meeting"):
        return action.kind
    contact = await deals.find_contact(tx, deal.contact_id) if deal.contact_id else None
    return action.kind if contact is not None and contact.email else "create_crm_task"


def _reasons(firing: Firing) -> list[dict[str, Any]]:
    reasons = [{"key": "rule", "weight": 1.0, "evidence": firing.rule.says.name}]
    for name, value in firing.seen.items():
        if value is not None:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            reasons.append({"key": name, "weight": 0.0, "evidence": shown})
    return reasons


async def _tell(
    tx: Tx, row: RuleFiring, firing: Firing, action: Tell | Battlecard, known: Known, tenant: Tenant
) -> str:
    deal = known.story.deal
    if isinstance(action, Battlecard):
        text = await _card(tx, known, firing.moment.call_id, tenant)
        if text is None:
            return "nothing_to_say"
        notice = Notice("battlecard", deal.id, f"card:{row.id}", deal.id, text=text[:_MOST_TEXT])
        to_all = False
    else:
        text = _said(action, firing, deal, tenant)[:_MOST_TEXT]
        notice = Notice("rule_matched", deal.id, f"rule:{row.id}", deal.id, text=text)
        to_all = action.to == "everyone"
    if not to_all and deal.owner_id is None:
        return "nobody_to_tell"
    users = None if to_all or deal.owner_id is None else [deal.owner_id]
    return "done" if await notify(tx, notice, users) else "nobody_to_tell"


async def _card(tx: Tx, known: Known, call_id: UUID | None, tenant: Tenant) -> str | None:
    """What is known of each competitor that was named; None where none was."""
    heard = known.heard.get(call_id) if call_id else None
    names = sorted({naming["name"] for naming in heard["competitors"]}) if heard else []
    if not names:
        return None
    rivals = {row.name: row for row in await competitors.all_of(tx)}
    column = 0 if tenant.locale.startswith("pt") else 1
    lines = []
    for name in names:
        rival = rivals.get(name)
        told = [
            f"{_CARD[what][column]}: {', '.join(map(str, points))}"
            for what, points in (("weaknesses", rival.weaknesses), ("strengths", rival.strengths))
            if points
        ] if rival else []  # fmt: skip
        lines.append(f"{name} ({'; '.join(told) or _CARD['unknown'][column]})")
    return " · ".join(lines)


def _said(action: Action, firing: Firing, deal: Deal, tenant: Tenant) -> str:
    text = getattr(action, "text", None) or _TITLES[action.kind][0 if tenant.locale.startswith("pt") else 1]
    return str(text).replace("{rule}", firing.rule.says.name).replace("{deal}", deal.name)
