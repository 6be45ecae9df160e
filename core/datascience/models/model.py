from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base
from core.kit.ids import new_id


class ModelVersion(Base):
    """One version of a model, as serving and people see it without MLflow, of which `run_id` names the run.

    A version for all tenants, or for a segment of all, has no tenant: every tenant reads its row, the machinery alone
    writes it. `status`: candidate | refused | champion | challenger | retired; `alias` is the last two's word where it
    bears one. `replaced`: the champion that it took the place of, where a rollback returns to. `verdict` is the gate's,
    null until it was asked. `inputs`: name, low, high, may_be_missing of each feature. `importance`: feature → mean
    absolute share in the log-odds over the held-out rows.
    """

    __tablename__ = "model_versions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[UUID | None] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(String(120))
    version: Mapped[int]
    context: Mapped[str] = mapped_column(String(16))
    scope: Mapped[str] = mapped_column(String(60))
    algorithm: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16), default="candidate")
    alias: Mapped[str | None] = mapped_column(String(16))
    share: Mapped[float] = mapped_column(default=0.0)
    replaced: Mapped[UUID | None] = mapped_column(ForeignKey("model_versions.id"))
    fingerprint: Mapped[str] = mapped_column(String(64))
    code: Mapped[str] = mapped_column(String(64))
    deals: Mapped[int]
    metrics: Mapped[dict[str, Any]]
    baseline: Mapped[dict[str, Any]]
    parameters: Mapped[dict[str, Any]]
    inputs: Mapped[list[Any]]
    leaks: Mapped[list[Any]]
    importance: Mapped[dict[str, Any]]
    verdict: Mapped[dict[str, Any] | None]
    run_id: Mapped[str] = mapped_column(String(64))
    object_key: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    learnt_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    promoted_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("name", "version"),
        Index(
            "model_versions_alias", "context", "scope", "alias", unique=True, postgresql_where=text("alias IS NOT NULL")
        ),
    )


class ModelChange(Base):
    """What happened to a version, and by whom (null: the machinery). `other`: the champion before, or after."""

    __tablename__ = "model_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[UUID | None] = mapped_column(index=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"), index=True)
    action: Mapped[str] = mapped_column(String(16))
    other: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    at: Mapped[datetime]
