"""The sums after any history of changes are those of the deals as they are now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.deals.rules import OPEN_STAGES, STAGES, outcome
from core.pipeline_health.marks import Marks, Trail, added, difference, marks, total
from core.pipeline_health.measure import Asked, Cell, Window, measure
from core.pipeline_health.repository import Dimension, Only, grouped
from core.pipeline_health.survival import ends

ZONE = ZoneInfo("America/Sao_Paulo")
BEGIN = datetime(2026, 3, 2, 15, tzinfo=UTC)
TODAY = date(2026, 11, 24)
ASKED = Asked(TODAY, Window(date(2025, 12, 1), date(2026, 12, 1)), Window(date(2026, 10, 1), date(2027, 1, 1)))


def deal(**fields: object) -> Trail:
    first: dict[str, object] = {
        "owner_id": UUID(int=1), "team": "North", "segment": "SaaS", "region": None, "currency": "BRL",
        "value_cents": 10_000_00, "stage": "discovery", "opened_at": BEGIN, "closed_at": None,
        "expected_close_on": None, "last_activity_at": None, "stages": [(BEGIN, "discovery")],
    }  # fmt: skip
    return Trail(**{**first, **fields})  # type: ignore[arg-type]


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, Trail | None]]:
    """(which deal, what it is from now on): opened, changed in any way, erased; time goes on with each."""
    now, known, history = BEGIN, dict[int, Trail](), list[tuple[int, Trail | None]]()
    for _ in range(draw(st.integers(1, 25))):
        now += timedelta(hours=draw(st.integers(1, 900)))
        number = draw(st.integers(0, 3))
        old = known.get(number)
        if old is None:
            stage = draw(st.sampled_from(OPEN_STAGES))
            known[number] = deal(opened_at=now, stage=stage, stages=[(now, stage)])
        else:
            known[number] = _changed(draw, old, now)
        if draw(st.integers(0, 9)) == 0:
            del known[number]
        history.append((number, known.get(number)))
    return history


def _changed(draw: st.DrawFn, old: Trail, now: datetime) -> Trail:
    kind = draw(st.sampled_from(["stage", "value", "owner", "team", "region", "due", "activity"]))
    if kind == "stage":
        stage = draw(st.sampled_from([stage for stage in STAGES if stage != old.stage]))
        closed_at = now if outcome(stage) else None
        return replace(old, stage=stage, closed_at=closed_at, stages=[*old.stages, (now, stage)])
    if kind == "due":
        day = draw(st.none() | st.dates(date(2026, 1, 1), date(2027, 12, 31)))
        return replace(old, expected_close_on=day, dues=[*old.dues, (old.expected_close_on, day)])
    return {
        "value": lambda: replace(old, value_cents=draw(st.integers(0, 10**9))),
        "owner": lambda: replace(old, owner_id=draw(st.none() | st.sampled_from([UUID(int=1), UUID(int=2)]))),
        "team": lambda: replace(old, team=draw(st.sampled_from([None, "North", "South"]))),
        "region": lambda: replace(old, region=draw(st.sampled_from([None, "SP"]))),
        "activity": lambda: replace(old, last_activity_at=now),
    }[kind]()


@given(histories())
@settings(max_examples=80)
def test_the_sums_kept_over_any_history_are_those_added_up_anew_at_every_moment(
    history: list[tuple[int, Trail | None]],
) -> None:
    state: Marks = {}
    known: dict[int, Trail] = {}
    left: dict[int, Marks] = {}
    for number, now in history:
        after = marks(now, ZONE) if now else {}
        state = added(state, difference(left.get(number, {}), after))
        left[number] = after
        if now:
            known[number] = now
        else:
            known.pop(number, None)
        assert state == total(marks(one, ZONE) for one in known.values())


@given(histories())
@settings(max_examples=40)
def test_what_all_groups_have_is_what_the_whole_has(history: list[tuple[int, Trail | None]]) -> None:
    known = {number: one for number, one in history if one is not None}
    state = total(marks(one, ZONE) for one in known.values())
    since = date(2020, 1, 1)
    whole = grouped(state, "all", Only(), since)
    by: tuple[Dimension, ...] = ("seller", "team", "segment", "region")
    for dimension in by:
        parts = grouped(state, dimension, Only(), since)
        for figure in ("open_deals", "open_cents", "won_deals", "lost_deals"):
            assert sum(getattr(measure(cells, ASKED), figure) for cells in parts.values()) == sum(
                getattr(measure(cells, ASKED), figure) for cells in whole.values()
            )


def figures(*deals: Trail) -> list[Cell]:
    found = grouped(total(marks(one, ZONE) for one in deals), "all", Only(), date(2020, 1, 1))
    return found[("", "BRL")]


def days_ago(days: int) -> datetime:
    return datetime(2026, 11, 24, 15, tzinfo=UTC) - timedelta(days=days)


def test_what_stalls_is_overdue_and_was_pushed() -> None:
    quiet = deal(opened_at=days_ago(40), stages=[(days_ago(40), "proposal")], stage="proposal")
    busy = deal(
        opened_at=days_ago(100), stages=[(days_ago(100), "proposal")], stage="proposal", value_cents=30_000_00,
        last_activity_at=days_ago(2), expected_close_on=date(2026, 11, 20),
        dues=[(date(2026, 11, 1), date(2026, 11, 20)), (None, date(2026, 11, 1))],
    )  # fmt: skip
    found = measure(figures(quiet, busy), ASKED)
    assert (found.open_deals, found.open_cents) == (2, 40_000_00)
    assert (found.stalled.deals, found.stalled.share) == (1, 0.25)
    assert (found.overdue.deals, found.overdue.share) == (1, 0.75)
    assert (found.pushed.deals, found.pushed_days) == (1, 19)
    assert found.age_days == 70
    assert [part.deals for part in found.ages] == [0, 1, 0, 1, 0]


def closed(stage: str, *, opened: int, took: int, cents: int = 10_000_00) -> Trail:
    end = days_ago(opened - took)
    return deal(
        opened_at=days_ago(opened), closed_at=end, stage=stage, value_cents=cents,
        stages=[(days_ago(opened), "proposal"), (end, stage)],
    )  # fmt: skip


def test_velocity_is_open_deals_times_rate_times_value_over_length() -> None:
    won = [closed("closed_won", opened=90, took=20), closed("closed_won", opened=90, took=40, cents=30_000_00)]
    lost = [closed("closed_lost", opened=60, took=10) for _ in range(2)]
    open_ = [deal(opened_at=days_ago(5), stages=[(days_ago(5), "discovery")]) for _ in range(6)]
    found = measure(figures(*won, *lost, *open_), ASKED)
    assert (found.win_rate, found.cycle_days) == (0.5, 30)
    assert found.velocity_cents == pytest.approx(6 * 0.5 * 20_000_00 / 30)


def test_the_bottleneck_is_where_value_waits_beyond_the_usual() -> None:
    usual = [closed("closed_won", opened=100, took=10) for _ in range(3)]
    late = deal(opened_at=days_ago(70), stage="proposal", stages=[(days_ago(70), "proposal")])
    found = measure(figures(*usual, late), ASKED)
    assert found.bottleneck == "proposal"
    stage = next(stage for stage in found.stages if stage.stage == "proposal")
    assert (stage.usual_days, stage.waited_days, stage.overtime) == (10, 70, 60 * 10_000_00)


def test_coverage_is_what_is_due_over_what_is_missing() -> None:
    asked = replace(ASKED, target_cents=50_000_00)
    won = closed("closed_won", opened=40, took=20)
    due = [
        deal(expected_close_on=day, value_cents=20_000_00)
        for day in (date(2026, 12, 1), date(2026, 9, 1), date(2027, 2, 1))
    ]
    found = measure(figures(won, *due), asked).coverage
    # Overdue ones count, next year's do not.
    assert (found.won_cents, found.due_cents, found.times) == (10_000_00, 40_000_00, 1.0)
    assert measure(figures(won, *due), replace(ASKED, target_cents=9_000_00)).coverage.times is None


def test_days_are_the_tenants() -> None:
    late = deal(opened_at=datetime(2026, 3, 2, 1, tzinfo=UTC), stages=[])
    assert {mark.day for mark in marks(late, ZONE) if mark.kind == "opened"} == {date(2026, 3, 1)}
    assert {mark.day for mark in marks(late, ZoneInfo("UTC")) if mark.kind == "opened"} == {date(2026, 3, 2)}


# ── stays that have not ended ────────────────────────────────────────────────────────────────────────────────────────

LENGTHS = st.integers(0, 30)
OVER = st.dictionaries(st.tuples(st.sampled_from(["ahead", "behind", "back"]), LENGTHS), st.integers(1, 5), max_size=12)


@given(OVER, st.dictionaries(LENGTHS, st.integers(1, 5), max_size=8))
@settings(max_examples=100)
def test_shares_of_ends_are_one_whole(over: dict[tuple[str, int], int], lasting: dict[int, int]) -> None:
    found = ends(over, lasting)
    if found is None:
        assert not over
        assert not lasting
        return
    assert found.ahead + found.behind + found.back + found.undecided == pytest.approx(1)
    assert min(found.ahead, found.behind, found.back, found.undecided) >= -1e-12


@given(OVER.filter(bool))
@settings(max_examples=60)
def test_where_all_stays_are_over_shares_are_plain_shares(over: dict[tuple[str, int], int]) -> None:
    found, count = ends(over, {}), sum(over.values())
    assert found is not None
    for name in ("ahead", "behind", "back"):
        plain = sum(number for (end, _), number in over.items() if end == name) / count
        assert getattr(found, name) == pytest.approx(plain)


def test_open_deals_count_until_they_are_not_known_any_more() -> None:
    # Of ten, two went ahead on day 5, four are open since day 7, one went ahead and three were lost on day 10.
    found = ends({("ahead", 5): 2, ("ahead", 10): 1, ("behind", 10): 3}, {7: 4})
    assert found is not None
    assert found.ahead == pytest.approx(0.2 + 0.8 * 1 / 4)
    assert found.behind == pytest.approx(0.8 * 3 / 4)
    assert (found.undecided, found.median_days) == (pytest.approx(0), 10)
