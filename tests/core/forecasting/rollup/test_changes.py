"""What changed between two moments adds up to the cent, and every kind of change has its name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.forecasting.rollup.changes import totals
from core.forecasting.rollup.correlation import Correlation
from core.forecasting.rollup.explain import Explained, compare
from core.forecasting.rollup.outlook import Outlook
from core.forecasting.rollup.pipeline import Dimension, Position
from core.forecasting.rollup.roll_up import roll_up
from tests.core.forecasting.rollup.pipelines import AT, PERIOD, odds, pipeline, position

SINCE = AT - timedelta(days=9)
NONE = Outlook(Correlation.of(0.0))


def explained(was: list[Position], now: list[Position], by: Dimension = "all", key: str = "") -> Explained:
    return compare(was, now, (SINCE, AT), PERIOD, (by, key, "BRL"), (NONE, NONE))


def changed(deal: Position, draw: Any) -> Position:
    """What may have become of a deal."""
    kind = draw(
        st.sampled_from(("same", "won", "won_late", "lost", "value", "odds", "later", "owner", "unknown", "all"))
    )
    if kind in ("won", "won_late", "lost"):
        day = AT - timedelta(days=1) if kind != "won_late" else PERIOD.begin - timedelta(days=1)
        return replace(deal, outcome=kind[:4].strip("_") if kind != "lost" else "lost", closed_at=day)
    if kind in ("value", "all"):
        deal = replace(deal, value_cents=draw(st.integers(0, 10**12)))
    if kind in ("odds", "all", "later"):
        p = draw(st.floats(0, 1)) if kind != "later" else 0.4
        shift = draw(st.integers(-10, 300)) if kind != "odds" else 0
        deal = replace(deal, odds=odds(p, 10 + max(0, shift), 30 + max(0, shift), 80 + max(0, shift)))
    if kind in ("owner", "all"):
        deal = replace(deal, team=draw(st.sampled_from(("north", "south", None))))
    return replace(deal, odds=None) if kind == "unknown" else deal


@settings(max_examples=60, deadline=None)
@given(data=st.data(), seed=st.integers(0, 1000))
def test_effects_add_up_to_the_difference_of_the_roll_ups(data: st.DataObject, seed: int) -> None:
    deals = pipeline(seed, data.draw(st.integers(0, 12)))
    was = [changed(deal, data.draw) for deal in deals]
    now = [changed(deal, data.draw) for deal in deals] + pipeline(seed + 1, data.draw(st.integers(0, 3)))
    for by, keys in (("all", [""]), ("team", ["north", "south", ""])):
        for key in keys:
            found = explained(was, now, by, key)  # type: ignore[arg-type]
            assert found.after_cents - found.before_cents == sum(cents for cents, _ in totals(found.effects).values())
            for told, positions, at in ((found.before_cents, was, SINCE), (found.after_cents, now, AT)):
                groups = roll_up(positions, at, PERIOD, by, NONE)  # type: ignore[arg-type]
                assert told == sum(g.total.expected_cents for g in groups if (g.key, g.currency) == (key, "BRL"))
            for effect in found.effects:
                before, after = effect.before, effect.after
                assert effect.cents == (after.cents if after else 0) - (before.cents if before else 0)


def one(was: Position | None, now: Position, **group: Any) -> dict[str, int]:
    found = explained([was] if was else [], [now], **group)
    assert len(found.effects) <= 1
    return found.effects[0].parts if found.effects else {}


OPEN = position(1, odds=odds(0.5, made_days_ago=9))
WON = replace(OPEN, outcome="won", closed_at=AT)


@pytest.mark.parametrize(
    ("was", "now", "kind", "sign"),
    [
        (None, OPEN, "new", 1),
        (None, WON, "new", 1),
        (replace(OPEN, odds=None), OPEN, "first_forecast", 1),
        (OPEN, WON, "won", 1),
        (OPEN, replace(WON, closed_at=PERIOD.begin - timedelta(days=1)), "won_elsewhere", -1),
        (OPEN, replace(OPEN, outcome="lost", closed_at=AT), "lost", -1),
        (WON, OPEN, "reopened", -1),
        (WON, replace(WON, value_cents=5), "value", -1),
        (OPEN, replace(OPEN, value_cents=2_000_00), "value", 1),
        (OPEN, replace(OPEN, odds=odds(0.2, made_days_ago=9)), "probability", -1),
        (OPEN, replace(OPEN, odds=odds(0.5, 200, 300, 400)), "slipped", -1),
        (replace(OPEN, odds=odds(0.5, 200, 300, 400, made_days_ago=9)), OPEN, "pulled_in", 1),
    ],
)
def test_each_change_has_its_name(was: Position | None, now: Position, kind: str, sign: int) -> None:
    parts = one(was, now)
    assert parts[kind] * sign > 0
    # Beside it only time itself may have passed.
    assert set(parts) - {kind} <= {"slipped", "pulled_in"}


def test_a_deal_that_changes_hands_leaves_one_team_and_enters_the_other() -> None:
    now = replace(OPEN, team="south")
    was = replace(OPEN, team="north")
    left, entered = one(was, now, by="team", key="north"), one(was, now, by="team", key="south")
    assert set(left) == {"left"}
    assert set(entered) == {"entered"}
    assert one(was, now).keys() <= {"slipped", "pulled_in"}


def test_nothing_changed_is_no_effect() -> None:
    lost = replace(OPEN, outcome="lost", closed_at=SINCE - timedelta(days=1))
    assert explained([lost], [lost]).effects == []


def test_the_largest_effect_comes_first() -> None:
    was = pipeline(1, 30)
    now = [replace(deal, outcome="lost", closed_at=AT) for deal in was]
    sizes = [abs(effect.cents) for effect in explained(was, now).effects]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 30
