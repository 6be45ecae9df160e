from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints

Status = Literal["uploaded", "transcribed", "analyzed", "ready", "failed", "stored", "erased"]
STAGES: tuple[Status, ...] = ("uploaded", "transcribed", "analyzed", "ready")


class Participant(BaseModel):
    """Somebody on the call."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    side: Literal["seller", "customer"]
    email: EmailStr | None = None


class Progress(BaseModel):
    """What is being done just now, and which share of it is done, from 0 to 1."""

    stage: str
    share: float


class CallOut(BaseModel):
    """A call. `status` rises from `uploaded` over `transcribed` and `analyzed` to `ready`, or ends as `failed`.

    `stored`: kept and not analysed, for want of a legal basis; `error` says of whom. It goes on once there is one.
    `erased`: somebody on it asked to be forgotten."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    deal_id: UUID | None
    owner_id: UUID
    title: str | None
    status: Status
    progress: Progress | None = None
    language: str | None
    region: str | None
    participants: list[Participant]
    duration_s: float
    channels: int
    codec: str
    size_bytes: int
    error: str | None
    started_at: datetime
    created_at: datetime


class TranscriptOut(BaseModel):
    call_id: UUID
    language: str
    language_confidence: float
    engine: str
    turns: list[dict[str, Any]] = Field(description="speaker, start_s, end_s, text, words, confidence")
