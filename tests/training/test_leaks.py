"""The leak guard over the product's features: what knows the outcome is named, what is only good is not."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from training.leaks import in_deals, suspects
from training.simulated_pipeline import simulate

NAMES = ("stage", "meetings", "noise", "extra")
Matrix = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def table(seed: int, deals: int = 300) -> tuple[Matrix, Matrix, Matrix]:
    """Four rows of each deal; two features that tell something, one that tells nothing, one to be filled in."""
    rng = np.random.default_rng(seed)
    deal = np.repeat(np.arange(deals), 4)
    won = np.repeat((rng.random(deals) < 0.4).astype(np.float64), 4)
    x = rng.normal(size=(len(deal), 4)).astype(np.float32)
    x[:, 0] += 1.2 * won
    x[:, 1] += 0.8 * won
    return x, won, deal


def named(x: Matrix, won: Matrix, deal: Matrix) -> list[str]:
    return [leak.column for leak in suspects(x, won, deal, NAMES)]  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_good_features_are_no_leaks(seed: int) -> None:
    assert named(*table(seed)) == []


@pytest.mark.parametrize("seed", range(3))
def test_what_knows_the_outcome_is_named_and_nothing_else(seed: int) -> None:
    x, won, deal = table(seed)
    x[:, 3] = won + np.random.default_rng(seed).normal(scale=0.2, size=len(won))
    assert named(x, won, deal) == ["extra"]
    x[:, 3] = won * 1.9 + np.random.default_rng(seed).normal(size=len(won))
    x[:, :2] = np.random.default_rng(seed).normal(size=(len(won), 2))
    assert named(x, won, deal) == ["extra"], "much better alone than all others together"
    x[:, 3] = np.where(won > 0.5, np.nan, np.random.default_rng(seed).uniform(1, 9, len(won)))
    assert named(x, won, deal) == ["extra"], "filled in for the lost alone"


def test_few_deals_accuse_nobody() -> None:
    x, won, deal = table(1, deals=20)
    x[:, 3] = won
    assert named(x, won, deal) == []


@pytest.mark.parametrize("deals", [300])
def test_the_products_own_features_know_no_outcome(deals: int) -> None:
    simulated = simulate(deals=deals, until=datetime(2026, 11, 1, tzinfo=UTC))
    assert in_deals([deal.history for deal in simulated]) == []
