"""How long things last where many have not ended: against lifetimes that are known in full."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.forecasting.features import NAMES, DealHistory, build
from training import days
from training.moments import joined, snapshots
from training.simulated_pipeline import simulate
from training.survival import kaplan_meier

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
SHARES = st.floats(0.01, 0.99)


def test_where_all_have_ended_it_is_the_plain_quantile() -> None:
    time = np.arange(1.0, 101.0)
    curve = kaplan_meier(time, np.ones(100, bool))
    for share in (0.05, 0.5, 0.95):
        assert curve.quantile(share) == pytest.approx(100 * share, abs=1)


def test_a_textbook_example() -> None:
    """Remission of leukaemia, group on 6-MP (Freireich et al., 1963): the curve as it is printed everywhere."""
    time = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    ended = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    curve = kaplan_meier(np.array(time, float), np.array(ended, bool))
    assert curve.times.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.alive == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=0.0006)
    assert curve.quantile(0.5) == 23


@given(st.lists(st.tuples(st.floats(0.1, 500), st.booleans()), min_size=1, max_size=40), SHARES, SHARES)
def test_quantiles_rise_and_lie_beyond_those_that_leave_out_what_goes_on(
    lives: list[tuple[float, bool]], a: float, b: float
) -> None:
    time, ended = np.array([t for t, _ in lives]), np.array([e for _, e in lives])
    curve = kaplan_meier(time, ended)
    low, high = sorted((a, b))
    assert 0 < curve.quantile(low) <= curve.quantile(high)
    assert (np.diff(curve.alive) <= 0).all()
    if ended.any():
        assert curve.quantile(low) >= kaplan_meier(time, np.ones(len(time), bool)).quantile(low) - 1e-9
    else:
        assert math.isinf(curve.quantile(low))


def test_exponential_lives_are_found_again_behind_a_curtain() -> None:
    rng = np.random.default_rng(3)
    lives, curtain = rng.exponential(100, 20_000), rng.uniform(0, 120, 20_000)
    curve = kaplan_meier(np.minimum(lives, curtain), lives <= curtain)
    for share in (0.05, 0.5, 0.95):
        assert curve.quantile(share) == pytest.approx(-100 * math.log(1 - share), rel=0.07)


def as_known(history: DealHistory, at: datetime) -> DealHistory:
    return (
        history
        if history.closed_at and history.closed_at <= at
        else dataclasses.replace(history, closed_at=None, won=None)
    )


def ended_before(full: list[DealHistory], then: datetime, *, with_open: bool) -> NDArray[np.float64]:
    """By what was known at `then`: the share of the deals open then that ended before each quantile of their stage."""
    known = [as_known(history, then) for history in full if history.opened_at < then]
    data = snapshots([h for h in known if h.closed_at], every_days=7)
    if with_open:
        data = joined(data, snapshots([h for h in known if not h.closed_at], every_days=7, until=then))
    stage = data.x[:, NAMES.index("stage")]
    table = {number: days.quantiles(data, stage == number, then.timestamp()) for number in range(days.STAGES)}
    found = []
    for history in full:
        end = history.closed_at or UNTIL
        if history.opened_at < then < end:
            quantiles = table[int(build(history, then)["stage"] or 0)]
            found.append([(end - then).total_seconds() / 86_400 < quantile for quantile in quantiles])
    return np.mean(found, axis=0)


def test_days_of_open_deals_are_no_longer_underestimated() -> None:
    """Pipelines as they were known half-way, beside what became of the deals that were open then."""
    pipelines = [[deal.history for deal in simulate(deals=1500, until=UNTIL, seed=seed)] for seed in (3, 4, 5)]
    then = UNTIL - timedelta(days=260)
    ours = np.mean([ended_before(full, then, with_open=True) for full in pipelines], axis=0)
    without = np.mean([ended_before(full, then, with_open=False) for full in pipelines], axis=0)
    assert ours == pytest.approx([0.05, 0.5, 0.95], abs=0.06)
    assert (without[1:] < ours[1:] - 0.03).all()
