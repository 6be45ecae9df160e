from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from core.automation.agent.odds import Odds
from core.automation.agent.signals import Situation, action, default_weights, signals, usual
from core.ports import WhatIf

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
QUIET = Situation(
    event_id=UUID(int=1), at=NOW, deal_id=UUID(int=2), deal_name="CRM", value_cents=100, probability=0.6,
    probability_before=0.6, contact_has_email=True,
)  # fmt: skip
CALL = dataclasses.replace(QUIET, call_id=UUID(int=3), has_next_step=True)


def seen(base: Situation = CALL, **change: Any) -> Situation:
    return dataclasses.replace(base, **change)


def keys(situation: Situation) -> list[str]:
    return [signal.key for signal in signals(situation, default_weights())]


def test_nothing_new_says_nothing() -> None:
    assert keys(QUIET) == []
    assert keys(CALL) == []


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"probability": 0.5}, "forecast_fell"),
        ({"unanswered_objections": 1}, "unanswered_objection"),
        ({"sentiment": -0.3}, "customer_negative"),
        ({"sentiment": 0.2, "sentiment_trend": -0.4}, "customer_negative"),
        ({"competitors": ("Rival",)}, "competitor_named"),
        ({"seller_steps": 1}, "next_step_promised"),
        ({"buying_signals": 2}, "buying_signal"),
        ({"has_next_step": False}, "no_next_step"),
    ],
)
def test_each_signal_is_heard_alone(change: dict[str, Any], key: str) -> None:
    assert keys(seen(**change)) == [key]


def test_a_small_fall_is_no_signal() -> None:
    assert keys(seen(probability=0.57)) == []


def test_every_signal_shows_what_was_seen_heaviest_first() -> None:
    found = signals(seen(probability=0.4, competitors=("B", "A"), unanswered_objections=3), default_weights())
    assert [(signal.key, signal.evidence) for signal in found] == [
        ("unanswered_objection", 3),
        ("forecast_fell", 20.0),
        ("competitor_named", "B, A"),
    ]
    assert [signal.weight for signal in found] == sorted((signal.weight for signal in found), reverse=True)


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        (seen(), ("send_email", "follow_up")),
        (seen(unanswered_objections=1, has_next_step=False), ("send_email", "objection")),
        (seen(unanswered_objections=1), ("send_email", "follow_up")),
        (seen(buying_signals=1, has_next_step=False), ("schedule_meeting", "follow_up")),
        (seen(contact_has_email=False), ("create_crm_task", None)),
        (seen(wrote_last=True), ("notify_user", None)),
        (QUIET, ("notify_user", None)),
        (seen(QUIET, silent_days=4), ("notify_user", None)),
        (seen(QUIET, silent_days=5), ("send_email", "re_engage")),
        (seen(QUIET, silent_days=9, wrote_last=True), ("notify_user", None)),
        (seen(promised_on="2026-11-24"), ("create_crm_task", None)),
    ],
)
def test_the_action_fits_the_situation(situation: Situation, expected: tuple[str, str | None]) -> None:
    assert usual(situation, default_weights()) == expected
    assert action(situation, default_weights()) == (*expected, None)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"silent_days": 4}, []),
        ({"silent_days": 5}, ["deal_stalled"]),
        ({"unreplied_days": 1, "call_id": UUID(int=3)}, []),
        ({"unreplied_days": 2, "call_id": UUID(int=3)}, ["no_follow_up"]),
        ({"promised_on": "2026-11-24"}, ["promise_due"]),
    ],
)
def test_what_time_brings(change: dict[str, Any], found: list[str]) -> None:
    assert keys(seen(QUIET, **change)) == found


# ── what the engine says ─────────────────────────────────────────────────────────────────────────────────────────────


def odds(now: float = 0.5, **what_ifs: float) -> Odds:
    said = tuple(WhatIf(action, probability) for action, probability in what_ifs.items())
    return Odds(now, now / 2, 1.0, "followup", "tenant", "xgboost", "3", said)


def test_the_engines_odds_count_before_those_of_the_forecast() -> None:
    assert keys(seen(competitors=("A",), probability=0.6, odds=odds(0.2))) == ["competitor_named", "at_risk"]


def test_what_would_help_speaks_for_acting_only_beside_another_reason() -> None:
    assert keys(seen(odds=odds(0.5, meeting=0.6))) == []
    found = signals(seen(competitors=("A",), odds=odds(0.5, meeting=0.6, call=0.52)), default_weights())
    assert [(one.key, one.evidence) for one in found] == [("competitor_named", "A"), ("would_help", 10.0)]
    assert keys(seen(competitors=("A",), odds=odds(0.5, meeting=0.51))) == ["competitor_named"]


@pytest.mark.parametrize(
    ("what_ifs", "expected"),
    [
        ({"customer_reply": 0.6}, ("send_email", "follow_up", "customer_reply")),
        ({"meeting": 0.6}, ("schedule_meeting", "follow_up", "meeting")),
        ({"meeting": 0.6, "answer_objections": 0.58}, ("send_email", "follow_up", "answer_objections")),
        ({"meeting": 0.6, "answer_objections": 0.56}, ("schedule_meeting", "follow_up", "meeting")),
        ({"call": 0.7, "meeting": 0.6}, ("create_crm_task", None, "call")),
        ({"advance_stage": 0.9}, ("send_email", "follow_up", None)),
    ],
)
def test_the_way_is_taken_that_helps_clearly_more(what_ifs: dict[str, float], expected: tuple[Any, ...]) -> None:
    assert action(seen(odds=odds(0.5, **what_ifs)), default_weights()) == expected


@pytest.mark.parametrize("change", [{"wrote_last": True}, {"promised_on": "2026-11-24"}])
def test_no_engine_makes_the_agent_write_to_who_wrote_last_or_forget_a_promise(change: dict[str, Any]) -> None:
    usually = usual(seen(**change), default_weights())
    assert action(seen(**change, odds=odds(0.1, meeting=0.9)), default_weights())[:2] == usually
