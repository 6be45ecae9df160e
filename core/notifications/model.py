from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class Notification(TenantOwned, Base):
    """One thing for one person. `seq` rises in the order of commits within a tenant, so a reader who has seen one has
    seen all before it. `text` is what somebody wrote; all other words follow from kind and data."""

    __tablename__ = "notifications"

    seq: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(String(48))
    subject: Mapped[UUID]
    deal_id: Mapped[UUID | None]
    data: Mapped[dict[str, Any]]
    text: Mapped[str | None] = mapped_column(String(1000), info={"personal": "content"})
    key: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("tenant_id", "user_id", "key"),
        Index("notifications_of_user", "user_id", "seq"),
        Index("notifications_of_tenant", "tenant_id", "seq"),
    )


class NotificationSettings(TenantOwned, Base):
    """How one user (`id`) wants to be told: which kinds not at all, by which ways, when not, or once a day."""

    __tablename__ = "notification_settings"

    id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    muted: Mapped[list[Any]] = mapped_column(default=list)
    ways: Mapped[list[Any]] = mapped_column(default=list)  # email | slack | push
    quiet_from: Mapped[str | None] = mapped_column(String(5))  # "22:00" in the tenant's time zone
    quiet_until: Mapped[str | None] = mapped_column(String(5))
    digest_at: Mapped[str | None] = mapped_column(String(5))  # once a day instead of as it happens


class PushSubscription(TenantOwned, Base):
    """A browser that takes Web Push (RFC 8030): its address, and the keys that it reads with (RFC 8291)."""

    __tablename__ = "push_subscriptions"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    endpoint: Mapped[str] = mapped_column(String(2000), info={"personal": "identifier"})
    p256dh: Mapped[str] = mapped_column(String(120))
    auth: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("tenant_id", "user_id", "endpoint"),)


class SlackHook(TenantOwned, Base):
    """Where the tenant's notifications go in Slack; the address lets anybody write there, so it is sealed."""

    __tablename__ = "slack_hooks"

    url_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("tenant_id"),)
