from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class HealthState(Base):
    """Of which version of the marks, and in which zone's days, a tenant's sums are; `levels`: what was told last."""

    __tablename__ = "health_states"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    time_zone: Mapped[str] = mapped_column(String(64))
    levels: Mapped[dict[str, Any]]


class HealthDeal(TenantOwned, Base):
    """What a deal (`id`) has added to the sums: what is taken away again once it changes."""

    __tablename__ = "health_deals"

    marks: Mapped[list[Any]]


class HealthCell(Base):
    """The sums under one mark; `id` follows from all that tells it apart."""

    __tablename__ = "health_cells"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID | None]
    team: Mapped[str] = mapped_column(String(100))
    segment: Mapped[str] = mapped_column(String(64))
    region: Mapped[str] = mapped_column(String(64))
    currency: Mapped[str] = mapped_column(String(3))
    stage: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(16))
    day: Mapped[date]
    length_days: Mapped[int]
    deals: Mapped[int] = mapped_column(BigInteger)
    cents: Mapped[int] = mapped_column(BigInteger)
    days: Mapped[int] = mapped_column(BigInteger)


class HealthPoint(TenantOwned, Base):
    """How one group stood on a day, as it was last looked at then."""

    __tablename__ = "health_points"

    on: Mapped[date]
    dimension: Mapped[str] = mapped_column(String(16))
    key: Mapped[str] = mapped_column(String(100))
    currency: Mapped[str] = mapped_column(String(3))
    figures: Mapped[dict[str, Any]]
    at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("tenant_id", "dimension", "key", "currency", "on"),
        Index("health_points_day", "tenant_id", "on"),
    )


class SalesTarget(TenantOwned, Base):
    """What a group is to win in a month."""

    __tablename__ = "sales_targets"

    dimension: Mapped[str] = mapped_column(String(16))
    key: Mapped[str] = mapped_column(String(100))
    currency: Mapped[str] = mapped_column(String(3))
    month: Mapped[date]
    value_cents: Mapped[int] = mapped_column(BigInteger)
    set_by: Mapped[UUID]
    set_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("tenant_id", "dimension", "key", "currency", "month"),)
