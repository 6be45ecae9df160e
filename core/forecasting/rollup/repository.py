"""The queries about the pipeline of a moment, and about what was told of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, and_, cast, func, insert, or_, select, text, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from core.deals.model import Deal, DealChange
from core.forecasting.model import Forecast
from core.forecasting.rollup.model import Figure, Override, Snapshot
from core.forecasting.rollup.periods import Period
from core.forecasting.rollup.pipeline import TRACKED, Dimension, Position, StageMove, as_of
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.ids import new_id
from core.kit.pages import PageRequest, newest_first
from core.tenants.model import User

_BATCH = 1_000


# ── the pipeline ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def pipeline(tx: Tx, at: datetime, period: Period, *, closed_since: datetime | None = None) -> list[Position]:
    """Deals that were open at the moment or won in the period, and those that were closed after `closed_since`."""
    now = tx.clock.now()
    since = min(at, closed_since or at)
    newest = (
        select(
            Forecast.id.label("forecast_id"), Forecast.at.label("forecast_at"), Forecast.probability,
            Forecast.close_on_low, Forecast.expected_close_on, Forecast.close_on_high, Forecast.model, Forecast.version,
            Forecast.worth,
        )
        .where(Forecast.deal_id == Deal.id, Forecast.at <= at)
        .order_by(Forecast.at.desc(), Forecast.id.desc())
        .limit(1)
        .lateral()
    )  # fmt: skip
    won = and_(Deal.outcome == "won", Deal.closed_at >= period.begin, Deal.closed_at < period.end)
    query = (
        select(
            Deal.id.label("deal_id"), Deal.name, Deal.owner_id, Deal.team, Deal.segment, Deal.region, Deal.currency,
            Deal.value_cents, Deal.stage, Deal.opened_at, Deal.closed_at, *newest.c,
        )
        .outerjoin(newest, true())
        .where(Deal.opened_at <= at, or_(Deal.outcome.is_(None), Deal.closed_at > since, won))
        .order_by(Deal.id)
    )  # fmt: skip
    rows = [dict(row._mapping) for row in await tx.session.execute(query)]
    undone = await _undone(tx, at) if at < now else {}
    moved = [deal_id for deal_id, fields in undone.items() if "stage" in fields]
    return as_of(at, rows, undone, await _closed_before(tx, at, moved))


async def _undone(tx: Tx, at: datetime) -> dict[UUID, dict[str, Any]]:
    """Deal → field → what it was at the moment, of all that changed since."""
    query = (
        select(DealChange.deal_id, DealChange.field, DealChange.before)
        .ext(distinct_on(DealChange.deal_id, DealChange.field))
        .where(DealChange.at > at, DealChange.field.in_(TRACKED))
        .order_by(DealChange.deal_id, DealChange.field, DealChange.at, DealChange.id)
    )
    found: dict[UUID, dict[str, Any]] = {}
    for deal_id, field, before in await tx.session.execute(query):
        found.setdefault(deal_id, {})[field] = before[0]
    return found


async def _closed_before(tx: Tx, at: datetime, deal_ids: Collection[UUID]) -> dict[UUID, datetime]:
    if not deal_ids:
        return {}
    query = (
        select(DealChange.deal_id, func.max(DealChange.at).label("at"))
        .where(DealChange.deal_id.in_(deal_ids), DealChange.field == "stage", DealChange.at <= at)
        .group_by(DealChange.deal_id)
    )
    return {row.deal_id: row.at for row in await tx.session.execute(query)}


async def closed(tx: Tx, since: datetime) -> Sequence[Any]:
    """opened_at, closed_at, outcome and the first forecast's probability (or None) of each deal closed since."""
    first = (
        select(Forecast.probability)
        .where(Forecast.deal_id == Deal.id, Forecast.at < Deal.closed_at)
        .order_by(Forecast.at, Forecast.id)
        .limit(1)
        .scalar_subquery()
    )
    query = select(Deal.opened_at, Deal.closed_at, Deal.outcome, first.label("odds"))
    query = query.where(Deal.outcome.is_not(None), Deal.closed_at >= since).order_by(Deal.closed_at, Deal.id)
    return (await tx.session.execute(query)).all()


async def stage_changes(tx: Tx, since: datetime) -> list[StageMove]:
    """Of all deals, deal by deal in order of time."""
    query = (
        select(DealChange.deal_id, DealChange.at, DealChange.after, Deal.closed_at, Deal.outcome)
        .join(Deal, Deal.id == DealChange.deal_id)
        .where(DealChange.field == "stage", DealChange.at >= since)
        .order_by(DealChange.deal_id, DealChange.at, DealChange.id)
    )
    return [
        StageMove(row.deal_id, row.at, str(row.after[0]), row.closed_at, row.outcome)
        for row in await tx.session.execute(query)
    ]


async def first_opened(tx: Tx) -> datetime | None:
    return (await tx.session.execute(select(func.min(Deal.opened_at)))).scalar_one()


async def won(tx: Tx, since: datetime, until: datetime) -> list[Position]:
    query = select(
        Deal.id.label("deal_id"), Deal.name, Deal.owner_id, Deal.team, Deal.segment, Deal.region, Deal.currency,
        Deal.value_cents, Deal.stage, Deal.opened_at, Deal.closed_at,
    ).where(Deal.outcome == "won", Deal.closed_at >= since, Deal.closed_at < until)  # fmt: skip
    rows = [{**row._mapping, "forecast_id": None} for row in await tx.session.execute(query)]
    return as_of(until, rows, {}, {})


async def reasons(tx: Tx, forecast_ids: Collection[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    query = select(Forecast.id, Forecast.reasons).where(Forecast.id.in_(forecast_ids))
    return {forecast_id: list(said) for forecast_id, said in await tx.session.execute(query)}


async def sellers(tx: Tx, team: str | None = None) -> dict[str, str]:
    """Id → name; of one team where it is named."""
    query = select(User.id, User.name)
    if team is not None:
        query = query.where(User.team == team)
    return {str(user_id): name for user_id, name in await tx.session.execute(query)}


async def check_group(tx: Tx, dimension: Dimension, key: str) -> None:
    """Raises `NotFound` where nobody and no deal that one sees belongs to the group; the empty one is always there."""
    if not key:
        return
    column = {"team": Deal.team, "segment": Deal.segment, "region": Deal.region}.get(dimension)
    if column is not None:
        known: ColumnElement[bool] = select(Deal.id).where(column == key).exists()
        if dimension == "team":
            known = or_(known, select(User.id).where(User.team == key).exists())
    else:
        known = select(User.id).where(cast(User.id, String) == key).exists()
    if not (await tx.session.execute(select(known))).scalar_one():
        raise NotFound(f"There is no such {dimension}.")


# ── snapshots ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def add_snapshot(tx: Tx, row: Snapshot, figures: Sequence[dict[str, Any]]) -> bool:
    """False, and nothing written, where that night has its snapshot."""
    values = {name: getattr(row, name) for name in ("id", "tenant_id", "at", "kind", "day", "learnt")}
    written = await tx.session.execute(upsert(Snapshot).values(values).on_conflict_do_nothing().returning(Snapshot.id))
    if written.scalar_one_or_none() is None:
        return False
    filled = [{"id": new_id(), "tenant_id": tx.tenant_id, "snapshot_id": row.id, **figure} for figure in figures]
    for start in range(0, len(filled), _BATCH):
        await tx.session.execute(insert(Figure), filled[start : start + _BATCH])
    return True


async def snapshot(tx: Tx, snapshot_id: UUID) -> Snapshot:
    found = await tx.session.get(Snapshot, snapshot_id)
    if found is None:
        raise NotFound("There is no such snapshot.")
    return found


async def newest_snapshot(tx: Tx) -> Snapshot | None:
    query = select(Snapshot).order_by(Snapshot.at.desc(), Snapshot.id.desc()).limit(1)
    return (await tx.session.execute(query)).scalar_one_or_none()


async def has_night(tx: Tx, day: date) -> bool:
    query = select(select(Snapshot.id).where(Snapshot.kind == "nightly", Snapshot.day == day).exists())
    return bool((await tx.session.execute(query)).scalar_one())


async def snapshots(tx: Tx, page: PageRequest) -> list[Snapshot]:
    query = select(Snapshot)
    return list((await tx.session.execute(newest_first(query, Snapshot.id, page))).scalars())


async def snapshot_times(tx: Tx, since: datetime) -> list[tuple[UUID, datetime]]:
    query = select(Snapshot.id, Snapshot.at).where(Snapshot.at >= since).order_by(Snapshot.at, Snapshot.id)
    return [(snapshot_id, at) for snapshot_id, at in await tx.session.execute(query)]


async def figures(
    tx: Tx, snapshot_ids: Collection[UUID], by: Dimension, *, months: Collection[date] | None = None
) -> list[Figure]:
    query = select(Figure).where(Figure.snapshot_id.in_(snapshot_ids), Figure.dimension == by)
    if months is not None:
        query = query.where(Figure.month.in_(months))
    ordered = query.order_by(Figure.currency, Figure.key, Figure.month.nulls_last())
    return list((await tx.session.execute(ordered)).scalars())


# ── overrides ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def lock_overrides(tx: Tx) -> None:
    """One after the other in a tenant, so that versions have no gap and no double."""
    await tx.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('forecast_overrides ' || :tenant, 0))"),
        {"tenant": str(tx.tenant_id)},
    )


async def add_override(tx: Tx, row: Override) -> None:
    tx.session.add(row)
    await tx.session.flush()


async def override(tx: Tx, override_id: UUID) -> Override:
    found = await tx.session.get(Override, override_id)
    if found is None:
        raise NotFound("There is no such number of yours or your people's.")
    return found


async def versions(tx: Tx, dimension: str, key: str, currency: str, month: date) -> list[Override]:
    """Newest first."""
    query = select(Override).where(
        Override.dimension == dimension, Override.key == key, Override.currency == currency, Override.month == month
    )
    return list((await tx.session.execute(query.order_by(Override.version.desc()))).scalars())


async def overrides(tx: Tx, page: PageRequest, by: Dimension | None, month: date | None) -> list[Override]:
    """All versions, newest first."""
    query = select(Override)
    if by is not None:
        query = query.where(Override.dimension == by)
    if month is not None:
        query = query.where(Override.month == month)
    return list((await tx.session.execute(newest_first(query, Override.id, page))).scalars())


async def all_overrides(tx: Tx, by: Dimension, first: date, until: date) -> list[Override]:
    """Every version of the months from `first` to before `until`, in the order in which they were given."""
    query = select(Override).where(Override.dimension == by, Override.month >= first, Override.month < until)
    return list((await tx.session.execute(query.order_by(Override.version))).scalars())
