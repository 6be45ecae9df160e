from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class AgentDecision(TenantOwned, Base):
    """What the agent made of one event. `cause`: the event's type, or what a timer watched for. `verdict`: acted |
    waited | withdrew, and `why` for the last two. `signals`: all that spoke for acting, which weighed `weight` against
    a `threshold`. `odds`: what the prediction engine said, null where it was not asked. `helps`: the counterfactual
    that gave the kind.

    Of what is learned: `usual` is the template in whose place `template` was chosen, `hour` the chosen hour of the
    company's day. `said`: approved | edited | dismissed, by a person. `sent_at`: it went out to the customer, who has
    `answered` or not; null as long as he still may.
    """

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
    usual: Mapped[str | None] = mapped_column(String(32))
    hour: Mapped[int | None] = mapped_column(SmallInteger)
    said: Mapped[str | None] = mapped_column(String(16))
    sent_at: Mapped[datetime | None]
    answered: Mapped[bool | None]

    __table_args__ = (
        UniqueConstraint("tenant_id", "event_id"),
        Index("agent_decisions_deal", "deal_id", "id"),
        Index("agent_decisions_task", "task_id"),
    )


class AgentArm(TenantOwned, Base):
    """How well one arm of the agent's bandit did: what spoke for it, and against it."""

    __tablename__ = "agent_arms"

    dimension: Mapped[str] = mapped_column(String(16))
    context: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(32))
    won: Mapped[float]
    lost: Mapped[float]

    __table_args__ = (UniqueConstraint("tenant_id", "dimension", "context", "name"),)
