"""What each event carries. A new type of event is a line in `EventType` and a class here; how its data may change is
told in `core/kit/schemas.py`. All of it is published at `/asyncapi.json`.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from core.kit.events import EventType
from core.kit.schemas import Data, Schemas

FACTS = Schemas()
Share = Annotated[float, Field(ge=0, le=1)]


# ── tenants and people ───────────────────────────────────────────────────────────────────────────────────────────────


@FACTS.of(EventType.TENANT_CREATED)
class TenantCreated(Data):
    """A company signed up. `subject`: the tenant."""


@FACTS.of(EventType.SIGN_IN_ANOMALY)
class SignInAnomaly(Data):
    """Somebody logged in from a device or network that is new to him, or from where he cannot have got to since he was
    seen last. `subject`: the session."""

    user_id: UUID
    kind: Literal["new_device", "impossible_travel"] = "new_device"
    distance_km: int | None = Field(None, description="Of impossible travel, from where he was seen last")


@FACTS.of(EventType.INVITATION_SENT)
class InvitationSent(Data):
    """Somebody is invited, or reminded. `subject`: the invitation."""

    sent_count: int = Field(ge=1, description="Only the newest sending counts")


@FACTS.of(EventType.PASSWORD_RESET_ASKED)
class PasswordResetAsked(Data):
    """Somebody forgot his password. `subject`: the user."""


@FACTS.of(EventType.PASSWORD_CHANGED)
class PasswordChanged(Data):
    """Somebody has another password now. `subject`: the user."""


# ── deals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@FACTS.of(EventType.DEAL_CREATED)
class DealCreated(Data):
    """A deal was opened. `subject`: the deal."""


@FACTS.of(EventType.DEAL_CHANGED)
class DealChanged(Data):
    """Fields of a deal, or what was done about it, changed. `subject`: the deal."""

    fields: list[str] = Field(description="Names of what changed; `activities` where something was done")
    kind: str | None = Field(None, description="Of the activity")
    direction: Literal["in", "out"] | None = Field(None, description="Of the activity")


@FACTS.of(EventType.FORECAST_CHANGED)
class ForecastChanged(Data):
    """The odds of a deal were predicted anew. `subject`: the deal."""

    forecast_id: UUID
    cause: UUID = Field(description="The event because of which they were")
    cause_type: str
    probability: Share
    before: Share | None = None
    call_id: UUID | None = None


@FACTS.of(EventType.HEALTH_TURNED)
class HealthTurned(Data):
    """A figure of a group's pipeline health is bad now and was not, or the other way round. `subject`: the tenant."""

    dimension: Literal["all", "team"]
    key: str = Field(description="The team; empty for all deals")
    currency: str
    figure: Literal["stalled_share", "overdue_share", "velocity_cents", "coverage"]
    level: Literal["good", "bad"]
    value: float


@FACTS.of(EventType.FORECAST_OVERRIDDEN)
class ForecastOverridden(Data):
    """A person gave a number of his own for a group and month, or took it back. `subject`: the override."""

    dimension: Literal["all", "seller", "team", "segment", "region"]
    month: str = Field(description="As 2026-11")
    version: int = Field(ge=1)


@FACTS.of(EventType.FORECAST_SNAPSHOT_ASKED)
class ForecastSnapshotAsked(Data):
    """Somebody wants to keep what is told now. `subject`: the snapshot that comes of it."""


@FACTS.of(EventType.PREDICTION_REQUESTED)
class PredictionRequested(Data):
    """Somebody wants to know the odds of deals, or of one row of features. `subject`: the request."""

    context: Literal["forecast", "followup", "simulation", "risk"] = "forecast"
    deal_ids: list[UUID] = Field([], max_length=500)
    features: dict[str, float | None] | None = Field(None, description="By name; null: unknown")
    segment: str | None = None


class PredictionData(Data):
    """One answer. `basis`: tenant | segment | global | base_rate | rule."""

    deal_id: UUID | None
    probability: Share
    low: Share
    high: Share
    basis: str
    model: str
    version: str


@FACTS.of(EventType.PREDICTION_MADE)
class PredictionMade(Data):
    """The answer to a request, in its order. `subject`: the request."""

    context: str
    predictions: list[PredictionData]


# ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@FACTS.of(EventType.CALL_UPLOADED)
class CallUploaded(Data):
    """A recording came in, or may be analysed now. `subject`: the call, as in all that follow."""


@FACTS.of(EventType.CALL_TRANSCRIBED)
class CallTranscribed(Data):
    """It is known who said what, and when."""


@FACTS.of(EventType.CALL_ANALYZED)
class CallAnalyzed(Data):
    """It is known how each turn sounds."""


@FACTS.of(EventType.INSIGHTS_READY)
class InsightsReady(Data):
    """It is known what the call showed."""

    call_id: UUID
    deal_id: UUID | None


@FACTS.of(EventType.CALL_FAILED)
class CallFailed(Data):
    """A stage of the call was given up."""


# ── models ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@FACTS.of(EventType.DRIFT_FOUND)
class DriftFound(Data):
    """Something about a model is over the tenant's limits. `subject`: the report."""

    version_id: UUID
    proposal_id: UUID
    action: Literal["retrain", "recalibrate"]
    automatic: bool = Field(description="The training was started without anybody's word")
    kinds: list[str] = Field(description="input, score, auc, brier, ece")


@FACTS.of(EventType.TRAINING_REQUESTED)
class TrainingRequested(Data):
    """A model of the tenant's own shall be trained. `subject`: the training."""

    context: str
    algorithm: str | None = None
    action: Literal["retrain", "recalibrate"] = "retrain"
    why: Literal["drift", "person"] = "person"
    version_id: UUID | None = Field(None, description="The version because of which, where there is one")


@FACTS.of(EventType.TRAINING_FINISHED)
class TrainingFinished(Data):
    """A training is over. `subject`: the training."""

    context: str
    algorithm: str
    status: Literal["done", "failed", "cancelled"]
    model_id: UUID | None = Field(None, description="The version that came of it")
    passed: bool | None = Field(None, description="The gate's verdict on it")


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@FACTS.of(EventType.TIMER_DUE)
class TimerDue(Data):
    """A time came that something was to wait for. `subject`: what it is about."""

    kind: str = Field(description="What waited: each has its reaction in `core/flows.py`")
    key: str
    due_at: str = Field(description="ISO 8601, UTC")


# ── tasks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@FACTS.of(EventType.TASK_CREATED)
class TaskCreated(Data):
    """The tenant's agent proposes to do something. `subject`: the task."""

    deal_id: UUID
    kind: str


@FACTS.of(EventType.TASK_DECIDED)
class TaskDecided(Data):
    """A person said yes or no to it. `subject`: the task."""

    deal_id: UUID
    kind: str
    verdict: Literal["approved", "dismissed"]
    edited: bool = Field(False, description="Its text was changed before")


@FACTS.of(EventType.TASK_FINISHED)
class TaskFinished(Data):
    """It was carried out, or given up. `subject`: the task."""

    deal_id: UUID
    kind: str
    status: Literal["done", "failed"]


@FACTS.of(EventType.TASK_WITHDRAWN)
class TaskWithdrawn(Data):
    """It is not to be done any more, before anybody did it. `subject`: the task."""

    deal_id: UUID
    kind: str
    because: Literal["customer_answered", "deal_closed"]


# ── knowledge ────────────────────────────────────────────────────────────────────────────────────────────────────────


@FACTS.of(EventType.DOCUMENT_ADDED)
class DocumentAdded(Data):
    """A document waits to be read. `subject`: the document."""


# ── privacy ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@FACTS.of(EventType.CONSENT_GIVEN)
class ConsentGiven(Data):
    """There is a legal basis for a purpose. `subject`: the contact, or the tenant where it holds for all."""

    purpose: Literal["recording", "analysis", "marketing"]
    of: Literal["tenant"] | None = None


@FACTS.of(EventType.EXPORT_REQUESTED)
class ExportRequested(Data):
    """A person wants a copy of what is known of him. `subject`: the request."""


@FACTS.of(EventType.ERASURE_REQUESTED)
class ErasureRequested(Data):
    """A person wants to be forgotten. `subject`: the request."""
