from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class Snapshot(TenantOwned, Base):
    """What was told at one moment: `kind` is `nightly`, `override` or `request`; `day` is the tenant's own. Its figures
    stand in `forecast_figures`; `learnt` is what was known of the whole tenant by then."""

    __tablename__ = "forecast_snapshots"

    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(16))
    day: Mapped[date]
    learnt: Mapped[dict[str, Any]]

    __table_args__ = (
        Index("forecast_snapshots_at", "tenant_id", "at"),
        Index("forecast_snapshots_nightly", "tenant_id", "day", unique=True, postgresql_where=text("kind = 'nightly'")),
    )


class Figure(TenantOwned, Base):
    """One group in one month as a snapshot told it; `month` null: all months together. `key` is empty for deals that
    have none, and for `all`. What was won already is in every amount."""

    __tablename__ = "forecast_figures"

    snapshot_id: Mapped[UUID] = mapped_column(ForeignKey("forecast_snapshots.id", ondelete="CASCADE"))
    dimension: Mapped[str] = mapped_column(String(8))
    key: Mapped[str] = mapped_column(String(100))
    currency: Mapped[str] = mapped_column(String(3))
    month: Mapped[date | None]
    won_cents: Mapped[int] = mapped_column(BigInteger)
    won_count: Mapped[int]
    expected_open_cents: Mapped[int] = mapped_column(BigInteger)
    expected_new_cents: Mapped[int] = mapped_column(BigInteger)
    expected_cents: Mapped[int] = mapped_column(BigInteger)
    expected_count: Mapped[float]
    low_cents: Mapped[int] = mapped_column(BigInteger)
    p10_cents: Mapped[int] = mapped_column(BigInteger)
    p50_cents: Mapped[int] = mapped_column(BigInteger)
    p90_cents: Mapped[int] = mapped_column(BigInteger)
    high_cents: Mapped[int] = mapped_column(BigInteger)
    count_low: Mapped[int]
    count_p50: Mapped[int]
    count_high: Mapped[int]

    __table_args__ = (Index("forecast_figures_snapshot", "snapshot_id", "dimension", "key"),)


class Override(TenantOwned, Base):
    """A person's own number for a group and month beside the model's, which it never changes. Rows are only added: the
    highest version counts, and one without a value takes the number back. `model_…`: what the model said then."""

    __tablename__ = "forecast_overrides"

    dimension: Mapped[str] = mapped_column(String(8))
    key: Mapped[str] = mapped_column(String(100))
    currency: Mapped[str] = mapped_column(String(3))
    month: Mapped[date]
    version: Mapped[int]
    value_cents: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(1000), info={"personal": "mention"})
    user_id: Mapped[UUID]
    at: Mapped[datetime]
    model_expected_cents: Mapped[int] = mapped_column(BigInteger)
    model_p10_cents: Mapped[int] = mapped_column(BigInteger)
    model_p50_cents: Mapped[int] = mapped_column(BigInteger)
    model_p90_cents: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        UniqueConstraint(
            "tenant_id", "dimension", "key", "currency", "month", "version", name="forecast_overrides_version"
        ),
    )
