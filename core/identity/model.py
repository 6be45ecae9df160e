from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class Session(TenantOwned, Base):
    """One log-in on one device, until it expires or is revoked. All refresh tokens that came of it are its family."""

    __tablename__ = "sessions"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    method: Mapped[str] = mapped_column(String(16))  # password | sso | signup | invitation
    address: Mapped[str | None] = mapped_column(String(45), info={"personal": "address"})
    user_agent: Mapped[str | None] = mapped_column(String(300), info={"personal": "device"})
    place: Mapped[str | None] = mapped_column(String(100), info={"personal": "location"})
    latitude: Mapped[float | None] = mapped_column(info={"personal": "location"})
    longitude: Mapped[float | None] = mapped_column(info={"personal": "location"})
    created_at: Mapped[datetime]
    authenticated_at: Mapped[datetime]  # when the person last proved to be there
    last_used_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_why: Mapped[str | None] = mapped_column(String(32))


class RefreshToken(TenantOwned, Base):
    """Good for one exchange. Only the SHA-256 of its secret is kept: the secret is 256 random bits."""

    __tablename__ = "refresh_tokens"

    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    secret_hash: Mapped[bytes]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
