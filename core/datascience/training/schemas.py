from __future__ import annotations

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.datascience.models.schemas import ComparisonOut, In

Status = Literal["queued", "running", "done", "failed", "cancelled"]


class TrainIn(In):
    """A model of the tenant's own, fitted on its closed deals."""

    context: Literal["forecast"] = "forecast"
    algorithm: Literal["logistic", "xgboost", "lightgbm", "lstm", "ensemble"] = Field(
        "xgboost", description="Its recipe: configs/training/<algorithm>.yaml"
    )
    tune: int = Field(0, ge=0, le=200, description="Trials of a search for better parameters; 0: the recipe's own")

    @model_validator(mode="after")
    def _has_something_to_tune(self) -> Self:
        if self.tune and self.algorithm == "ensemble":
            raise ValueError("an ensemble has nothing to tune: tune its members")
        return self


class TrainingOut(BaseModel):
    """`progress`: the share of its steps that lie behind it; `stage`: the one it is at. `attempts`: how many processes
    took it up, more than one where some died. `model_id`: the version that came of it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    context: str
    algorithm: str
    action: Literal["retrain", "recalibrate"]
    why: Literal["person", "drift"]
    version_id: UUID | None
    tune: int
    requested_by: UUID | None
    status: Status
    stage: str
    progress: float
    attempts: int
    error: str | None
    model_id: UUID | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class LineOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    at: datetime
    attempt: int
    text: str


class TrainingDetail(TrainingOut):
    """With all that happened, and what the gate said of the version that came of it. `passed`: null until then."""

    passed: bool | None
    metrics: dict[str, float]
    baseline: dict[str, float]
    verdict: list[str]
    comparisons: list[ComparisonOut]
    lines: list[LineOut]
