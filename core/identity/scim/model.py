from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class ScimToken(TenantOwned, Base):
    """A bearer token of the tenant's provisioning client. Only the SHA-256 of its 256 random bits is kept."""

    __tablename__ = "scim_tokens"

    name: Mapped[str] = mapped_column(String(200))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class ScimUser(TenantOwned, Base):
    """What the provisioning client says of a user beyond our own row, which has the same id. One that is deleted there
    is suspended here; it comes back when the client creates it again."""

    __tablename__ = "scim_users"

    id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    user_name: Mapped[str] = mapped_column(String(254), info={"personal": "contact"})
    external_id: Mapped[str | None] = mapped_column(String(255), info={"personal": "identifier"})
    given_name: Mapped[str | None] = mapped_column(String(200), info={"personal": "name"})
    family_name: Mapped[str | None] = mapped_column(String(200), info={"personal": "name"})
    changed_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        Index("scim_users_user_name", "tenant_id", text("lower(user_name)"), unique=True),
        Index("scim_users_external_id", "tenant_id", "external_id"),
    )


class ScimGroup(TenantOwned, Base):
    """A group as the provisioning client names it: a team, or what the tenant's settings make of its name."""

    __tablename__ = "scim_groups"

    display_name: Mapped[str] = mapped_column(String(100))
    external_id: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    __table_args__ = (Index("scim_groups_name", "tenant_id", text("lower(display_name)"), unique=True),)


class ScimMember(TenantOwned, Base):
    __tablename__ = "scim_members"

    group_id: Mapped[UUID] = mapped_column(ForeignKey("scim_groups.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)

    __table_args__ = (UniqueConstraint("group_id", "user_id"),)
