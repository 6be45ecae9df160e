"""How trainings are looked after, and what a version has to hold to be promoted."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingSettings(_Section):
    lease_s: PositiveFloat = Field(60.0, description="Who gives no sign of life for so long is followed by another")
    most_attempts: PositiveInt = Field(3, description="Processes that may die before a training is given up")
    cpus: float = Field(0.1, ge=0, description="Of each training's process, as a promise to Ray's scheduler")


class GateSettings(_Section):
    """What the gate asks of a version beside enough deals (`core/datascience/models/gate.py`)."""

    alpha: float = Field(0.05, gt=0, lt=0.5, description="Chance of letting one pass that is no better")
    most_ece: float = Field(0.05, gt=0, lt=1, description="Calibration error above what chance shows")
    most_p95_ms: PositiveFloat = Field(50.0, description="Of one answer with its reasons")
    most_memory_mib: PositiveFloat = Field(256.0, description="What the loaded model adds to a process")
