"""What goes over the wire about rules."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from core.automation.rules.definition import Definition
from core.automation.rules.fields import Kind, Trigger

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class RuleIn(Definition):
    """A new rule. It is switched on at once unless it says otherwise."""

    is_enabled: bool = True

    def says(self) -> Definition:
        return Definition.model_validate(self.model_dump(exclude={"is_enabled"}))


class RuleOut(BaseModel):
    id: UUID
    version: int
    is_enabled: bool
    rule: Definition
    created_at: datetime
    changed_at: datetime


class VersionOut(BaseModel):
    version: int
    rule: Definition
    created_at: datetime
    created_by: UUID | None


class DoneOut(BaseModel):
    """`outcome`: done; already_open: such a task of the deal waits to be done; nobody_to_tell; nothing_to_say."""

    kind: str
    outcome: str


class FiringOut(BaseModel):
    """`seen`: what the condition asked of, by field."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    event_id: UUID
    deal_id: UUID
    call_id: UUID | None
    at: datetime
    seen: dict[str, Any]
    done: list[DoneOut]


class DryRunIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rule: Definition
    days: int = Field(30, ge=1, le=90, description="How far back")


class ExampleOut(BaseModel):
    at: datetime
    deal_id: UUID
    deal: str
    call_id: UUID | None
    seen: dict[str, Any]


class DryRunOut(BaseModel):
    """What would have been. `fires`: how often it would have acted; `capped`: kept back by `at_most`; `quiet`: put off
    to the end of the quiet hours; `differs`: the condition did not hold; `waits`: began to wait, of which `answered`
    ended with the customer's word, `closed` with the deal, and `waiting` are not over. `cut`: only the newest events
    were looked at, from `since` on."""

    since: datetime
    cut: bool
    events: int
    fires: int
    capped: int
    quiet: int
    differs: int
    waits: int
    answered: int
    closed: int
    waiting: int
    deals: int
    actions: dict[str, int] = Field(description="At most so many of each kind: what is open already is not done again")
    examples: list[ExampleOut]


class FieldOut(BaseModel):
    """`when`: known only after these; empty: always."""

    name: str
    kind: Kind
    text: str
    when: list[Trigger]


class TriggerOut(BaseModel):
    name: Trigger
    text: str


class VocabularyOut(BaseModel):
    """All that a condition may be made of."""

    triggers: list[TriggerOut]
    fields: list[FieldOut]
    operators: list[str]


class TemplateOut(BaseModel):
    key: str
    rule: Definition


class CalendarIn(BaseModel):
    """Holidays of a country and a part of it, as ISO 3166 names them; own closed days; days open all the same."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    country: Country | None = None
    subdivision: Annotated[str, StringConstraints(min_length=1, max_length=8)] | None = None
    weekend: list[Annotated[int, Field(ge=1, le=7)]] = Field([6, 7], max_length=6, description="1 is Monday")
    closed: list[date] = Field([], max_length=366)
    open: list[date] = Field([], max_length=366)


class CalendarOut(CalendarIn):
    model_config = ConfigDict(extra="ignore", from_attributes=True)


Language = Literal["pt", "en"]
