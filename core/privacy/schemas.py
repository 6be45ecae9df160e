from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, EmailStr, Field, StringConstraints, model_validator

from core.tenants.schemas import In

Purpose = Literal["recording", "analysis", "marketing"]
Basis = Literal["consent", "contract", "legitimate_interest", "legal_obligation"]
PURPOSES: tuple[Purpose, ...] = ("recording", "analysis", "marketing")

Evidence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Days = Annotated[int, Field(ge=1, le=36_500)]


class ConsentIn(In):
    purpose: Purpose
    basis: Basis = "consent"
    evidence: Evidence = Field(description="Where it is known from: a form, a recording, a clause of a contract")
    given_at: AwareDatetime | None = Field(None, description="Now, where left out")


class WithdrawalIn(In):
    purpose: Purpose
    evidence: Evidence | None = None


class ConsentOut(BaseModel):
    """One line of the history. `withdrawn_at` is set on the line that withdraws."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    contact_id: UUID
    purpose: Purpose
    basis: Basis
    given_at: datetime | None
    withdrawn_at: datetime | None
    evidence: str | None
    recorded_by: UUID | None
    recorded_at: datetime


class Standing(BaseModel):
    """What holds for one purpose now. `erased_before`: somebody with this e-mail address asked to be forgotten."""

    purpose: Purpose
    allowed: bool
    basis: Basis | None
    stated_by: Literal["contact", "tenant"]
    erased_before: bool


class Bases(In):
    """What holds for contacts of whom nothing is recorded. `consent`: nothing, until it is given."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    recording_basis: Basis
    analysis_basis: Basis
    marketing_basis: Basis


class Retention(In):
    """How many days things are kept, counted from when they came in; null: for ever.

    `transcript_days` is for mood and insights as well, `contact_days` for contacts without deals, `prediction_days` for
    the log of predictions."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    audio_days: Days | None
    transcript_days: Days | None
    draft_days: Days | None
    contact_days: Days | None
    prediction_days: Days | None = 730


class Who(In):
    """The person: by any of these, or by several that are one person."""

    contact_id: UUID | None = None
    user_id: UUID | None = None
    email: EmailStr | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.contact_id is None and self.user_id is None and self.email is None:
            raise ValueError("name the person by `contact_id`, `user_id` or `email`")
        return self


class ErasureIn(Who):
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class RequestOut(BaseModel):
    """`counts`: how many rows of each table were copied or erased, and `audio` for recordings."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    status: Literal["waiting", "done", "failed", "expired"]
    contact_id: UUID | None
    user_id: UUID | None
    reason: str | None
    counts: dict[str, int]
    requested_by: UUID | None
    created_at: datetime
    done_at: datetime | None
    expires_at: datetime | None
