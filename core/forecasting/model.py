from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class Forecast(TenantOwned, Base):
    """One prediction for one deal at one moment, with its exact input; never changed. `cause`: the event behind it.
    `worth`: the share of the deal's value that it brings where it is won."""

    __tablename__ = "forecasts"

    deal_id: Mapped[UUID] = mapped_column(ForeignKey("deals.id"))
    at: Mapped[datetime]
    cause: Mapped[UUID]
    cause_type: Mapped[str] = mapped_column(String(64))
    probability: Mapped[float]
    low: Mapped[float]
    high: Mapped[float]
    risk: Mapped[str] = mapped_column(String(8))
    expected_close_on: Mapped[date]
    close_on_low: Mapped[date]
    close_on_high: Mapped[date]
    expected_value_cents: Mapped[int] = mapped_column(BigInteger)
    worth: Mapped[float] = mapped_column(default=1.0)
    value_low_cents: Mapped[int] = mapped_column(BigInteger)
    value_high_cents: Mapped[int] = mapped_column(BigInteger)
    basis: Mapped[str] = mapped_column(String(16))
    model: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(32))
    features: Mapped[dict[str, Any]]
    reasons: Mapped[list[Any]]

    __table_args__ = (
        Index("forecasts_deal", "deal_id", "at"),
        UniqueConstraint("tenant_id", "deal_id", "cause"),
    )


class ForecastScore(TenantOwned, Base):
    """What a forecast was worth, seen from the end of its deal; `id` is the forecast's. `off_days`: how much later than
    expected the deal closed; `date_held`: inside of the interval."""

    __tablename__ = "forecast_scores"

    id: Mapped[UUID] = mapped_column(ForeignKey("forecasts.id"), primary_key=True)
    deal_id: Mapped[UUID] = mapped_column(ForeignKey("deals.id"))
    outcome: Mapped[str] = mapped_column(String(8))
    closed_at: Mapped[datetime]
    lead_days: Mapped[float]
    squared_error: Mapped[float]
    log_loss: Mapped[float]
    off_days: Mapped[int]
    date_held: Mapped[bool]

    __table_args__ = (Index("forecast_scores_deal", "deal_id"),)
