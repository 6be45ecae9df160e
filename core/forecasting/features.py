"""The features of one deal at one moment, from nothing but what was known then. Training and serving both build them
here, so the two cannot drift apart."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")

STAGES = ("prospecting", "qualification", "discovery", "proposal", "negotiation", "closed_won", "closed_lost")
SEGMENTS = ("smb", "mid_market", "enterprise")
SOURCES = ("inbound", "outbound", "referral", "partner")
_OPEN = STAGES[:5]

NAMES: tuple[str, ...] = (
    "log_value", "days_open", "stage", "days_in_stage", "stage_moves", "stage_moves_back", "days_per_stage",
    "activities_14d", "activities_30d", "days_since_contact", "days_since_inbound", "inbound_share",
    "meetings", "calls", "sentiment_last", "sentiment_mean", "sentiment_trend", "objections",
    "unanswered_objections", "competitors", "buying_signals", "next_step", "days_to_expected_close",
    *(f"segment_{name}" for name in SEGMENTS), *(f"source_{name}" for name in SOURCES),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StageChange:
    at: datetime
    stage: str


@dataclass(frozen=True, slots=True)
class Activity:
    """One contact with the customer. `sentiment` in [-1, 1], None where nothing was heard."""

    at: datetime
    kind: str  # call | email | meeting | note
    direction: str  # in | out
    sentiment: float | None = None
    objections: int = 0
    unanswered_objections: int = 0
    competitors: int = 0
    has_next_step: bool = False
    buying_signals: int = 0


@dataclass(frozen=True, slots=True)
class DealHistory:
    """One deal with all that happened to it, oldest first; `won` is None while it is open.

    Value and expected date are rewritten while a deal lives, last of all when it closes: what each said before is in
    `value_was` and `expected_close_was`, as (until when, what)."""

    value_cents: int
    currency: str
    segment: str | None
    region: str | None
    source: str | None
    opened_at: datetime
    stage_changes: Sequence[StageChange]
    activities: Sequence[Activity]
    expected_close_on: date | None = None
    closed_at: datetime | None = None
    won: bool | None = None
    value_was: Sequence[tuple[datetime, int]] = ()
    expected_close_was: Sequence[tuple[datetime, date | None]] = ()
    deal_id: UUID | None = None


def build(history: DealHistory, as_of: datetime) -> dict[str, float | None]:
    """Every feature of `NAMES`; None where it is not known. What lies after `as_of` is not looked at."""
    changes = [c for c in history.stage_changes if c.at <= as_of and c.stage in _OPEN]
    contacts = [a for a in history.activities if a.at <= as_of]
    value_cents = value_at(history, as_of)
    expected_close_on = _then(history.expected_close_was, as_of, history.expected_close_on)
    row: dict[str, float | None] = {
        "log_value": math.log1p(value_cents / 100),
        "days_open": _days(history.opened_at, as_of),
        **_stage(changes, history.opened_at, as_of),
        **_contact(contacts, as_of),
        **_heard(contacts),
        "days_to_expected_close": float((expected_close_on - as_of.date()).days) if expected_close_on else None,
    }
    for name in SEGMENTS:
        row[f"segment_{name}"] = float(history.segment == name)
    for name in SOURCES:
        row[f"source_{name}"] = float(history.source == name)
    return {name: row[name] for name in NAMES}


def value_at(history: DealHistory, as_of: datetime) -> int:
    """In cents, as it stood then."""
    return _then(history.value_was, as_of, history.value_cents)


def _then(was: Sequence[tuple[datetime, T]], as_of: datetime, now: T) -> T:
    """What a field said at `as_of`."""
    return next((value for until, value in was if as_of < until), now)


def _days(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds() / 86_400)


def _stage(changes: Sequence[StageChange], opened_at: datetime, as_of: datetime) -> dict[str, float | None]:
    places = [_OPEN.index(change.stage) for change in changes]
    days_open = _days(opened_at, as_of)
    return {
        "stage": float(places[-1]) if places else 0.0,
        "days_in_stage": _days(changes[-1].at, as_of) if changes else days_open,
        "stage_moves": float(max(0, len(places) - 1)),
        "stage_moves_back": float(sum(after < before for before, after in itertools.pairwise(places))),
        "days_per_stage": days_open / max(1, len(places)),
    }


def _contact(contacts: Sequence[Activity], as_of: datetime) -> dict[str, float | None]:
    inbound = [a for a in contacts if a.direction == "in"]
    ages = [_days(a.at, as_of) for a in contacts]
    return {
        "activities_14d": float(sum(age <= 14 for age in ages)),
        "activities_30d": float(sum(age <= 30 for age in ages)),
        "days_since_contact": min(ages) if ages else None,
        "days_since_inbound": min(_days(a.at, as_of) for a in inbound) if inbound else None,
        "inbound_share": len(inbound) / len(contacts) if contacts else None,
        "meetings": float(sum(a.kind == "meeting" for a in contacts)),
        "calls": float(sum(a.kind == "call" for a in contacts)),
    }


def _heard(contacts: Sequence[Activity]) -> dict[str, float | None]:
    """What was heard; the newest call says which objections are open and what comes next."""
    moods = [a.sentiment for a in contacts if a.sentiment is not None]
    calls = [a for a in contacts if a.kind in ("call", "meeting")]
    last = calls[-1] if calls else None
    return {
        "sentiment_last": moods[-1] if moods else None,
        "sentiment_mean": sum(moods) / len(moods) if moods else None,
        "sentiment_trend": moods[-1] - moods[0] if len(moods) > 1 else None,
        "objections": float(sum(a.objections for a in contacts)),
        "unanswered_objections": float(last.unanswered_objections) if last else None,
        "competitors": float(sum(a.competitors for a in contacts)),
        "buying_signals": float(sum(a.buying_signals for a in contacts)),
        "next_step": float(last.has_next_step) if last else None,
    }
