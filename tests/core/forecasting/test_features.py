"""Features are of their moment: what comes later changes nothing, and every answer is a number or says nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.forecasting.features import (
    NAMES,
    SEGMENTS,
    SOURCES,
    STAGES,
    Activity,
    DealHistory,
    StageChange,
    build,
)

T = TypeVar("T")

OPENED = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
LIFE_S = 200 * 86_400
dates = st.dates(date(2026, 1, 1), date(2027, 12, 31))
values = st.integers(0, 10**15)


def times(first: datetime = OPENED, last: datetime = OPENED + timedelta(seconds=LIFE_S)) -> st.SearchStrategy[datetime]:
    return st.integers(0, int((last - first).total_seconds())).map(lambda s: first + timedelta(seconds=s))


def contacts(when: st.SearchStrategy[datetime]) -> st.SearchStrategy[Activity]:
    few = st.integers(0, 5)
    return st.builds(
        Activity, at=when, kind=st.sampled_from(["call", "email", "meeting", "note"]),
        direction=st.sampled_from(["in", "out"]), sentiment=st.none() | st.floats(-1, 1), objections=few,
        unanswered_objections=few, competitors=few, has_next_step=st.booleans(), buying_signals=few,
    )  # fmt: skip


def changes(when: st.SearchStrategy[datetime]) -> st.SearchStrategy[StageChange]:
    return st.builds(StageChange, at=when, stage=st.sampled_from(STAGES))


def in_order(items: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(items, max_size=8).map(lambda found: tuple(sorted(found, key=lambda item: item.at)))  # type: ignore[attr-defined]


def was(
    when: st.SearchStrategy[datetime], what: st.SearchStrategy[T], least: int = 0
) -> st.SearchStrategy[tuple[tuple[datetime, T], ...]]:
    return st.lists(st.tuples(when, what), min_size=least, max_size=3).map(
        lambda rows: tuple(sorted(rows, key=lambda row: row[0]))
    )


def histories() -> st.SearchStrategy[DealHistory]:
    return st.builds(
        DealHistory, value_cents=values, currency=st.just("BRL"), segment=st.sampled_from([None, *SEGMENTS, "other"]),
        region=st.none(), source=st.sampled_from([None, *SOURCES, "fair"]), opened_at=st.just(OPENED),
        stage_changes=in_order(changes(times())), activities=in_order(contacts(times())),
        expected_close_on=st.none() | dates, value_was=was(times(), values),
        expected_close_was=was(times(), st.none() | dates),
    )  # fmt: skip


@given(histories(), times())
def test_every_value_is_finite_or_none_and_in_order(history: DealHistory, as_of: datetime) -> None:
    row = build(history, as_of)
    assert tuple(row) == NAMES
    assert all(value is None or math.isfinite(value) for value in row.values())


@given(st.data(), histories(), times())
def test_what_comes_later_changes_nothing(data: st.DataObject, history: DealHistory, as_of: datetime) -> None:
    later = times(as_of + timedelta(seconds=1), OPENED + timedelta(seconds=2 * LIFE_S))
    known = dataclasses.replace(
        history,
        value_was=tuple(row for row in history.value_was if row[0] <= as_of),
        expected_close_was=tuple(row for row in history.expected_close_was if row[0] <= as_of),
    )
    (first, _), *more_values = data.draw(was(later, values, least=1))
    (first_date, _), *more_dates = data.draw(was(later, st.none() | dates, least=1))
    closed = data.draw(st.booleans())
    afterwards = dataclasses.replace(
        known,
        stage_changes=(*_until(known.stage_changes, as_of), *data.draw(in_order(changes(later)))),
        activities=(*_until(known.activities, as_of), *data.draw(in_order(contacts(later)))),
        value_cents=data.draw(values), value_was=(*known.value_was, (first, known.value_cents), *more_values),
        expected_close_on=data.draw(st.none() | dates),
        expected_close_was=(*known.expected_close_was, (first_date, known.expected_close_on), *more_dates),
        closed_at=data.draw(later) if closed else None, won=data.draw(st.booleans()) if closed else None,
    )  # fmt: skip
    assert build(afterwards, as_of) == build(known, as_of)


def _until(rows: Sequence[T], as_of: datetime) -> list[T]:
    return [row for row in rows if row.at <= as_of]  # type: ignore[attr-defined]


def at(days: float) -> datetime:
    return OPENED + timedelta(days=days)


@pytest.fixture
def deal() -> DealHistory:
    return DealHistory(
        value_cents=90_000_00, currency="BRL", segment="enterprise", region="sul", source="referral", opened_at=OPENED,
        stage_changes=(
            StageChange(at(0), "prospecting"), StageChange(at(10), "proposal"), StageChange(at(20), "discovery"),
            StageChange(at(60), "closed_lost"),
        ),
        activities=(
            Activity(at(5), "email", "in"),
            Activity(at(12), "call", "out", -0.2, 3, 2, 1, has_next_step=False, buying_signals=0),
            Activity(at(25), "meeting", "out", 0.6, 1, 0, 0, has_next_step=True, buying_signals=2),
        ),
        expected_close_on=at(100).date(), closed_at=at(60), won=False,
        value_was=((at(30), 70_000_00),), expected_close_was=((at(30), at(50).date()), (at(40), None)),
    )  # fmt: skip


def test_the_features_of_a_known_deal(deal: DealHistory) -> None:
    row = build(deal, at(26))
    expected: dict[str, float | None] = {
        "log_value": math.log1p(70_000), "days_open": 26, "stage": 2, "days_in_stage": 6, "stage_moves": 2,
        "stage_moves_back": 1, "days_per_stage": 26 / 3, "activities_14d": 2, "activities_30d": 3,
        "days_since_contact": 1, "days_since_inbound": 21, "inbound_share": 1 / 3, "meetings": 1, "calls": 1,
        "sentiment_last": 0.6, "sentiment_mean": 0.2, "sentiment_trend": 0.8, "objections": 4,
        "unanswered_objections": 0, "competitors": 1, "buying_signals": 2, "next_step": 1,
        "days_to_expected_close": 24, "segment_smb": 0, "segment_mid_market": 0, "segment_enterprise": 1,
        "source_inbound": 0, "source_outbound": 0, "source_referral": 1, "source_partner": 0,
    }  # fmt: skip
    assert row == pytest.approx(expected)


def test_nothing_heard_is_none_and_not_nought() -> None:
    bare = DealHistory(1_00, "BRL", None, None, None, OPENED, (), ())
    unknown = {name for name, value in build(bare, at(3)).items() if value is None}
    assert unknown == {
        "days_since_contact", "days_since_inbound", "inbound_share", "sentiment_last", "sentiment_mean",
        "sentiment_trend", "unanswered_objections", "next_step", "days_to_expected_close",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("day", "value", "left"), [(29, 70_000, 21), (30, 90_000, None), (39, 90_000, None), (40, 90_000, 60)]
)
def test_value_and_date_are_those_of_the_moment(deal: DealHistory, day: int, value: int, left: int | None) -> None:
    row = build(deal, at(day))
    assert row["log_value"] == pytest.approx(math.log1p(value))
    assert row["days_to_expected_close"] == left


def test_a_closed_deal_keeps_the_stage_it_had(deal: DealHistory) -> None:
    assert build(deal, at(90))["stage"] == 2
