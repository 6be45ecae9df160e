from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class AgentDecision(TenantOwned, Base):
    """What the agent made of one event. `cause`: the event's type, or what a timer watched for. `verdict`: acted |
    waited | withdrew, and `why` for the last two. `signals`: all that spoke for acting, which weighed `weight` against
    a `threshold`. `odds`: what the prediction engine said, null where it was not asked. `helps`: the counterfactual
    that gave the kind."""

    __tablename__ = "agent_decisions"

    deal_id: Mapped[UUID] = mapped_column(ForeignKey("deals.id"))
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("calls.id"))
    event_id: Mapped[UUID]
    cause: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
    verdict: Mapped[str] = mapped_column(String(8))
    why: Mapped[str | None] = mapped_column(String(32))
    kind: Mapped[str | None] = mapped_column(String(32))
    template: Mapped[str | None] = mapped_column(String(32))
    task_id: Mapped[UUID | None]
    due_at: Mapped[datetime | None]
    weight: Mapped[float]
    threshold: Mapped[float]
    signals: Mapped[list[Any]]
    odds: Mapped[dict[str, Any] | None]
    helps: Mapped[str | None] = mapped_column(String(32))

    __table_args__ = (
        UniqueConstraint("tenant_id", "event_id"),
        Index("agent_decisions_deal", "deal_id", "id"),
        Index("agent_decisions_task", "task_id"),
    )
