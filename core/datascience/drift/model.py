from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class DriftSettings(TenantOwned, Base):
    """One row a tenant, made when it is first changed: its thresholds (`core.datascience.drift.rules.Limits`), over how
    many days one looks, and whether what is found starts the training by itself."""

    __tablename__ = "drift_settings"

    psi: Mapped[float]
    ks: Mapped[float]
    auc_drop: Mapped[float]
    brier_rise: Mapped[float]
    ece: Mapped[float]
    least_rows: Mapped[int]
    least_deals: Mapped[int]
    window_days: Mapped[int]
    automatic: Mapped[bool]

    __table_args__ = (UniqueConstraint("tenant_id"),)


class DriftReport(TenantOwned, Base):
    """What was seen of one version in one tenant: the shift of each input and of the score, the quality on deals that
    closed since (null where none did), and what is over a limit."""

    __tablename__ = "drift_reports"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"))
    at: Mapped[datetime]
    since: Mapped[datetime]
    deals: Mapped[int]
    inputs: Mapped[dict[str, Any]]
    score: Mapped[dict[str, Any] | None]
    quality: Mapped[dict[str, Any] | None]
    findings: Mapped[list[Any]]

    __table_args__ = (Index("drift_reports_version", "version_id", "id"),)


class DriftProposal(TenantOwned, Base):
    """What should follow: `retrain` or `recalibrate`. `status`: open | accepted | dismissed | automatic;
    of the accepted and automatic ones done | failed, once it was tried by the training that they name."""

    __tablename__ = "drift_proposals"

    report_id: Mapped[UUID] = mapped_column(ForeignKey("drift_reports.id"))
    version_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"))
    action: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]
    training_id: Mapped[UUID | None] = mapped_column(ForeignKey("trainings.id"), index=True)

    __table_args__ = (
        Index("drift_proposals_open", "tenant_id", "version_id", unique=True, postgresql_where=text("status = 'open'")),
    )
