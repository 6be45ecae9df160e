"""The pipeline that never was: the same from the same seed, and outcomes that follow from what happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from core.forecasting.features import SEGMENTS, SOURCES, STAGES
from training.simulated_pipeline import SimulatedDeal, simulate

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def deals() -> list[SimulatedDeal]:
    return simulate(until=UNTIL)


def test_the_same_seed_gives_the_same_deals() -> None:
    first = simulate(deals=50, until=UNTIL, seed=3)
    assert simulate(deals=50, until=UNTIL, seed=3) == first
    assert simulate(deals=50, until=UNTIL, seed=4) != first


@pytest.mark.parametrize("count", [1, 40, 1500])
def test_as_many_deals_as_asked_for(count: int) -> None:
    found = simulate(deals=count, until=UNTIL)
    assert len(found) == count
    assert len({deal.account for deal in found}) == len({deal.email for deal in found}) == count


def test_both_languages_with_money_of_their_own(deals: list[SimulatedDeal]) -> None:
    share = np.mean([deal.language == "pt" for deal in deals])
    assert 0.5 < share < 0.7
    assert {(deal.language, deal.history.currency) for deal in deals} == {("pt", "BRL"), ("en", "USD")}
    regions = {(deal.language, deal.history.region) for deal in deals}
    assert regions == {
        *(("pt", name) for name in ("sudeste", "sul", "nordeste", "centro-oeste")),
        *(("en", name) for name in ("us-east", "us-west")),
    }


def test_won_lost_and_open_in_plausible_shares(deals: list[SimulatedDeal]) -> None:
    outcomes = [deal.history.won for deal in deals]
    assert 0.05 < np.mean([won is None for won in outcomes]) < 0.25
    assert 0.3 < np.mean([won for won in outcomes if won is not None]) < 0.6
    assert {deal.seller for deal in deals} == set(range(6))


def test_every_life_is_in_order_and_ends_where_it_says(deals: list[SimulatedDeal]) -> None:
    for deal in deals:
        life = deal.history
        end = life.closed_at or UNTIL
        assert UNTIL - timedelta(days=550) < life.opened_at < end <= UNTIL
        assert life.segment in SEGMENTS
        assert life.source in SOURCES
        assert life.value_cents > 0
        at = [change.at for change in life.stage_changes]
        assert at == sorted(at)
        assert at[0] == life.opened_at
        assert {change.stage for change in life.stage_changes} <= set(STAGES)
        heard = [activity.at for activity in life.activities]
        assert heard == sorted(heard)
        assert all(when <= end for when in heard)
        last = life.stage_changes[-1]
        closing = {True: "closed_won", False: "closed_lost"}
        if life.won is None:
            assert (life.closed_at, last.stage in STAGES[:5]) == (None, True)
        else:
            assert (last.at, last.stage) == (life.closed_at, closing[life.won])


@pytest.mark.parametrize(("signal", "least"), [("sentiment", 0.05), ("has_next_step", 0.05)])
def test_won_deals_heard_better_calls(deals: list[SimulatedDeal], signal: str, least: float) -> None:
    def mean(won: bool) -> float:
        heard = [getattr(a, signal) for d in deals if d.history.won is won for a in d.history.activities
                 if a.sentiment is not None]  # fmt: skip
        return float(np.mean(heard))

    assert mean(True) - mean(False) > least


def test_referrals_win_more_than_cold_calls(deals: list[SimulatedDeal]) -> None:
    def won(source: str) -> float:
        return float(
            np.mean([d.history.won for d in deals if d.history.source == source and d.history.won is not None])
        )

    assert won("referral") > won("outbound") + 0.1
