from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class Invitation(TenantOwned, Base):
    """Its token is computed from the installation's secret and `sent_count`, so that none is stored and each sending
    ends the one before."""

    __tablename__ = "invitations"

    email: Mapped[str] = mapped_column(String(254), info={"personal": "contact"})
    roles: Mapped[list[str]] = mapped_column(ARRAY(String(32)))
    team: Mapped[str | None] = mapped_column(String(100))
    region: Mapped[str | None] = mapped_column(String(100))
    invited_by: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    sent_count: Mapped[int]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "invitations_pending", "tenant_id", text("lower(email)"), unique=True,
            postgresql_where=text("accepted_at IS NULL AND revoked_at IS NULL"),
        ),
    )  # fmt: skip
