from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, String, desc
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class FeatureRow(TenantOwned, Base):
    """The values of one set of one entity at one moment; never changed. A correction is another row of that moment.

    `event_at`: when it was so. `written_at`: when it was written here. `known_at`: from when on it could be known,
    which is its writing; of a backfill, that looks at nothing recorded later, the moment itself. `cause`: the event
    that it follows from; `module` and `code`: what computed it.
    """

    __tablename__ = "feature_rows"

    entity: Mapped[str] = mapped_column(String(8))
    entity_id: Mapped[UUID]
    feature_set: Mapped[str] = mapped_column(String(64))
    version: Mapped[int]
    event_at: Mapped[datetime]
    written_at: Mapped[datetime]
    known_at: Mapped[datetime]
    cause: Mapped[UUID | None]
    cause_type: Mapped[str] = mapped_column(String(64))
    module: Mapped[str] = mapped_column(String(100))
    code: Mapped[str] = mapped_column(String(32))
    values: Mapped[dict[str, Any]] = mapped_column(info={"personal": "features"})

    __table_args__ = (
        Index(
            "feature_rows_newest", "tenant_id", "entity_id", "feature_set", "version", desc("event_at"),
            desc("written_at"), desc("id"),
        ),
        Index("feature_rows_month", "tenant_id", "feature_set", "event_at"),
    )  # fmt: skip
