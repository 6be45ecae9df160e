from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Words = Annotated[str, StringConstraints(min_length=1, max_length=60)]


class In(BaseModel):
    """A body that somebody sends: fields that we do not know are refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class ModelOut(BaseModel):
    """One version. `scope`: a tenant's id, `segment-<name>` or `global`. `passed`: the gate's verdict, null until it
    was asked. `share`: of a challenger, the part of the deals that it answers; 0 is shadow."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    version: int
    context: str
    scope: str
    algorithm: str
    status: str
    alias: str | None
    share: float
    passed: bool | None
    deals: int
    metrics: dict[str, float]
    fingerprint: str
    created_at: datetime
    promoted_at: datetime | None


class InputOut(BaseModel):
    """A feature, and the range of values that the version is valid for. The range of a model for all tenants is not
    told: its ends are somebody's deals."""

    name: str
    low: float | None
    high: float | None
    may_be_missing: bool


class ChangeOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    action: str
    other: UUID | None
    user_id: UUID | None
    at: datetime


class ComparisonOut(BaseModel):
    """`better`: by how much `a` is better than `b` in this measure, whatever its direction, with a 90 % interval. `p`:
    one-sided, how often so much would be seen if `a` were no better."""

    model_config = ConfigDict(from_attributes=True)

    measure: str
    a: float
    b: float
    better: float
    low: float
    high: float
    p: float
    rows: int
    deals: int


class ModelDetail(ModelOut):
    """With everything that is known of it. `verdict`: the gate's, in words; `comparisons`: with the champion it met."""

    run_id: str
    code: str
    learnt_until: datetime | None
    baseline: dict[str, float]
    parameters: dict[str, Any]
    inputs: list[InputOut]
    leaks: list[str]
    replaced: UUID | None
    verdict: list[str]
    comparisons: list[ComparisonOut]
    changes: list[ChangeOut]


class ImportanceOut(BaseModel):
    """How much a feature moves the odds on average: mean absolute share in the log-odds, and its part of all."""

    feature: str
    impact: float
    share: float


class PromoteIn(In):
    force: bool = Field(False, description="Although the gate did not let it pass; the trail says so")


class RollbackOut(BaseModel):
    """Who answers now; null where there was no champion before, so that the next wider scope answers."""

    champion: ModelOut | None


class ChallengeIn(In):
    share: float = Field(0.0, ge=0, le=0.5, description="Of the deals that it answers; 0: in the shadow")


class CompareIn(In):
    a: UUID
    b: UUID
    alpha: float = Field(0.05, gt=0, lt=0.5)


class CompareOut(BaseModel):
    """Two versions on the rows that both held out. `better`: a | b | null where nothing is proven."""

    a: ModelOut
    b: ModelOut
    rows: int
    deals: int
    quality_a: dict[str, float]
    quality_b: dict[str, float]
    comparisons: list[ComparisonOut]
    better: str | None
    verdict: str
