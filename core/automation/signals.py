"""What speaks for a follow-up: pure decisions over what is known of one deal after one event."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import yaml

from core.settings import configs_dir

_STARTS_AT = time(9, 0)


@dataclass(frozen=True, slots=True)
class Situation:
    """What the agent looks at. Numbers of the call are None where the event was about no call.

    `last_contact_at`: None where it is not known. `customer_answered`: the customer's word is the last one so far.
    """

    event_id: UUID
    at: datetime
    deal_id: UUID
    deal_name: str
    value_cents: int
    probability: float
    probability_before: float | None
    call_id: UUID | None = None
    contact_name: str | None = None
    contact_has_email: bool = False
    sentiment: float | None = None
    sentiment_trend: float | None = None
    unanswered_objections: int | None = None
    competitors: tuple[str, ...] = ()
    buying_signals: int = 0
    seller_steps: int = 0
    has_next_step: bool | None = None
    last_contact_at: datetime | None = None
    customer_answered: bool = False


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that speaks for acting: its name, its weight, and what was seen."""

    key: str
    weight: float
    evidence: float | str


@dataclass(frozen=True, slots=True)
class Weights:
    threshold: float
    weights: Mapping[str, float]
    fall_points: float
    silence_days: int
    high_value_cents: int

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Weights:
        return cls(
            float(raw["threshold"]), raw["weights"], float(raw["fall_points"]), int(raw["silence_days"]),
            int(raw["high_value_cents"]),
        )  # fmt: skip


@functools.cache
def default_weights() -> Weights:
    return Weights.read(yaml.safe_load((configs_dir() / "automation.yaml").read_text("utf-8")))


def signals(seen: Situation, table: Weights) -> list[Signal]:
    """All that speaks for acting, heaviest first."""
    found: list[tuple[str, float, float | str]] = []
    if seen.probability_before is not None:
        fell = 100 * (seen.probability_before - seen.probability)
        if fell >= table.fall_points:
            found.append(("forecast_fell", 1, round(fell, 1)))
    if seen.unanswered_objections:
        found.append(("unanswered_objection", min(2, seen.unanswered_objections), seen.unanswered_objections))
    negative = seen.sentiment is not None and seen.sentiment < -0.1
    turned = seen.sentiment_trend is not None and seen.sentiment_trend < -0.25
    if negative or turned:
        found.append(("customer_negative", 1, seen.sentiment if seen.sentiment is not None else 0.0))
    if seen.competitors:
        found.append(("competitor_named", 1, ", ".join(seen.competitors)))
    if seen.seller_steps:
        found.append(("next_step_promised", 1, seen.seller_steps))
    if seen.buying_signals:
        found.append(("buying_signal", 1, seen.buying_signals))
    if seen.has_next_step is False:
        found.append(("no_next_step", 1, 0))
    if (days := silent_days(seen)) is not None and days >= table.silence_days:
        found.append(("silence", 1, days))
    if found and seen.value_cents >= table.high_value_cents:
        found.append(("high_value", 1, seen.value_cents))
    if found and 0.05 <= seen.probability <= 0.35:
        found.append(("at_risk", 1, round(seen.probability, 3)))
    known = [Signal(key, round(table.weights[key] * times, 3), evidence) for key, times, evidence in found]
    return sorted(known, key=lambda signal: (-signal.weight, signal.key))


def silent_days(seen: Situation) -> int | None:
    """Whole days without a word from either side; None after a call or an answer, or where that is unknown."""
    if seen.call_id is not None or seen.customer_answered or seen.last_contact_at is None:
        return None
    return max(0, (seen.at - seen.last_contact_at).days)


def action(seen: Situation, table: Weights) -> tuple[str, str | None]:
    """The kind of task that fits, and the template of its draft.

    Nothing is written to a customer who has answered, nor where there is neither a call to speak of nor a silence to
    break: then the seller is told.
    """
    silent = (silent_days(seen) or 0) >= table.silence_days
    if seen.customer_answered or (seen.call_id is None and not silent):
        return "notify_user", None
    if not seen.contact_has_email:
        return "create_crm_task", None
    if seen.call_id is None:
        return "send_email", "re_engage"
    if seen.unanswered_objections and not seen.has_next_step:
        return "send_email", "objection"
    if seen.buying_signals and seen.has_next_step is False:
        return "schedule_meeting", "follow_up"
    return "send_email", "follow_up"


def next_working_morning(after: datetime, time_zone: str) -> datetime:
    """The first nine o'clock of a working day after the given time, in the tenant's zone, as UTC."""
    zone = ZoneInfo(time_zone)
    local = after.astimezone(zone)
    day = local.date() + timedelta(days=local.time() >= _STARTS_AT)
    while day.weekday() >= 5:
        day += timedelta(days=1)
    return datetime.combine(day, _STARTS_AT, zone).astimezone(UTC)
