"""The queries about forecasts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from core.deals.model import Deal
from core.forecasting.model import Forecast, ForecastScore
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.pages import PageRequest


async def latest(tx: Tx, deal_id: UUID, count: int = 2) -> list[Forecast]:
    """The newest forecasts of a deal, newest first."""
    query = select(Forecast).where(Forecast.deal_id == deal_id).order_by(Forecast.at.desc(), Forecast.id.desc())
    return list((await tx.session.execute(query.limit(count))).scalars())


async def forecast(tx: Tx, forecast_id: UUID) -> Forecast:
    found = await tx.session.get(Forecast, forecast_id)
    if found is None:
        raise NotFound("There is no such forecast.")
    return found


async def all_of(tx: Tx, deal_id: UUID) -> list[Forecast]:
    """Oldest first."""
    query = select(Forecast).where(Forecast.deal_id == deal_id).order_by(Forecast.at, Forecast.id)
    return list((await tx.session.execute(query)).scalars())


async def by_cause(tx: Tx, deal_id: UUID, cause: UUID) -> Forecast | None:
    query = select(Forecast).where(Forecast.deal_id == deal_id, Forecast.cause == cause)
    return (await tx.session.execute(query)).scalar_one_or_none()


async def of_deals(tx: Tx, page: PageRequest) -> list[Forecast]:
    """The newest forecast of each deal; deals by key, newest first."""
    query = select(Forecast).ext(distinct_on(Forecast.deal_id))
    if page.before is not None:
        query = query.where(Forecast.deal_id < page.before)
    ordered = query.order_by(Forecast.deal_id.desc(), Forecast.at.desc(), Forecast.id.desc()).limit(page.limit)
    return list((await tx.session.execute(ordered)).scalars())


async def newest(tx: Tx, deal_ids: Collection[UUID]) -> dict[UUID, Forecast]:
    """Deal → its newest forecast, where it has one."""
    query = select(Forecast).ext(distinct_on(Forecast.deal_id)).where(Forecast.deal_id.in_(deal_ids))
    ordered = query.order_by(Forecast.deal_id, Forecast.at.desc(), Forecast.id.desc())
    return {row.deal_id: row for row in (await tx.session.execute(ordered)).scalars()}


async def add_all(tx: Tx, rows: list[Forecast]) -> None:
    tx.session.add_all(rows)
    await tx.session.flush()


async def outcomes(tx: Tx, deal_ids: Collection[UUID]) -> dict[UUID, str | None]:
    query = select(Deal.id, Deal.outcome).where(Deal.id.in_(deal_ids))
    return {row.id: row.outcome for row in await tx.session.execute(query)}


# ── scores ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def before_closing(tx: Tx, deal: Deal) -> list[Forecast]:
    query = select(Forecast).where(Forecast.deal_id == deal.id, Forecast.at < deal.closed_at).order_by(Forecast.at)
    return list((await tx.session.execute(query)).scalars())


async def forget_scores(tx: Tx, deal_id: UUID) -> None:
    await tx.session.execute(delete(ForecastScore).where(ForecastScore.deal_id == deal_id))


async def add_scores(tx: Tx, rows: Sequence[ForecastScore]) -> None:
    tx.session.add_all(rows)
    await tx.session.flush()


async def scores(tx: Tx, lead_days: int) -> Sequence[Any]:
    """By model and version: the last forecast of each closed deal that was made so many days before its end."""
    last = (
        select(ForecastScore.id, ForecastScore.deal_id)
        .ext(distinct_on(ForecastScore.deal_id))
        .where(ForecastScore.lead_days >= lead_days)
        .order_by(ForecastScore.deal_id, ForecastScore.lead_days, ForecastScore.id.desc())
        .subquery()
    )
    won = func.avg(case((ForecastScore.outcome == "won", 1.0), else_=0.0))
    query = (
        select(
            Forecast.model, Forecast.version, func.count().label("deals"), won.label("won"),
            func.avg(Forecast.probability).label("expected"), func.avg(Forecast.low).label("low"),
            func.avg(Forecast.high).label("high"), func.avg(ForecastScore.squared_error).label("brier"),
            func.avg(ForecastScore.log_loss).label("log_loss"),
            func.avg(case((ForecastScore.date_held, 1.0), else_=0.0)).label("date_coverage"),
            func.percentile_cont(0.5).within_group(ForecastScore.off_days).label("off_days"),
        )
        .join_from(ForecastScore, last, ForecastScore.id == last.c.id)
        .join(Forecast, Forecast.id == ForecastScore.id)
        .group_by(Forecast.model, Forecast.version)
        .order_by(Forecast.model, Forecast.version)
    )  # fmt: skip
    return (await tx.session.execute(query)).all()
