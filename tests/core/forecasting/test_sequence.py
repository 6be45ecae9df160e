"""What happened to a deal, step by step: from nothing but what was known at the moment."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.forecasting.features import Activity, DealHistory, StageChange
from core.forecasting.sequence import CHANNELS, STEPS, padded, sequence

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def lived(*activities: Activity, moves: tuple[StageChange, ...] = ()) -> DealHistory:
    return DealHistory(1_000_00, "BRL", "smb", None, "inbound", START, moves, activities)


def read(step: list[float]) -> dict[str, float]:
    """What stands in one step, but for zeros."""
    return {name: value for name, value in zip(CHANNELS, step, strict=True) if value}


def test_steps_say_what_happened_and_how_long_ago() -> None:
    history = lived(
        Activity(START + 3 * DAY, "call", "in", sentiment=-0.5, objections=1, has_next_step=True),
        moves=(StageChange(START + DAY, "discovery"), StageChange(START + 5 * DAY, "qualification")),
    )
    opening, forward, call, back = map(read, sequence(history, START + 7 * DAY))
    assert (opening["opening"], opening["is_there"]) == (1.0, 1.0)
    assert opening["log_age"] == pytest.approx(2.0794, abs=1e-4)  # log(1 + 7)
    assert (forward["stage_change"], forward["stage"]) == (1.0, 0.5)
    assert forward["log_gap"] == pytest.approx(0.6931, abs=1e-4)
    assert (call["call"], call["inbound"], call["heard"], call["sentiment"]) == (1.0, 1.0, 1.0, -0.5)
    assert (call["next_step"], back["moved_back"], back["stage"]) == (1.0, 1.0, 0.25)


def test_there_is_at_least_the_opening_and_at_most_the_newest_steps() -> None:
    assert len(sequence(lived(), START)) == 1
    busy = lived(*(Activity(START + n * DAY, "email", "out") for n in range(100)))
    steps = sequence(busy, START + 200 * DAY)
    assert len(steps) == STEPS
    assert not any(read(step).get("opening") for step in steps)
    events, lengths = padded([steps, steps[:2]])
    assert events.shape == (2, STEPS, len(CHANNELS))
    assert lengths.tolist() == [STEPS, 2]
    assert not events[1, 2:].any()


@settings(max_examples=30)
@given(days=st.lists(st.floats(0, 60), max_size=8), at=st.floats(0, 60))
def test_what_comes_later_is_not_looked_at(days: list[float], at: float) -> None:
    moment = START + at * DAY
    contacts = tuple(Activity(START + day * DAY, "call", "out") for day in sorted(days))
    moves = tuple(StageChange(START + day * DAY, "proposal") for day in sorted(days))
    whole = lived(*contacts, moves=moves)
    known = dataclasses.replace(
        whole, activities=tuple(a for a in contacts if a.at <= moment),
        stage_changes=tuple(m for m in moves if m.at <= moment),
    )  # fmt: skip
    assert sequence(whole, moment) == sequence(known, moment)
