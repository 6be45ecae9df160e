from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class Rule(TenantOwned, Base):
    """`version`: the number of its newest, which is the one that counts."""

    __tablename__ = "rules"

    trigger: Mapped[str] = mapped_column(String(32))
    version: Mapped[int]
    is_enabled: Mapped[bool]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    __table_args__ = (Index("rules_enabled", "tenant_id", "is_enabled", "trigger"),)


class RuleVersion(TenantOwned, Base):
    """What a rule said, as in `core.automation.rules.definition.Definition`; never changed."""

    __tablename__ = "rule_versions"

    rule_id: Mapped[UUID] = mapped_column(ForeignKey("rules.id"))
    version: Mapped[int]
    definition: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]

    __table_args__ = (UniqueConstraint("rule_id", "version"),)


class RuleWait(TenantOwned, Base):
    """A rule that goes on with a deal at a time, unless the customer answers before (`until_answered`). `moment`: what
    set it off, as in `core.automation.rules.facts.Moment`."""

    __tablename__ = "rule_waits"

    rule_id: Mapped[UUID] = mapped_column(ForeignKey("rules.id"))
    deal_id: Mapped[UUID] = mapped_column(ForeignKey("deals.id"))
    moment: Mapped[dict[str, Any]]
    due_at: Mapped[datetime]
    until_answered: Mapped[bool]

    __table_args__ = (UniqueConstraint("rule_id", "deal_id"), Index("rule_waits_deal", "deal_id"))


class RuleFiring(TenantOwned, Base):
    """A rule that did something: which version, because of which event, what it saw, and what came of each action."""

    __tablename__ = "rule_firings"

    rule_id: Mapped[UUID] = mapped_column(ForeignKey("rules.id"))
    version: Mapped[int]
    event_id: Mapped[UUID]
    deal_id: Mapped[UUID] = mapped_column(ForeignKey("deals.id"))
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("calls.id"))
    at: Mapped[datetime]
    seen: Mapped[dict[str, Any]] = mapped_column(info={"personal": "opinion"})
    done: Mapped[list[Any]]

    __table_args__ = (
        UniqueConstraint("tenant_id", "rule_id", "event_id"),
        Index("rule_firings_recent", "rule_id", "at"),
        Index("rule_firings_deal", "deal_id"),
    )


class WorkCalendar(Base):
    """A company's working days; without a row they are those of the country of its locale. Days as ISO dates."""

    __tablename__ = "work_calendars"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    country: Mapped[str | None] = mapped_column(String(2))
    subdivision: Mapped[str | None] = mapped_column(String(8))
    weekend: Mapped[list[Any]]
    closed: Mapped[list[Any]]
    open: Mapped[list[Any]]
