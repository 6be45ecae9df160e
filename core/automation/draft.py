"""The text that a task needs: facts gathered from the deal and the call, written by the content engine, kept once."""

from __future__ import annotations

import dataclasses
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from core.analysis import repository as analysis
from core.automation import repository
from core.automation.model import Task
from core.calls import repository as calls
from core.content import repository as content
from core.content.facts import Material, Step, facts_for
from core.content.model import Draft
from core.deals import repository as deals
from core.deals.model import Contact, Deal
from core.kit.db import Tx
from core.kit.errors import Unavailable
from core.kit.ids import new_id
from core.ports import Brief, TextGenerator
from core.tenants import repository as tenants


async def draft(tx: Tx, task_id: UUID, generator: TextGenerator) -> None:
    task = await repository.task(tx, task_id)
    if task.template is None or await content.of_task(tx, task_id) is not None:
        return
    deal = await deals.deal(tx, task.deal_id)
    contact = await deals.contact(tx, deal.contact_id) if deal.contact_id else None
    material, language = await _material(tx, task, deal, contact)
    facts = facts_for(material, language)
    text = await generator.write(Brief(task.template, language, "friendly", facts))
    if not await _still_due(tx, task, deal.contact_id):
        return
    await content.add(
        tx,
        Draft(
            id=new_id(), tenant_id=tx.tenant_id, task_id=task.id, deal_id=deal.id, call_id=task.call_id,
            kind=task.template, language=language, subject=text.subject, body=text.body,
            facts=[dataclasses.asdict(fact) for fact in facts if fact.name in text.used],
            written_by=text.written_by, status="draft", created_at=tx.clock.now(),
        ),
    )  # fmt: skip


async def _still_due(tx: Tx, task: Task, contact_id: UUID | None) -> bool:
    """Writing takes seconds, in which somebody may be erased: what was written of him must not come after that.

    False where the call was erased. Raises `Unavailable`, to be written anew, where the deal has another contact now.
    """
    if task.call_id is not None and (await calls.call(tx, task.call_id, lock=True)).status == "erased":
        return False
    if (await deals.deal(tx, task.deal_id, lock=True)).contact_id != contact_id:
        raise Unavailable("The deal has another contact than when the text was begun.")
    return True


async def _material(tx: Tx, task: Task, deal: Deal, contact: Contact | None) -> tuple[Material, str]:
    """What is known, and the language to write in: the call's, else the contact's."""
    tenant = await tenants.tenant(tx)
    account = await deals.account(tx, deal.account_id)
    owner = await tenants.user(tx, deal.owner_id) if deal.owner_id else None
    call = await calls.call(tx, task.call_id) if task.call_id else None
    row = await analysis.insights(tx, task.call_id) if task.call_id else None
    language = (call.language if call else None) or (contact.language if contact else None) or tenant.locale[:2]
    heard = _heard(row.data, task.call_id, await _times(tx, task.call_id)) if row else {}
    material = Material(
        deal_id=str(deal.id), deal_name=deal.name, value_cents=deal.value_cents, currency=deal.currency,
        contact_name=contact.name if contact else None, seller_name=owner.name if owner else tenant.name,
        company=tenant.name, call_id=str(call.id) if call else None,
        called_on=call.started_at.astimezone(ZoneInfo(tenant.time_zone)).date() if call else None,
        account_name=account.name, **heard,
    )  # fmt: skip
    return material, language


async def _times(tx: Tx, call_id: UUID | None) -> list[float]:
    transcript = await calls.transcript(tx, call_id) if call_id else None
    return [turn["start_s"] for turn in transcript.turns] if transcript else []


def _heard(data: dict[str, Any], call_id: UUID | None, times: list[float]) -> dict[str, Any]:
    def source(at_s: float) -> str:
        return f"call:{call_id}@{at_s:.1f}"

    return {
        "competitors": tuple(sorted({naming["name"] for naming in data["competitors"]})),
        "topics": tuple((topic["name"], source(topic["first_s"])) for topic in data["topics"]),
        "open_objections": tuple((o["kind"], source(o["start_s"])) for o in data["objections"] if not o["met"]),
        "steps": tuple(
            Step(
                step["owner"], step["text"], date.fromisoformat(step["due_on"]) if step["due_on"] else None,
                source(times[step["turn"]]),
            )
            for step in data["next_steps"]
            if step["owner"] in ("seller", "customer")
        ),
    }  # fmt: skip
