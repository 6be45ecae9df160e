"""A test that may be looked at after every outcome: how often it is wrong, how soon it is right."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from core.datascience.drift.sequential import Duel, split_difference

World = Callable[[np.random.Generator], list[float]]
OUTCOMES, WORLDS = 300, 400


def equals(rng: np.random.Generator) -> list[float]:
    """Two blurred views of the same truth, by Brier score."""
    truth = rng.random(OUTCOMES)
    won = rng.random(OUTCOMES) < truth
    a, b = (np.clip(truth + rng.normal(0, 0.2, OUTCOMES), 0, 1) for _ in range(2))
    return list((a - won) ** 2 - (b - won) ** 2)


def coins(rng: np.random.Generator) -> list[float]:
    """The hardest fair game: all or nothing each time."""
    return list(rng.choice([-1.0, 1.0], OUTCOMES))


def turning(rng: np.random.Generator) -> list[float]:
    """Fair at every moment given the past, and wilder after each loss."""
    found, wild = [], 0.1
    for _ in range(OUTCOMES):
        found.append(wild if rng.random() < 0.5 else -wild)
        wild = 1.0 if found[-1] < 0 else 0.1
    return found


def skewed(rng: np.random.Generator) -> list[float]:
    """Mean 0, seldom and much on one side."""
    return list(np.where(rng.random(OUTCOMES) < 0.1, 0.9, -0.1))


def decides(differences: list[float]) -> bool:
    """At 5 %, looking after each of them."""
    return Duel(0.05).extend(differences).standing().winner is not None


@pytest.mark.parametrize("world", [equals, coins, turning, skewed])
def test_peeking_after_each_outcome_raises_few_false_alarms(world: World) -> None:
    """At 5 % for both sides together, over 400 worlds of 300 looks each: .083 is passed once in a thousand runs."""
    wrong = sum(
        Duel(0.05).extend(world(np.random.default_rng(seed))).standing().winner is not None for seed in range(WORLDS)
    )
    assert wrong / WORLDS <= 0.05 + 3.1 * (0.05 * 0.95 / WORLDS) ** 0.5


@pytest.mark.parametrize("world", [equals, coins])
def test_the_interval_holds_at_all_times_together(world: World) -> None:
    missed = 0
    for seed in range(100):
        duel = Duel(0.1)
        for difference in itertools.islice(world(np.random.default_rng(seed)), 150):
            duel.add(difference)
            standing = duel.standing()
            if not standing.low <= 0 <= standing.high:
                missed += 1
                break
    assert missed / 100 <= 0.2


@pytest.mark.parametrize(("better", "winner"), [(0.06, "challenger"), (-0.06, "champion")])
def test_a_real_difference_is_found_and_soon(better: float, winner: str) -> None:
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        standing = Duel(0.05).extend(np.clip(rng.normal(better, 0.2, 600), -1, 1)).standing()
        assert standing.winner == winner
        assert standing.decided_at is not None
        assert standing.low < better < standing.high
        found.append(standing.decided_at)
    assert np.median(found) < 200


@given(st.lists(st.floats(-1, 1), max_size=60))
@how(deadline=None, max_examples=60)
def test_the_two_sides_mirror_each_other_and_wealth_stays_above_nothing(differences: list[float]) -> None:
    there, back = (Duel().extend(sign * d for d in differences).standing() for sign in (1, -1))
    assert there.for_challenger == pytest.approx(back.for_champion)
    assert there.for_champion == pytest.approx(back.for_challenger)
    assert there.for_challenger > 0
    assert there.low == pytest.approx(-back.high)
    assert -1 <= there.low <= there.better <= there.high <= 1 or there.outcomes == 0


def test_a_verdict_stays() -> None:
    duel = Duel().extend([0.5] * 60)
    decided = duel.standing()
    assert decided.winner == "challenger"
    duel.extend([-0.5] * 400)
    assert (duel.standing().winner, duel.standing().decided_at) == (decided.winner, decided.decided_at)


def test_nothing_seen_decides_nothing() -> None:
    standing = Duel().standing()
    assert (standing.outcomes, standing.winner, standing.low, standing.high) == (0, None, -1, 1)


# ── split traffic ────────────────────────────────────────────────────────────────────────────────────────────────────


def split(rng: np.random.Generator, share: float, better: float, count: int = 3000) -> list[float]:
    """Each deal is answered by one of the two; its loss is around .2, and less by `better` with the challenger."""
    found, mean = [], 0.25
    for number in range(count):
        his = rng.random() < share
        loss = float(np.clip(rng.normal(0.2 - better * his, 0.1), 0, 1))
        found.append(split_difference(loss, mean, share, his))
        mean += (loss - mean) / (number + 2)
    return found


def test_differences_of_split_traffic_stay_within_bounds_and_mean_the_advantage() -> None:
    for share in (0.1, 0.5):
        found = split(np.random.default_rng(1), share, 0.05, 20_000)
        assert max(map(abs, found)) <= 1
        assert np.mean(found) == pytest.approx(0.05 * share, abs=0.15 * 0.05)


def test_split_traffic_raises_few_false_alarms_and_finds_the_better() -> None:
    wrong = sum(
        Duel().extend(split(np.random.default_rng(s), 0.3, 0, 300)).standing().winner is not None for s in range(200)
    )
    assert wrong / 200 <= 0.1
    for seed in range(10):
        assert Duel().extend(split(np.random.default_rng(seed), 0.3, 0.1)).standing().winner == "challenger"
