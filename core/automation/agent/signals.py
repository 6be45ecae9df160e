"""What speaks for a follow-up: pure decisions over what is known of one deal after one event."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import yaml

from core.automation.agent.odds import Odds
from core.automation.withdraw import TO_CUSTOMER
from core.settings import configs_dir

Cause = Literal["FORECAST_CHANGED", "no_follow_up", "promise_due", "deal_stalled"]


@dataclass(frozen=True, slots=True)
class Situation:
    """What the agent looks at. `cause`: the event's type, or what a timer watched for.

    Numbers of the call are None where the event was about no call. `probability` is of the last forecast, `odds` what
    the engine says now; None: not known. Days are working days of the company: `silent_days` without a word from
    either side, `unreplied_days` since the customer's last word where that is the last. `wrote_last`: that word was in
    writing. `promised_on`: the day, as ISO 8601, for which the seller promised something. `turned_down`: kinds of tasks
    that a person dismissed since the customer's last word.
    """

    event_id: UUID
    at: datetime
    deal_id: UUID
    deal_name: str
    value_cents: int
    cause: Cause = "FORECAST_CHANGED"
    is_open: bool = True
    probability: float | None = None
    probability_before: float | None = None
    odds: Odds | None = None
    call_id: UUID | None = None
    contact_has_email: bool = False
    sentiment: float | None = None
    sentiment_trend: float | None = None
    unanswered_objections: int | None = None
    competitors: tuple[str, ...] = ()
    buying_signals: int = 0
    seller_steps: int = 0
    has_next_step: bool | None = None
    silent_days: int | None = None
    unreplied_days: int | None = None
    wrote_last: bool = False
    promised_on: str | None = None
    turned_down: frozenset[str] = frozenset()

    @property
    def chance(self) -> float | None:
        return self.odds.probability if self.odds is not None else self.probability


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that speaks for acting: its name, its weight, and what was seen."""

    key: str
    weight: float
    evidence: float | str


@dataclass(frozen=True, slots=True)
class Weights:
    """`least_gain`: by how much, in probability, an action has to help more than the usual one to be preferred."""

    threshold: float
    weights: Mapping[str, float]
    fall_points: float
    follow_up_days: int
    stalled_days: int
    high_value_cents: int
    least_gain: float

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Weights:
        return cls(
            float(raw["threshold"]), raw["weights"], float(raw["fall_points"]), int(raw["follow_up_days"]),
            int(raw["stalled_days"]), int(raw["high_value_cents"]), float(raw["least_gain"]),
        )  # fmt: skip


@functools.cache
def default_weights() -> Weights:
    return Weights.read(yaml.safe_load((configs_dir() / "automation.yaml").read_text("utf-8")))


def signals(seen: Situation, table: Weights) -> list[Signal]:
    """All that speaks for acting, heaviest first."""
    found = [*_of_the_odds(seen, table), *_of_the_call(seen), *_of_time(seen, table)]
    if found and seen.value_cents >= table.high_value_cents:
        found.append(("high_value", 1, seen.value_cents))
    if found and seen.chance is not None and 0.05 <= seen.chance <= 0.35:
        found.append(("at_risk", 1, round(seen.chance, 3)))
    if found and (best := _gains(seen)) and max(best.values())[0] >= table.least_gain:
        found.append(("would_help", 1, round(100 * max(best.values())[0], 1)))
    known = [Signal(key, round(table.weights[key] * times, 3), evidence) for key, times, evidence in found]
    return sorted(known, key=lambda signal: (-signal.weight, signal.key))


_Found = list[tuple[str, float, float | str]]


def _of_the_odds(seen: Situation, table: Weights) -> _Found:
    if seen.probability is None or seen.probability_before is None:
        return []
    fell = 100 * (seen.probability_before - seen.probability)
    return [("forecast_fell", 1, round(fell, 1))] if fell >= table.fall_points else []


def _of_the_call(seen: Situation) -> _Found:
    found: _Found = []
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
    return found


def _of_time(seen: Situation, table: Weights) -> _Found:
    found: _Found = []
    if seen.promised_on is not None:
        found.append(("promise_due", 1, seen.promised_on))
    if seen.unreplied_days is not None and seen.unreplied_days >= table.follow_up_days:
        found.append(("no_follow_up", 1, seen.unreplied_days))
    if is_stalled(seen, table):
        found.append(("deal_stalled", 1, seen.silent_days or 0))
    return found


def is_stalled(seen: Situation, table: Weights) -> bool:
    return seen.silent_days is not None and seen.silent_days >= table.stalled_days


_BY = {
    "meeting": "schedule_meeting", "two_meetings": "schedule_meeting", "agree_next_step": "schedule_meeting",
    "answer_objections": "send_email", "customer_reply": "send_email", "call": "create_crm_task",
}  # fmt: skip
"""What could help (`core/datascience/predictions/what_if.py`) → the kind of task that may bring it about."""


def _gains(seen: Situation) -> dict[str, tuple[float, str]]:
    """Kind of task → what it may add to the probability at best, and by which counterfactual."""
    found: dict[str, tuple[float, str]] = {}
    for what in seen.odds.what_ifs if seen.odds is not None else ():
        kind, gain = _BY.get(what.action), what.probability - (seen.chance or 0.0)
        if kind is not None and gain > found.get(kind, (0.0, ""))[0]:
            found[kind] = (gain, what.action)
    return found


def action(seen: Situation, table: Weights) -> tuple[str, str | None, str | None]:
    """The kind of task that fits, the template of its draft, and the counterfactual that spoke for it.

    What fits is said by `usual`; among the ways to reach a customer, the one is taken that the engine says helps more.
    """
    kind, template = usual(seen, table)
    gains = _gains(seen)
    if kind not in TO_CUSTOMER or not gains:
        return kind, template, gains[kind][1] if kind in gains and kind != "notify_user" else None
    best = max(sorted(gains), key=lambda one: gains[one][0])
    if best != kind and gains[best][0] - gains.get(kind, (0.0, ""))[0] >= table.least_gain:
        kind, template = best, {"schedule_meeting": "follow_up" if seen.call_id else None}.get(best, template)
        if kind == "create_crm_task":
            template = None
    return kind, template, gains[kind][1] if kind in gains else None


def usual(seen: Situation, table: Weights) -> tuple[str, str | None]:
    """Nothing is written to a customer who wrote last: the seller owes him an answer, and is told. Nor is there where
    there is neither a call to speak of nor a silence to break."""
    if seen.promised_on is not None:
        return "create_crm_task", None
    if seen.wrote_last or (seen.call_id is None and not is_stalled(seen, table)):
        return "notify_user", None
    if not seen.contact_has_email:
        return "create_crm_task", None
    if is_stalled(seen, table):
        return "send_email", "re_engage"
    if seen.unanswered_objections and not seen.has_next_step:
        return "send_email", "objection"
    if seen.buying_signals and seen.has_next_step is False:
        return "schedule_meeting", "follow_up"
    return "send_email", "follow_up"
