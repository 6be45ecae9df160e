"""Where the parts of the house run, and how far each may grow: a file in `configs/profiles` for each kind of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DeploymentPlacement(_Section):
    """What one deployment needs and how far it may grow."""

    cpus: float = Field(0.1, ge=0)
    gpus: float = Field(0, ge=0)
    accelerator: str | None = None
    min_replicas: PositiveInt = 1
    max_replicas: PositiveInt = 1
    target_ongoing: PositiveFloat = 2.0
    max_ongoing: PositiveInt = 100
    max_queued: int = 200
    batch: PositiveInt = 1
    threads: PositiveInt = 1


class Placement(_Section):
    """One profile: where everything runs."""

    ingress: DeploymentPlacement
    stt: DeploymentPlacement
    live_stt: DeploymentPlacement
    sentiment: DeploymentPlacement
    embeddings: DeploymentPlacement
    forecasting: DeploymentPlacement
    content: DeploymentPlacement
    flows: DeploymentPlacement
    tenant_hosts: DeploymentPlacement
    live_hosts: DeploymentPlacement
