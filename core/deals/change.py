"""Create a deal, change it, add a contact with the customer: each writes the history and says what happened."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from core.deals import repository, rules
from core.deals.model import Activity, Deal, DealChange
from core.deals.schemas import ActivityIn, DealChangeIn, DealIn
from core.kit.db import Tx
from core.kit.errors import FieldProblem, Invalid
from core.kit.events import Event, EventType
from core.kit.ids import new_id


async def create(tx: Tx, wanted: DealIn, *, currency: str, user_id: UUID) -> Deal:
    """`currency`: what a deal without one gets."""
    account = await repository.account(tx, wanted.account_id)
    await _check_contact(tx, wanted.contact_id, wanted.account_id)
    now = tx.clock.now()
    opened_at = wanted.opened_at or now
    if opened_at > now:
        raise Invalid(
            "A deal cannot open in the future.", problems=[FieldProblem("body.opened_at", "lies in the future")]
        )
    values = wanted.model_dump(exclude={"opened_at", "currency", "products"})
    deal = Deal(
        **{
            **values,
            "id": new_id(),
            "tenant_id": tx.tenant_id,
            "currency": wanted.currency or currency,
            "products": wanted.products or [],
            "owner_id": wanted.owner_id or user_id,
            "segment": wanted.segment or account.segment,
            "region": wanted.region or account.region,
            "opened_at": opened_at,
            "outcome": rules.outcome(wanted.stage),
            "closed_at": now if rules.outcome(wanted.stage) else None,
            "recorded_at": now,
        }
    )
    await repository.add(tx, deal)
    await _note(tx, deal, "stage", None, deal.stage, user_id, opened_at)
    await tx.emit(Event(EventType.DEAL_CREATED, tx.tenant_id, deal.id, at=now))
    return deal


async def change(tx: Tx, deal_id: UUID, wanted: DealChangeIn, *, user_id: UUID) -> Deal:
    """Change the fields that were sent; the history holds each that became another."""
    deal = await repository.deal(tx, deal_id, lock=True)
    sent = wanted.model_dump(exclude_unset=True)
    for name in ("name", "value_cents", "stage", "products"):
        if sent.get(name, "") is None:
            raise Invalid("These fields cannot be emptied.", problems=[FieldProblem(f"body.{name}", "cannot be null")])
    await _check_contact(tx, sent.get("contact_id"), deal.account_id)
    now = tx.clock.now()
    changed = {name: value for name, value in sent.items() if getattr(deal, name) != value}
    for name, value in changed.items():
        await _note(tx, deal, name, getattr(deal, name), value, user_id, now)
        setattr(deal, name, value)
    if "stage" in changed:
        deal.outcome = rules.outcome(deal.stage)
        deal.closed_at = now if deal.outcome else None
    if changed:
        fields = {"fields": sorted(changed)}
        await tx.emit(Event(EventType.DEAL_CHANGED, tx.tenant_id, deal.id, fields, at=now))
    return deal


async def add_activity(tx: Tx, deal_id: UUID, wanted: ActivityIn) -> Activity:
    await repository.deal(tx, deal_id)
    if wanted.direction == "in":
        await repository.keep_still(tx, deal_id)
    now = tx.clock.now()
    at = wanted.at or now
    if at > now:
        raise Invalid(
            "What has not happened is no activity yet.", problems=[FieldProblem("body.at", "lies in the future")]
        )
    activity = Activity(
        id=new_id(), tenant_id=tx.tenant_id, deal_id=deal_id, kind=wanted.kind, direction=wanted.direction, at=at,
        objections=0, unanswered_objections=0, competitors=0, buying_signals=0, has_next_step=False,
        recorded_at=now,
    )  # fmt: skip
    await repository.add(tx, activity)
    fact = Event(EventType.DEAL_CHANGED, tx.tenant_id, deal_id, {"fields": ["activities"], "kind": wanted.kind, "direction": wanted.direction}, at=now)  # fmt: skip # noqa: E501
    await tx.emit(fact)
    return activity


async def _check_contact(tx: Tx, contact_id: UUID | None, account_id: UUID) -> None:
    if contact_id is None:
        return
    contact = await repository.contact(tx, contact_id)
    if contact.account_id != account_id:
        problem = FieldProblem("body.contact_id", "belongs to another account than the deal")
        raise Invalid("Contact and deal must belong to one account.", problems=[problem])


async def _note(tx: Tx, deal: Deal, name: str, before: Any, after: Any, user_id: UUID, at: datetime) -> None:
    await repository.add(
        tx,
        DealChange(
            id=new_id(), tenant_id=tx.tenant_id, deal_id=deal.id, at=at, field=name,
            before=[_plain(before)], after=[_plain(after)], user_id=user_id,
        ),
    )  # fmt: skip


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID | date) else value
