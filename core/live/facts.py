"""What a session was opened with: all that whoever holds it must know."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from core.calls.schemas import Participant
from core.live.audio_in import Format
from core.ports import Side


class Facts(BaseModel):
    """Goes to the store as JSON."""

    model_config = ConfigDict(frozen=True)

    session: UUID
    tenant_id: UUID
    owner_id: UUID
    deal_id: UUID | None
    language: str
    encoding: str
    sample_rate_hz: int
    channels: tuple[Side, ...]
    title: str | None
    participants: tuple[Participant, ...]
    started_at: datetime

    @property
    def form(self) -> Format:
        return Format("opus" if self.encoding == "opus" else "pcm16", self.sample_rate_hz, len(self.channels))

    @property
    def customer_emails(self) -> list[str]:
        return [str(p.email).lower() for p in self.participants if p.email and p.side == "customer"]
