"""What goes over the wire of `/v1/insights/predict`, `/explain`, `/logs` and `/stream`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, model_validator

from core.datascience.models.bundle import Context
from core.tenants.schemas import In

MOST_ROWS = 500
MOST_REASONS = 100
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Language = Literal["pt", "en"]


class RowIn(In):
    """A deal as it stands now, or features by name (null: unknown) with the segment of the customer."""

    model_config = ConfigDict(extra="forbid")

    deal_id: UUID | None = None
    features: dict[Name, FiniteFloat | None] | None = Field(None, min_length=1, max_length=500)
    segment: Annotated[str, StringConstraints(max_length=64)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.deal_id is None) == (self.features is None):
            raise ValueError("give either `deal_id` or `features`")
        return self


class PredictIn(In):
    model_config = ConfigDict(extra="forbid")

    context: Context = "forecast"
    rows: list[RowIn] = Field(min_length=1, max_length=MOST_ROWS)
    reasons: int = Field(6, ge=0, le=MOST_REASONS, description="How many reasons each answer shows")
    what_if: bool = Field(False, description="Also say what could be done about it")
    language: Language | None = Field(None, description="Of reasons and advice; the tenant's own, where left out")


class ExplainIn(RowIn):
    context: Context = "forecast"
    language: Language | None = Field(None, description="Of the reasons; the tenant's own, where left out")


class ReasonOut(BaseModel):
    """`impact` in log-odds: above 0 speaks for it."""

    feature: str
    value: float | None
    impact: float
    text: str


class WhatIfOut(BaseModel):
    """`change`: what doing it adds to the probability."""

    action: str
    probability: float
    change: float
    text: str


class PredictionOut(BaseModel):
    """Intervals are 90 %. `basis` says what the answer rests on: a model of the `tenant`, the `segment` or all
    (`global`), else `base_rate` or `rule`. `outside` names features beyond what the model was fitted on: there it
    guesses. `amount` is what the deal will be worth if it is won, as a share of what it is said to be worth."""

    deal_id: UUID | None
    context: str
    probability: float
    low: float
    high: float
    days_to_close: float
    days_low: float
    days_high: float
    expected_close_on: date
    amount: float
    amount_low: float
    amount_high: float
    basis: str
    basis_text: str
    model: str
    version: str
    outside: list[str]
    reasons: list[ReasonOut]
    what_ifs: list[WhatIfOut]


class PredictionsOut(BaseModel):
    predictions: list[PredictionOut]


class ExplanationOut(PredictionOut):
    """With all reasons, and the exact input. Reasons add up to `log_odds` from `base_log_odds`, which is what the model
    says of nobody in particular; null where no model answered."""

    input: dict[str, float | None]
    log_odds: float
    base_log_odds: float | None


class LogOut(BaseModel):
    """One answer of the engine. `role`: who gave it (`shadow`: nobody saw it). `latency_ms`: of one row."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    at: datetime
    context: str
    deal_id: UUID | None
    source: str
    role: str
    basis: str
    model: str
    version: str
    probability: float
    input: dict[str, Any]
    output: dict[str, Any]
    outside: list[str]
    latency_ms: float


class StreamIn(PredictIn):
    """One message of `/v1/insights/stream`; `id` comes back with the answer."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=64)]
