"""The queries about rules."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from core.analysis.model import CallInsights
from core.automation.model import Task
from core.automation.repository import OPEN
from core.automation.rules.model import Rule, RuleFiring, RuleVersion, RuleWait, WorkCalendar
from core.deals import repository as deals
from core.deals.repository import Story
from core.forecasting.model import Forecast
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.events import Event, EventType
from core.kit.facts import FACTS
from core.kit.ids import new_id
from core.kit.outbox import EventRow
from core.kit.pages import PageRequest, newest_first


async def rule(tx: Tx, rule_id: UUID, *, lock: bool = False) -> Rule:
    found = await tx.session.get(Rule, rule_id, with_for_update=lock, populate_existing=lock)
    if found is None:
        raise NotFound("There is no such rule.")
    return found


async def version(tx: Tx, rule_id: UUID, number: int) -> RuleVersion:
    query = select(RuleVersion).where(RuleVersion.rule_id == rule_id, RuleVersion.version == number)
    found = (await tx.session.execute(query)).scalar_one_or_none()
    if found is None:
        raise NotFound("There is no such version of the rule.")
    return found


async def rules(tx: Tx, page: PageRequest, *, is_enabled: bool | None) -> list[tuple[Rule, RuleVersion]]:
    query = select(Rule, RuleVersion).join(
        RuleVersion, (RuleVersion.rule_id == Rule.id) & (RuleVersion.version == Rule.version)
    )
    if is_enabled is not None:
        query = query.where(Rule.is_enabled.is_(is_enabled))
    rows = await tx.session.execute(newest_first(query, Rule.id, page))
    return [(row, said) for row, said in rows]


async def count(tx: Tx) -> int:
    """One after another: whoever counts makes others wait until his transaction ends."""
    await tx.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('rules ' || CAST(:tenant AS text), 0))"),
        {"tenant": str(tx.tenant_id)},
    )
    return int((await tx.session.execute(select(func.count()).select_from(Rule))).scalar_one())


async def enabled(tx: Tx, trigger: str | None = None, rule_id: UUID | None = None) -> list[RuleVersion]:
    """What each rule that is switched on says now, in the order in which they were made."""
    query = (
        select(RuleVersion)
        .join(Rule, (RuleVersion.rule_id == Rule.id) & (RuleVersion.version == Rule.version))
        .where(Rule.is_enabled)
        .order_by(Rule.id)
    )
    if trigger is not None:
        query = query.where(Rule.trigger == trigger)
    if rule_id is not None:
        query = query.where(Rule.id == rule_id)
    return list((await tx.session.execute(query)).scalars())


async def add(tx: Tx, *rows: Rule | RuleVersion | RuleFiring) -> None:
    for row in rows:
        tx.session.add(row)
        await tx.session.flush()


async def versions(tx: Tx, rule_id: UUID, page: PageRequest) -> list[RuleVersion]:
    query = select(RuleVersion).where(RuleVersion.rule_id == rule_id)
    return list((await tx.session.execute(newest_first(query, RuleVersion.id, page))).scalars())


async def firings(tx: Tx, rule_id: UUID, page: PageRequest) -> list[RuleFiring]:
    query = select(RuleFiring).where(RuleFiring.rule_id == rule_id)
    return list((await tx.session.execute(newest_first(query, RuleFiring.id, page))).scalars())


async def fired_since(tx: Tx, rule_id: UUID, deal_id: UUID | None, since: datetime) -> int:
    query = select(func.count()).where(RuleFiring.rule_id == rule_id, RuleFiring.at > since)
    if deal_id is not None:
        query = query.where(RuleFiring.deal_id == deal_id)
    return int((await tx.session.execute(query)).scalar_one())


async def open_kinds(tx: Tx, deal_id: UUID) -> set[str]:
    """Kinds of the deal's tasks that are not finished."""
    query = select(Task.kind).where(Task.deal_id == deal_id, Task.status.in_(OPEN))
    return set((await tx.session.execute(query)).scalars())


# ── waits ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def put_wait(
    tx: Tx, rule_id: UUID, deal_id: UUID, moment: dict[str, Any], due_at: datetime, *, until_answered: bool
) -> None:
    row = {
        "id": new_id(), "tenant_id": tx.tenant_id, "rule_id": rule_id, "deal_id": deal_id, "moment": moment,
        "due_at": due_at, "until_answered": until_answered,
    }  # fmt: skip
    moved = {key: row[key] for key in ("moment", "due_at", "until_answered")}
    query = insert(RuleWait).values(row).on_conflict_do_update(index_elements=["rule_id", "deal_id"], set_=moved)
    await tx.session.execute(query)


async def take_wait(tx: Tx, rule_id: UUID, deal_id: UUID, due_by: datetime) -> RuleWait | None:
    """Take it away; None where it was cancelled, or has moved to later."""
    query = (
        delete(RuleWait)
        .where(RuleWait.rule_id == rule_id, RuleWait.deal_id == deal_id, RuleWait.due_at <= due_by)
        .returning(RuleWait)
    )
    return (await tx.session.execute(query)).scalar_one_or_none()


async def drop_waits(tx: Tx, *, deal_id: UUID | None = None, rule_id: UUID | None = None) -> list[tuple[UUID, UUID]]:
    """Those of a deal that end with the customer's word, or all of a rule. Returns the rule and deal of each."""
    query = delete(RuleWait).returning(RuleWait.rule_id, RuleWait.deal_id)
    if deal_id is not None:
        query = query.where(RuleWait.deal_id == deal_id, RuleWait.until_answered)
    if rule_id is not None:
        query = query.where(RuleWait.rule_id == rule_id)
    return [(row.rule_id, row.deal_id) for row in await tx.session.execute(query)]


# ── what conditions see ──────────────────────────────────────────────────────────────────────────────────────────────


async def stories(tx: Tx, deal_ids: Collection[UUID]) -> dict[UUID, Story]:
    found = await deals.stories(tx, await deals.by_ids(tx, list(deal_ids)))
    return {story.deal.id: story for story in found}


async def forecasts(tx: Tx, deal_ids: Collection[UUID]) -> dict[UUID, list[Forecast]]:
    """Of each deal, oldest first."""
    query = select(Forecast).where(Forecast.deal_id.in_(list(deal_ids))).order_by(Forecast.at, Forecast.id)
    found: dict[UUID, list[Forecast]] = {}
    for row in (await tx.session.execute(query)).scalars():
        found.setdefault(row.deal_id, []).append(row)
    return found


async def heard(tx: Tx, call_ids: Collection[UUID]) -> dict[UUID, Any]:
    query = select(CallInsights).where(CallInsights.id.in_(list(call_ids)))
    return {row.id: row.data for row in (await tx.session.execute(query)).scalars()} if call_ids else {}


async def happened(tx: Tx, types: Sequence[EventType], since: datetime, most: int) -> list[Event]:
    """The newest so many events of these types, in the order in which they were committed."""
    query = select(EventRow).where(EventRow.type.in_([one.value for one in types]), EventRow.at >= since)
    rows = list((await tx.session.execute(query.order_by(EventRow.seq.desc()).limit(most))).scalars())
    return [
        Event(
            EventType(row.type), row.tenant_id, row.subject, id=row.id, at=row.at,
            data=FACTS.upcast(EventType(row.type), row.version, row.data),
        )
        for row in reversed(rows)
    ]  # fmt: skip


# ── working days ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def calendar(tx: Tx) -> WorkCalendar | None:
    return await tx.session.get(WorkCalendar, tx.tenant_id)


async def set_calendar(tx: Tx, row: dict[str, Any]) -> None:
    query = insert(WorkCalendar).values(tenant_id=tx.tenant_id, **row)
    await tx.session.execute(query.on_conflict_do_update(index_elements=["tenant_id"], set_=row))
