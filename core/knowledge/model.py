from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, REAL, Computed, ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class Document(TenantOwned, Base):
    """`status`: waiting, ready or failed. The file itself, `content`, is kept until it was read."""

    __tablename__ = "knowledge_documents"

    title: Mapped[str] = mapped_column(info={"personal": "name"})
    kind: Mapped[str] = mapped_column(String(16))
    language: Mapped[str | None] = mapped_column(String(2))
    status: Mapped[str] = mapped_column(String(16))
    error: Mapped[str | None] = mapped_column(String(300))
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    content_hash: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int]
    passages: Mapped[int]
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("tenant_id", "content_hash"),)


class StoredPassage(TenantOwned, Base):
    """`vector`: of heading and text, unit length; a trigger takes it away where the text is changed, so that no vector
    outlives its words. `words`: the text for PostgreSQL's full text search, in its language."""

    __tablename__ = "knowledge_passages"

    document_id: Mapped[UUID] = mapped_column(ForeignKey("knowledge_documents.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    language: Mapped[str] = mapped_column(String(2))
    heading: Mapped[str] = mapped_column(info={"personal": "name"})
    page: Mapped[int | None]
    text: Mapped[str] = mapped_column(info={"personal": "name"})
    vector: Mapped[list[float] | None] = mapped_column(ARRAY(REAL))
    words: Mapped[Any] = mapped_column(
        TSVECTOR,
        Computed(
            "to_tsvector(CASE language WHEN 'pt' THEN 'portuguese'::regconfig ELSE 'english'::regconfig END, "
            "(heading || ' ' || text))",
            persisted=True,
        ),
    )

    __table_args__ = (UniqueConstraint("document_id", "number"),)
