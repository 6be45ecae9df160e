"""What goes over the wire about documents."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class DocumentOut(BaseModel):
    """`status`: waiting until its passages are there, then ready; `error` says why it failed."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str
    kind: Literal["text", "markdown", "html", "pdf", "docx"]
    language: Literal["pt", "en"] | None
    status: Literal["waiting", "ready", "failed"]
    error: str | None
    size_bytes: int
    passages: int
    created_at: datetime


class CitationOut(BaseModel):
    """Where it is written: `passage` counts from 0, `page` from 1 where there are pages."""

    model_config = ConfigDict(from_attributes=True)

    document_id: UUID
    title: str
    passage: int
    heading: str
    page: int | None


class AnswerOut(BaseModel):
    """Word for word out of the document."""

    model_config = ConfigDict(from_attributes=True)

    text: str
    citation: CitationOut
    confidence: float


class HitOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    text: str
    citation: CitationOut
    similarity: float
    confidence: float


class SearchedOut(BaseModel):
    """`answer` is null where nothing in the documents answers; `hits` are then only what is nearest."""

    model_config = ConfigDict(from_attributes=True)

    answer: AnswerOut | None
    hits: list[HitOut]
