"""The queries about forecasts."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from core.forecasting.model import Forecast
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
