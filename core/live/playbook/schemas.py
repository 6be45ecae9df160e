"""What goes over the wire about playbooks and battlecards."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from core.live.playbook.entries import EntryKind, Trigger

Language = Literal["pt", "en"]
Say = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=400)]
Example = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=200)]
Triggers = Annotated[list[Trigger], Field(min_length=1, max_length=15)]
Examples = Annotated[list[Example], Field(max_length=20)]


class EntryIn(BaseModel):
    """`say`: what the seller might say or do. `on`: what happens then. `examples`: what customers say then; a
    suggestion is the surer the nearer they are to what was said."""

    model_config = ConfigDict(extra="forbid")

    kind: EntryKind
    language: Language
    on: Triggers
    say: Say
    examples: Examples = []
    is_enabled: bool = True


class EntryChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: EntryKind | None = None
    on: Triggers | None = None
    say: Say | None = None
    examples: Examples | None = None
    is_enabled: bool | None = None


class EntryOut(EntryIn):
    model_config = ConfigDict(from_attributes=True, extra="ignore")

    id: UUID
    created_at: datetime
    changed_at: datetime


class Adopt(BaseModel):
    model_config = ConfigDict(extra="forbid")

    language: Language


class BattlecardOut(BaseModel):
    """Shown live when the name is said; `text` is what the seller reads."""

    model_config = ConfigDict(from_attributes=True)

    competitor_id: UUID
    name: str
    strengths: list[str]
    weaknesses: list[str]
    text: str
