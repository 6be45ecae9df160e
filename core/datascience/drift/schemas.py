from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from core.datascience.models.schemas import ComparisonOut, In, ModelOut


class _Row(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class DriftSettingsOut(_Row):
    psi: float
    ks: float
    auc_drop: float
    brier_rise: float
    ece: float
    least_rows: int
    least_deals: int
    window_days: int
    automatic: bool


class DriftSettingsIn(In):
    """Thresholds over which something is drift. `automatic`: a training begins without anybody's word; what it makes
    still has to pass the gate."""

    psi: float | None = Field(None, gt=0, le=10, description="Population stability index of an input or the score")
    ks: float | None = Field(None, gt=0, le=1, description="Kolmogorov and Smirnov's distance")
    auc_drop: float | None = Field(None, gt=0, le=0.5)
    brier_rise: float | None = Field(None, gt=0, le=0.5)
    ece: float | None = Field(None, gt=0, le=0.5, description="Calibration error, beyond chance")
    least_rows: int | None = Field(None, ge=20, le=100_000)
    least_deals: int | None = Field(None, ge=20, le=100_000)
    window_days: int | None = Field(None, ge=7, le=730)
    automatic: bool | None = None


class ShiftOut(_Row):
    psi: float
    psi_by_chance: float
    ks: float
    ks_p: float
    missing: float
    missing_before: float
    rows: int


class RealisedOut(_Row):
    """How good the version was on deals that closed since. `auc_high` and `brier_low`: ends of 90 % intervals."""

    rows: int
    deals: int
    metrics: dict[str, float]
    auc_high: float
    brier_low: float
    ece_by_chance: float


class FindingOut(BaseModel):
    kind: str
    feature: str | None
    value: float
    limit: float
    text: str


class DriftReportOut(BaseModel):
    id: UUID
    version_id: UUID
    name: str
    version: int
    at: datetime
    since: datetime
    deals: int
    inputs: dict[str, ShiftOut]
    score: ShiftOut | None
    quality: RealisedOut | None
    findings: list[FindingOut]


class ProposalOut(BaseModel):
    """`status`: open | accepted | dismissed | automatic | done | failed."""

    id: UUID
    report_id: UUID
    version_id: UUID
    action: str
    text: str
    status: str
    at: datetime
    decided_at: datetime | None
    decided_by: UUID | None


class DriftOut(BaseModel):
    """The newest report of each version that answers, and what waits for somebody's word."""

    reports: list[DriftReportOut]
    proposals: list[ProposalOut]


class StandingOut(_Row):
    """`better`: how much the challenger's Brier score was better on average (with split traffic: times the smaller
    share), within `low` to `high`, which holds at all times. `for_*`: the wealth of who bet on it; 2/alpha wins."""

    outcomes: int
    better: float
    low: float
    high: float
    for_challenger: float
    for_champion: float
    winner: str | None
    decided_at: int | None


class LiveOut(BaseModel):
    champion: ModelOut
    challenger: ModelOut
    since: datetime
    standing: StandingOut
    comparisons: list[ComparisonOut]
    verdict: str


class ScoreOut(_Row):
    """What was told of a deal at one moment."""

    at: datetime
    probability: float
    basis: str
    model: str
    version: str
    role: str
    source: str


class WeekOut(BaseModel):
    """A version's answers in a week from Monday: their mean and the 10th, 50th and 90th percentile; how many of these
    deals are closed by now, and how many came as predicted."""

    week: date
    answers: int
    deals: int
    mean: float
    low: float
    middle: float
    high: float
    closed: int
    came: int


def given(body: DriftSettingsIn) -> dict[str, Any]:
    return body.model_dump(exclude_none=True)
