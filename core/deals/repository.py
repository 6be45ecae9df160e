"""The queries about accounts, contacts, deals and their histories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import func, insert, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert

from core.deals.model import Account, Activity, Contact, Deal, DealChange
from core.kit.db import Base, Tx
from core.kit.errors import NotFound
from core.kit.ids import new_id
from core.kit.pages import PageRequest, newest_first

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Story:
    """A deal with all that happened to it, oldest first."""

    deal: Deal
    changes: list[DealChange] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)


_KEEP_STILL = text("SELECT pg_advisory_xact_lock(hashtextextended('customer of ' || :deal, 0))")


async def add(tx: Tx, row: Base) -> None:
    tx.session.add(row)
    await tx.session.flush()


async def add_many(tx: Tx, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Insert many rows of one table at once; keys and tenant are filled in."""
    if rows:
        filled = [{"id": new_id(), "tenant_id": tx.tenant_id, **row} for row in rows]
        await tx.session.execute(insert(table), filled)


async def account(tx: Tx, account_id: UUID) -> Account:
    return _found(await tx.session.get(Account, account_id), "account")


async def contact(tx: Tx, contact_id: UUID) -> Contact:
    return _found(await tx.session.get(Contact, contact_id), "contact")


async def find_contact(tx: Tx, contact_id: UUID) -> Contact | None:
    """None where he is gone: the history of a deal may still name who was erased."""
    return await tx.session.get(Contact, contact_id)


async def deal(tx: Tx, deal_id: UUID, *, lock: bool = False) -> Deal:
    return _found(await tx.session.get(Deal, deal_id, with_for_update=lock, populate_existing=lock), "deal")


async def by_ids(tx: Tx, deal_ids: Sequence[UUID]) -> list[Deal]:
    """In the order asked for. Raises `NotFound`."""
    found = {row.id: row for row in (await tx.session.execute(select(Deal).where(Deal.id.in_(deal_ids)))).scalars()}
    return [_found(found.get(deal_id), "deal") for deal_id in deal_ids]


def _found(row: T | None, what: str) -> T:
    if row is None:
        raise NotFound(f"There is no such {what}.")
    return row


async def accounts(tx: Tx, page: PageRequest) -> list[Account]:
    return list((await tx.session.execute(newest_first(select(Account), Account.id, page))).scalars())


async def contacts(tx: Tx, page: PageRequest, account_id: UUID | None) -> list[Contact]:
    query = select(Contact)
    if account_id is not None:
        query = query.where(Contact.account_id == account_id)
    return list((await tx.session.execute(newest_first(query, Contact.id, page))).scalars())


async def deals(
    tx: Tx, page: PageRequest, *, stage: str | None, owner_id: UUID | None, is_open: bool | None
) -> list[Deal]:
    query = select(Deal)
    if stage is not None:
        query = query.where(Deal.stage == stage)
    if owner_id is not None:
        query = query.where(Deal.owner_id == owner_id)
    if is_open is not None:
        query = query.where(Deal.outcome.is_(None) if is_open else Deal.outcome.is_not(None))
    return list((await tx.session.execute(newest_first(query, Deal.id, page))).scalars())


async def names(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, str]:
    """Of those that may be seen."""
    rows = await tx.session.execute(select(Deal.id, Deal.name).where(Deal.id.in_(list(ids))))
    return {row.id: row.name for row in rows}


async def changes(tx: Tx, deal_id: UUID) -> list[DealChange]:
    query = select(DealChange).where(DealChange.deal_id == deal_id).order_by(DealChange.at, DealChange.id)
    return list((await tx.session.execute(query)).scalars())


async def story(tx: Tx, deal_id: UUID) -> Story:
    return (await stories(tx, [await deal(tx, deal_id)]))[0]


async def stories(tx: Tx, wanted: Sequence[Deal]) -> list[Story]:
    """The stories of many deals in two queries."""
    ids = [row.id for row in wanted]
    by_deal = {row.id: Story(row) for row in wanted}
    for change in await _of_deals(tx, DealChange, DealChange.deal_id, DealChange.at, ids):
        by_deal[change.deal_id].changes.append(change)
    for activity in await _of_deals(tx, Activity, Activity.deal_id, Activity.at, ids):
        by_deal[activity.deal_id].activities.append(activity)
    return [by_deal[i] for i in ids]


async def _of_deals(tx: Tx, table: Any, key: Any, at: Any, ids: Sequence[UUID]) -> Iterable[Any]:
    return (await tx.session.execute(select(table).where(key.in_(ids)).order_by(at, table.id))).scalars()


async def closed_deals(tx: Tx) -> list[Deal]:
    query = select(Deal).where(Deal.outcome.is_not(None)).order_by(Deal.closed_at, Deal.id)
    return list((await tx.session.execute(query)).scalars())


async def open_deals(tx: Tx) -> list[Deal]:
    return list((await tx.session.execute(select(Deal).where(Deal.outcome.is_(None)).order_by(Deal.id))).scalars())


async def all_ids(tx: Tx, *, only_open: bool = False) -> list[UUID]:
    query = select(Deal.id).order_by(Deal.id)
    if only_open:
        query = query.where(Deal.outcome.is_(None))
    return list((await tx.session.execute(query)).scalars())


async def outcomes(tx: Tx) -> dict[str, int]:
    """How many deals were won and lost."""
    query = select(Deal.outcome, func.count()).where(Deal.outcome.is_not(None)).group_by(Deal.outcome)
    counts: defaultdict[str, int] = defaultdict(int)
    for outcome, count in await tx.session.execute(query):
        counts[str(outcome)] = count
    return {"won": counts["won"], "lost": counts["lost"]}


async def note_call(tx: Tx, activity: dict[str, Any]) -> None:
    """Write what a call showed as one contact with the customer; a call that stands there already is left alone."""
    await keep_still(tx, activity["deal_id"])
    row = {"id": new_id(), "tenant_id": tx.tenant_id, "recorded_at": tx.clock.now(), **activity}
    await tx.session.execute(upsert(Activity).values(row).on_conflict_do_nothing(index_elements=["call_id"]))


async def activities(tx: Tx, deal_id: UUID) -> list[Activity]:
    query = select(Activity).where(Activity.deal_id == deal_id).order_by(Activity.at, Activity.id)
    return list((await tx.session.execute(query)).scalars())


async def keep_still(tx: Tx, deal_id: UUID) -> None:
    """Until this transaction ends nobody else notes that the deal's customer spoke, nor writes to him: whoever does
    either, or decides by what he said, asks for this first. So each of them is wholly before or after the other."""
    await tx.session.execute(_KEEP_STILL, {"deal": str(deal_id)})


async def has_spoken_since(tx: Tx, deal_id: UUID, at: datetime, id_: UUID) -> bool:
    """Has the customer said anything, in writing or in a call, that was noted after a moment? `id_`: of what was
    written at that very moment."""
    noted_at = func.coalesce(Activity.recorded_at, Activity.at)
    query = select(Activity.id).where(
        Activity.deal_id == deal_id, Activity.kind != "note",
        (Activity.direction == "in") | Activity.call_id.is_not(None),
        tuple_(noted_at, Activity.id) > tuple_(at, id_),
    )  # fmt: skip
    return (await tx.session.execute(query.limit(1))).first() is not None


async def last_activity(tx: Tx, deal_id: UUID) -> Activity | None:
    query = select(Activity).where(Activity.deal_id == deal_id).order_by(Activity.at.desc(), Activity.id.desc())
    return (await tx.session.execute(query.limit(1))).scalar_one_or_none()


# ── as it was known at a moment ──────────────────────────────────────────────────────────────────────────────────────

# The first change of a field after a moment says what it was then; where there is none, it was what it is.
_SALES = text("""
    WITH known AS (
        SELECT d.opened_at,
               CASE WHEN later.stages IS NULL THEN d.stage ELSE later.stages[1] END AS stage,
               CASE WHEN later.prices IS NULL THEN d.value_cents ELSE later.prices[1]::bigint END AS value_cents,
               CASE WHEN later.owners IS NULL THEN d.owner_id ELSE later.owners[1]::uuid END AS owner_id
        FROM deals d
        LEFT JOIN LATERAL (
            SELECT array_agg(c.before ->> 0 ORDER BY c.at, c.id) FILTER (WHERE c.field = 'stage') AS stages,
                   array_agg(c.before ->> 0 ORDER BY c.at, c.id) FILTER (WHERE c.field = 'value_cents') AS prices,
                   array_agg(c.before ->> 0 ORDER BY c.at, c.id) FILTER (WHERE c.field = 'owner_id') AS owners
            FROM deal_changes c WHERE c.deal_id = d.id AND c.at > :at) AS later ON true
        WHERE coalesce(d.recorded_at, d.opened_at) <= :at
          AND (CAST(:account AS uuid) IS NULL OR d.account_id = :account)
          AND (CAST(:seller AS uuid) IS NULL OR d.owner_id = :seller OR d.id IN (
                SELECT c.deal_id FROM deal_changes c WHERE c.field = 'owner_id' AND c.at > :at
                AND c.before ->> 0 = CAST(CAST(:seller AS uuid) AS text)))
    )
    SELECT count(*) FILTER (WHERE stage NOT LIKE 'closed%') AS open,
           count(*) FILTER (WHERE stage = 'closed_won') AS won,
           count(*) FILTER (WHERE stage = 'closed_lost') AS lost, min(opened_at) AS first_at,
           coalesce(sum(value_cents) FILTER (WHERE stage NOT LIKE 'closed%'), 0) AS open_cents,
           coalesce(sum(value_cents) FILTER (WHERE stage = 'closed_won'), 0) AS won_cents
    FROM known WHERE CAST(:seller AS uuid) IS NULL OR owner_id = :seller
""")
_ALL_SOLD = text("""
    SELECT d.account_id, d.opened_at, coalesce(d.recorded_at, d.opened_at) AS known_at, d.stage, d.value_cents,
           d.owner_id, coalesce(c.changes, '[]') AS changes
    FROM deals d LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_array(c.field, c.at, c.before -> 0) ORDER BY c.at, c.id) AS changes
        FROM deal_changes c WHERE c.deal_id = d.id AND c.field IN ('stage', 'value_cents', 'owner_id')) AS c ON true
""")
_DEALS_WITH = text("""
    SELECT d.id FROM deals d
    LEFT JOIN LATERAL (SELECT c.before FROM deal_changes c WHERE c.deal_id = d.id AND c.field = 'contact_id'
                       AND c.at > :at ORDER BY c.at, c.id LIMIT 1) AS other ON true
    WHERE (d.contact_id = :contact OR d.id IN (
            SELECT c.deal_id FROM deal_changes c WHERE c.field = 'contact_id' AND c.at > :at
            AND c.before ->> 0 = CAST(CAST(:contact AS uuid) AS text)))
      AND CASE WHEN other.before IS NULL THEN d.contact_id ELSE (other.before ->> 0)::uuid END = :contact
""")


async def sales(
    tx: Tx, at: datetime, *, account_id: UUID | None = None, seller_id: UUID | None = None
) -> dict[str, Any]:
    """Deals of one account or one seller, counted and added up as they stood at a moment."""
    given = {"at": at, "account": account_id, "seller": seller_id}
    return dict((await tx.session.execute(_SALES, given)).mappings().one())


@dataclass(frozen=True, slots=True)
class Sold:
    """One deal as sums need it. `known_at`: when it was written down. `changes`: of stage, value and owner, as (when,
    what it was before), oldest first."""

    account_id: UUID
    opened_at: datetime
    known_at: datetime
    stage: str
    value_cents: int
    owner_id: UUID | None
    changes: dict[str, list[tuple[datetime, Any]]]


async def all_sold(tx: Tx) -> list[Sold]:
    found = []
    for row in await tx.session.execute(_ALL_SOLD):
        changes: dict[str, list[tuple[datetime, Any]]] = {}
        for name, at, before in row.changes:
            changes.setdefault(name, []).append((datetime.fromisoformat(at), before))
        found.append(
            Sold(row.account_id, row.opened_at, row.known_at, row.stage, row.value_cents, row.owner_id, changes)
        )
    return found


async def activities_with(tx: Tx, contact_id: UUID, at: datetime) -> list[Activity]:
    """Of all deals whose contact he was at that moment, oldest first; later ones are not in it."""
    his = list((await tx.session.execute(_DEALS_WITH, {"contact": contact_id, "at": at})).scalars())
    query = select(Activity).where(Activity.deal_id.in_(his), Activity.at <= at)
    return list((await tx.session.execute(query.order_by(Activity.at, Activity.id))).scalars())
