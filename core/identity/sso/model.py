from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class SsoProvider(TenantOwned, Base):
    """An OpenID provider that a tenant trusts. Its issuer never changes: the identities below are of that issuer."""

    __tablename__ = "sso_providers"

    slug: Mapped[str] = mapped_column(String(63))
    issuer: Mapped[str] = mapped_column(String(500))
    client_id: Mapped[str] = mapped_column(String(200))
    client_secret: Mapped[bytes | None] = mapped_column(LargeBinary)  # sealed; None: a public client
    allowed_domains: Mapped[list[str]] = mapped_column(ARRAY(String(253)))
    groups_claim: Mapped[str | None] = mapped_column(String(100))
    group_roles: Mapped[dict[str, Any]]
    creates_users: Mapped[bool]
    is_enabled: Mapped[bool]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("tenant_id", "slug"),)


class SsoIdentity(TenantOwned, Base):
    """Who somebody is at a provider: its `sub`, which unlike an e-mail address is never given to another person."""

    __tablename__ = "sso_identities"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("sso_providers.id", ondelete="CASCADE"))
    subject: Mapped[str] = mapped_column(String(255), info={"personal": "identifier"})
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("provider_id", "subject"),)


class SsoUsedState(TenantOwned, Base):
    """A sign-in that came back: its state is good for no other. Kept until the state would have expired anyway."""

    __tablename__ = "sso_used_states"

    expires_at: Mapped[datetime]


class SsoSettings(TenantOwned, Base):
    """One row a tenant. `group_roles`: which roles the groups that are provisioned by SCIM give."""

    __tablename__ = "sso_settings"

    sso_only: Mapped[bool] = mapped_column(default=False)
    default_role: Mapped[str] = mapped_column(String(32), default="SDR")
    group_roles: Mapped[dict[str, Any]] = mapped_column(default=dict)

    __table_args__ = (UniqueConstraint("tenant_id"),)
