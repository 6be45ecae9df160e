from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.automation.signals import Situation, action, default_weights, next_working_morning, signals, silent_days

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
        (seen(customer_answered=True), ("notify_user", None)),
        (QUIET, ("notify_user", None)),
        (seen(QUIET, last_contact_at=NOW - timedelta(days=4)), ("notify_user", None)),
        (seen(QUIET, last_contact_at=NOW - timedelta(days=5)), ("send_email", "re_engage")),
        (seen(QUIET, last_contact_at=NOW - timedelta(days=9), customer_answered=True), ("notify_user", None)),
    ],
)
def test_the_action_fits_the_situation(situation: Situation, expected: tuple[str, str | None]) -> None:
    assert action(situation, default_weights()) == expected


def test_five_silent_days_are_a_signal_and_a_call_breaks_the_silence() -> None:
    since = NOW - timedelta(days=5)
    assert keys(seen(QUIET, last_contact_at=since)) == ["silence"]
    assert keys(seen(QUIET, last_contact_at=since + timedelta(seconds=1))) == []
    assert silent_days(seen(CALL, last_contact_at=since)) is None


@given(
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2035, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["America/Sao_Paulo", "UTC", "Asia/Tokyo", "Europe/Lisbon", "America/New_York"]),
)
def test_due_is_nine_on_the_first_working_morning(after: datetime, zone: str) -> None:
    due = next_working_morning(after, zone)
    local = due.astimezone(ZoneInfo(zone))
    assert (local.hour, local.minute, local.weekday() < 5) == (9, 0, True)
    assert due > after
    # Friday nine to Monday nine is the longest wait; an hour more where the clocks change.
    assert due - after <= timedelta(days=3, hours=1)


@pytest.mark.parametrize(
    ("after", "due"),
    [
        ("2026-11-24T14:00:00+00:00", "2026-11-25T12:00:00+00:00"),  # Tuesday 11:00 in São Paulo
        ("2026-11-24T10:00:00+00:00", "2026-11-24T12:00:00+00:00"),  # Tuesday 07:00
        ("2026-11-27T22:00:00+00:00", "2026-11-30T12:00:00+00:00"),  # Friday 19:00
    ],
)
def test_due_in_sao_paulo(after: str, due: str) -> None:
    assert next_working_morning(datetime.fromisoformat(after), "America/Sao_Paulo") == datetime.fromisoformat(due)
