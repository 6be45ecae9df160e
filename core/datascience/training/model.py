from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned

OPEN = ("queued", "running")


class Training(TenantOwned, Base):
    """A model of the tenant's own that is being made, or was. `action`: retrain | recalibrate; `why`: person | drift;
    `version_id`: the version because of which; `tune`: trials of a search for better parameters. `status`: queued |
    running | done | failed | cancelled.

    While it runs somebody holds it until `lease_until`, and `attempts` tells whose turn that is: each take-over counts
    one up, and who comes with an older number is heard no more. `model_id`: what came of it; the gate's verdict stands
    there.
    """

    __tablename__ = "trainings"

    context: Mapped[str] = mapped_column(String(16))
    algorithm: Mapped[str] = mapped_column(String(16))
    action: Mapped[str] = mapped_column(String(16))
    why: Mapped[str] = mapped_column(String(16))
    version_id: Mapped[UUID | None] = mapped_column(ForeignKey("model_versions.id"))
    tune: Mapped[int] = mapped_column(default=0)
    requested_by: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(String(16), default="queued")
    stage: Mapped[str] = mapped_column(String(300), default="")
    progress: Mapped[float] = mapped_column(default=0.0)
    attempts: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(String(2000))
    model_id: Mapped[UUID | None] = mapped_column(ForeignKey("model_versions.id"))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "trainings_open", "tenant_id", "context", "algorithm", unique=True,
            postgresql_where=text("status IN ('queued', 'running')"),
        ),
    )  # fmt: skip


class TrainingLine(TenantOwned, Base):
    """One line of what happened, in the order of ids; `attempt` 0 is before anybody began."""

    __tablename__ = "training_lines"

    training_id: Mapped[UUID] = mapped_column(ForeignKey("trainings.id"))
    attempt: Mapped[int]
    at: Mapped[datetime]
    text: Mapped[str] = mapped_column(String(500))

    __table_args__ = (Index("training_lines_of", "training_id", "id"),)
