from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class PredictionRow(TenantOwned, Base):
    """One answer of the engine with its exact input; never changed.

    `role`: champion | challenger | shadow (nobody saw it). `source`: http | stream | event | flow | batch. `output`:
    the intervals, days, amount, and what spoke loudest. `latency_ms`: of one row within its request.
    """

    __tablename__ = "prediction_logs"

    at: Mapped[datetime]
    context: Mapped[str] = mapped_column(String(16))
    deal_id: Mapped[UUID | None]
    source: Mapped[str] = mapped_column(String(16))
    role: Mapped[str] = mapped_column(String(16))
    basis: Mapped[str] = mapped_column(String(16))
    model: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(32))
    probability: Mapped[float]
    input: Mapped[dict[str, Any]]
    output: Mapped[dict[str, Any]]
    outside: Mapped[list[Any]]
    latency_ms: Mapped[float]

    __table_args__ = (
        Index("prediction_logs_newest", "tenant_id", "context", "id"),
        Index("prediction_logs_deal", "deal_id", "id"),
        Index("prediction_logs_at", "tenant_id", "at"),
    )
