from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned
from core.kit.ids import new_id


class Tenant(Base):
    """One customer company. Its own `id` is what row-level security compares."""

    __tablename__ = "tenants"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200))
    slug: Mapped[str] = mapped_column(String(63), unique=True)
    plan: Mapped[str] = mapped_column(String(16), default="STARTER")
    locale: Mapped[str] = mapped_column(String(8), default="pt-BR")
    time_zone: Mapped[str] = mapped_column(String(64), default="America/Sao_Paulo")
    currency: Mapped[str] = mapped_column(String(3), default="BRL")
    limits: Mapped[dict[str, Any]] = mapped_column(default=dict)
    autonomy: Mapped[str] = mapped_column(String(16), default="approve")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    suspended_at: Mapped[datetime | None]  # by the operator: nobody comes in until it is empty again


class User(TenantOwned, Base):
    __tablename__ = "users"

    email: Mapped[str] = mapped_column(String(254), info={"personal": "contact"})
    name: Mapped[str] = mapped_column(String(200), info={"personal": "name"})
    avatar_url: Mapped[str | None] = mapped_column(String(2000), info={"personal": "image"})
    password_hash: Mapped[str | None] = mapped_column(String(200))
    roles: Mapped[list[str]] = mapped_column(ARRAY(String(32)))
    team: Mapped[str | None] = mapped_column(String(100))
    region: Mapped[str | None] = mapped_column(String(100))
    is_active: Mapped[bool] = mapped_column(default=True)
    is_sso: Mapped[bool] = mapped_column(default=False)
    last_login_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("users_email", "tenant_id", text("lower(email)"), unique=True),)
