"""Facts that happened, shaped as CloudEvents 1.0 (https://github.com/cloudevents/spec), tenant and trace inside.

What the data of each type is stands in `core/kit/facts.py`. In memory an event always has the newest version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from core.kit.errors import BadEvent
from core.kit.ids import new_id


class EventType(StrEnum):
    """Every fact that the product speaks of."""

    TENANT_CREATED = "TENANT_CREATED"
    SIGN_IN_ANOMALY = "SIGN_IN_ANOMALY"
    INVITATION_SENT = "INVITATION_SENT"
    PASSWORD_RESET_ASKED = "PASSWORD_RESET_ASKED"  # noqa: S105 - the name of a fact
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105
    DEAL_CREATED = "DEAL_CREATED"
    DEAL_CHANGED = "DEAL_CHANGED"
    CALL_UPLOADED = "CALL_UPLOADED"
    CALL_TRANSCRIBED = "CALL_TRANSCRIBED"
    CALL_ANALYZED = "CALL_ANALYZED"
    INSIGHTS_READY = "INSIGHTS_READY"
    CALL_FAILED = "CALL_FAILED"
    FORECAST_CHANGED = "FORECAST_CHANGED"
    PREDICTION_REQUESTED = "PREDICTION_REQUESTED"
    PREDICTION_MADE = "PREDICTION_MADE"
    FORECAST_OVERRIDDEN = "FORECAST_OVERRIDDEN"
    FORECAST_SNAPSHOT_ASKED = "FORECAST_SNAPSHOT_ASKED"
    DRIFT_FOUND = "DRIFT_FOUND"
    TRAINING_REQUESTED = "TRAINING_REQUESTED"
    TRAINING_FINISHED = "TRAINING_FINISHED"
    HEALTH_TURNED = "HEALTH_TURNED"
    TASK_CREATED = "TASK_CREATED"
    TASK_DECIDED = "TASK_DECIDED"
    TASK_FINISHED = "TASK_FINISHED"
    TASK_WITHDRAWN = "TASK_WITHDRAWN"
    DOCUMENT_ADDED = "DOCUMENT_ADDED"
    CONSENT_GIVEN = "CONSENT_GIVEN"
    TIMER_DUE = "TIMER_DUE"
    EXPORT_REQUESTED = "EXPORT_REQUESTED"
    ERASURE_REQUESTED = "ERASURE_REQUESTED"


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. `subject` is the id of the thing it is about; `data` holds ids and numbers, never content."""

    type: EventType
    tenant_id: UUID
    subject: UUID
    data: Mapping[str, Any] = field(default_factory=dict)
    id: UUID = field(default_factory=new_id)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    trace: str | None = None

    def to_cloudevent(self) -> dict[str, Any]:
        from core.kit.facts import FACTS
        from core.kit.schemas import schema_id

        version = FACTS.newest(self.type)
        return {
            "specversion": "1.0",
            "id": str(self.id),
            "source": "salesedge",
            "type": self.type.value,
            "subject": str(self.subject),
            "time": self.at.isoformat(),
            "datacontenttype": "application/json",
            "dataschema": schema_id(self.type, version),
            "dataversion": version,
            "tenantid": str(self.tenant_id),
            **({"traceparent": self.trace} if self.trace else {}),
            "data": dict(self.data),
        }

    @classmethod
    def from_cloudevent(cls, raw: Mapping[str, Any]) -> Event:
        """In the newest version of its type. Raises `BadEvent` for what is none of ours, `Unavailable` for a version
        that a newer release wrote."""
        from core.kit.facts import FACTS

        try:
            kind = EventType(raw["type"])
            return cls(
                type=kind,
                tenant_id=UUID(raw["tenantid"]),
                subject=UUID(raw["subject"]),
                data=FACTS.read(kind, int(raw["dataversion"]), raw["data"]),
                id=UUID(raw["id"]),
                at=datetime.fromisoformat(raw["time"]),
                trace=raw.get("traceparent"),
            )
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise BadEvent(f"This is no event of ours ({type(error).__name__}: {error}).") from None
