"""What goes over the wire about sessions, by HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

Status = Literal["running", "ended"]


class SessionOut(BaseModel):
    """A live session. Once it has ended, `call_id` is the recorded call that it became, or `error` says why there is
    none; `metrics` are the last that the socket told."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    deal_id: UUID | None
    owner_id: UUID
    call_id: UUID | None
    status: Status
    reason: str | None
    language: str
    channels: int
    duration_s: float
    metrics: dict[str, Any]
    error: str | None
    started_at: datetime
    ended_at: datetime | None


class FeedbackIn(BaseModel):
    """A verdict, a rating, or both."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["accepted", "dismissed"] | None = None
    rating: int | None = Field(None, ge=1, le=5)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.verdict is None and self.rating is None:
            raise ValueError("send `verdict`, `rating`, or both")
        return self
