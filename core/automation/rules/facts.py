"""What a condition sees of a deal at a moment: nothing that was not known then."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from core.automation.rules.calendar import WorkingDays
from core.automation.rules.fields import Trigger
from core.deals.past import as_known
from core.deals.repository import Story
from core.forecasting import features
from core.forecasting.history import history
from core.forecasting.model import Forecast
from core.kit.events import Event, EventType

SOURCES = (EventType.INSIGHTS_READY, EventType.FORECAST_CHANGED, EventType.DEAL_CREATED, EventType.DEAL_CHANGED)
_NOTE = "note"  # nobody was contacted


@dataclass(frozen=True, slots=True)
class Moment:
    """Something happened to a deal. `fields` changed; `kind` is of the contact."""

    event_id: UUID
    at: datetime
    trigger: Trigger
    deal_id: UUID
    call_id: UUID | None = None
    fields: tuple[str, ...] = ()
    kind: str | None = None

    @property
    def answers(self) -> bool:
        """The customer has spoken: who waits for him waits no longer."""
        return self.trigger in ("customer_answered", "call_understood")

    def to_json(self) -> dict[str, Any]:
        return {
            "event_id": str(self.event_id), "at": self.at.isoformat(), "trigger": self.trigger,
            "deal_id": str(self.deal_id), "call_id": str(self.call_id) if self.call_id else None,
            "fields": list(self.fields), "kind": self.kind,
        }  # fmt: skip

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Moment:
        assert raw["trigger"] in get_args(Trigger)
        return cls(
            UUID(raw["event_id"]), datetime.fromisoformat(raw["at"]), raw["trigger"], UUID(raw["deal_id"]),
            UUID(raw["call_id"]) if raw["call_id"] else None, tuple(raw["fields"]), raw["kind"],
        )  # fmt: skip


def moment(event: Event) -> Moment | None:
    """None for what no rule is about."""
    data = event.data
    call_id = UUID(str(data["call_id"])) if data.get("call_id") else None
    if event.type is EventType.INSIGHTS_READY:
        if data["deal_id"] is None:
            return None
        return Moment(event.id, event.at, "call_understood", UUID(str(data["deal_id"])), call_id)
    if event.type is EventType.FORECAST_CHANGED:
        return Moment(event.id, event.at, "score_changed", event.subject, call_id)
    if event.type is EventType.DEAL_CREATED:
        return Moment(event.id, event.at, "deal_created", event.subject)
    if event.type is not EventType.DEAL_CHANGED:
        return None
    if "activities" not in data["fields"]:
        return Moment(event.id, event.at, "deal_changed", event.subject, fields=tuple(data["fields"]))
    if data.get("kind") == _NOTE or data.get("direction") is None:
        return None
    trigger: Trigger = "customer_answered" if data["direction"] == "in" else "contact_made"
    return Moment(event.id, event.at, trigger, event.subject, kind=data.get("kind"))


@dataclass(frozen=True, slots=True)
class Known:
    """All that is written of a deal, from which each moment takes what was known then. `heard`: insights by call."""

    story: Story
    forecasts: Sequence[Forecast] = ()  # oldest first
    heard: Mapping[UUID, Any] = field(default_factory=dict)

    def is_open(self, at: datetime) -> bool:
        return as_known(self.story, at).deal.outcome is None

    def facts(self, moment: Moment, at: datetime, calendar: WorkingDays, asked: Collection[str]) -> dict[str, Any]:
        """By the names asked for. `at`: when it is asked, which is later than the moment where a rule waited."""
        then = as_known(self.story, at)
        deal = then.deal
        learnt = features.build(history(then), at) if any(name.startswith("features.") for name in asked) else {}
        known = {
            "event.fields": list(moment.fields) or None, "event.kind": moment.kind,
            "deal.stage": deal.stage, "deal.is_open": deal.outcome is None, "deal.value_cents": deal.value_cents,
            "deal.segment": deal.segment, "deal.region": deal.region, "deal.team": deal.team,
            "deal.source": deal.source, "deal.products": list(deal.products or []),
            **self._score(at), **self._call(moment.call_id), **_time(then, at, calendar),
            **{f"features.{name}": value for name, value in learnt.items()},
        }  # fmt: skip
        return {name: known[name] for name in asked}

    def _score(self, at: datetime) -> dict[str, Any]:
        known = [row for row in self.forecasts if row.at <= at]
        now, before = (known[-1] if known else None), (known[-2] if len(known) > 1 else None)
        fell = 100 * (before.probability - now.probability) if now and before else None
        return {
            "score.probability": now.probability if now else None, "score.low": now.low if now else None,
            "score.high": now.high if now else None, "score.risk": now.risk if now else None,
            "score.before": before.probability if before else None,
            "score.fell_points": round(fell, 3) if fell is not None else None,
        }  # fmt: skip

    def _call(self, call_id: UUID | None) -> dict[str, Any]:
        data = self.heard.get(call_id) if call_id else None
        if data is None:
            return dict.fromkeys(_CALL_FIELDS)
        customer = data["sentiment"].get("customer") or {}
        names = sorted({naming["name"] for naming in data["competitors"]})
        seller = sum(step["owner"] == "seller" for step in data["next_steps"])
        unmet = sum(not objection["met"] for objection in data["objections"])
        values = (
            data["score"]["points"], customer.get("valence"), customer.get("trend"), len(data["objections"]), unmet,
            names, len(names), len(data["buying_signals"]), len(data["next_steps"]), seller,
        )  # fmt: skip
        return dict(zip(_CALL_FIELDS, values, strict=True))


_CALL_FIELDS = (
    "call.score", "call.sentiment", "call.sentiment_trend", "call.objections", "call.unanswered_objections",
    "call.competitors", "call.competitor_count", "call.buying_signals", "call.next_steps", "call.seller_steps",
)  # fmt: skip


def _time(then: Story, at: datetime, calendar: WorkingDays) -> dict[str, Any]:
    local = calendar.local(at)
    contacts = [one.at for one in then.activities if one.kind != _NOTE]
    answers = [one.at for one in then.activities if one.kind != _NOTE and one.direction == "in"]
    return {
        "time.hour": local.hour, "time.weekday": local.isoweekday(),
        "time.is_working_day": calendar.works(local.date()),
        "time.working_days_since_contact": calendar.between(max(contacts), at) if contacts else None,
        "time.working_days_since_answer": calendar.between(max(answers), at) if answers else None,
    }  # fmt: skip
