from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, EmailStr, Field, StringConstraints, field_validator

from core.deals.rules import Stage
from core.kit.money import CURRENCIES

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
Cents = Annotated[int, Field(ge=0, le=10**15)]


class In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class AccountIn(In):
    name: Name
    segment: Label | None = None
    region: Label | None = None


class AccountOut(Out):
    id: UUID
    name: str
    segment: str | None
    region: str | None
    created_at: datetime


class ContactIn(In):
    account_id: UUID
    name: Name
    email: EmailStr | None = None
    phone: Annotated[str, StringConstraints(pattern=r"^\+?[0-9 ().-]{5,30}$")] | None = None
    role: Label | None = None
    language: Literal["pt", "en"] = "pt"


class ContactOut(Out):
    id: UUID
    account_id: UUID
    name: str
    email: str | None
    phone: str | None
    role: str | None
    language: str
    created_at: datetime


class DealFields(In):
    """What a deal may carry; times without a zone are refused."""

    contact_id: UUID | None = None
    owner_id: UUID | None = None
    team: Label | None = None
    segment: Label | None = None
    region: Label | None = None
    source: Label | None = None
    products: Annotated[list[Label], Field(max_length=50)] | None = None
    crm_id: Label | None = None
    expected_close_on: date | None = None


class DealIn(DealFields):
    account_id: UUID
    name: Name
    value_cents: Cents
    currency: str | None = Field(None, description="ISO 4217; the tenant's own where left out")
    stage: Stage = "prospecting"
    opened_at: AwareDatetime | None = None

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, value: str | None) -> str | None:
        if value is not None and value not in CURRENCIES:
            raise ValueError(f"one of {', '.join(sorted(CURRENCIES))}")
        return value


class DealChangeIn(DealFields):
    """Only the fields that are sent are changed."""

    name: Name | None = None
    value_cents: Cents | None = None
    stage: Stage | None = None


class DealOut(Out):
    id: UUID
    account_id: UUID
    contact_id: UUID | None
    owner_id: UUID | None
    name: str
    value_cents: int
    currency: str
    stage: str
    team: str | None
    segment: str | None
    region: str | None
    source: str | None
    products: list[Any]
    crm_id: str | None
    opened_at: datetime
    expected_close_on: date | None
    closed_at: datetime | None
    outcome: str | None


class ChangeOut(Out):
    at: datetime
    field: str
    before: Any
    after: Any
    user_id: UUID | None

    @field_validator("before", "after", mode="before")
    @classmethod
    def _unwrap(cls, value: list[Any]) -> Any:
        return value[0]


class ActivityIn(In):
    kind: Literal["email", "meeting", "note"] = Field(description="Calls come by uploading them")
    direction: Literal["in", "out"]
    at: AwareDatetime | None = None


class ActivityOut(Out):
    id: UUID
    kind: str
    direction: str
    at: datetime
    call_id: UUID | None
    sentiment: float | None
    objections: int
    unanswered_objections: int
    competitors: int
    buying_signals: int
    has_next_step: bool
