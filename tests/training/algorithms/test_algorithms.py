"""Every algorithm learns what is there, gives the same bytes again, and says what the scorer says that serves it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from core.datascience.models.bundle import Bundle, Feature, Meta, pack, unpack
from core.datascience.models.calibration import sigmoid
from core.datascience.models.scorers import Inputs, open_scorer
from training.algorithms import ALGORITHMS, Fitted, Table, TooFewOutcomes
from training.algorithms.ensemble import forward, stack

RECIPES: dict[str, dict[str, Any]] = {
    "logistic": {"c": 1.0},
    "xgboost": {"booster": {"eta": 0.2, "max_depth": 3, "seed": 7}, "rounds": 30},
    "lightgbm": {"booster": {"learning_rate": 0.2, "num_leaves": 7, "seed": 7}, "rounds": 30},
}
RECIPES["ensemble"] = {"members": dict(RECIPES), "folds": 3}


def table(rows: int = 1_200, seed: int = 1) -> Table:
    """Three columns, of which one has gaps; two of them matter, one by its square."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    won = (rng.uniform(size=rows) < sigmoid(1.5 * x[:, 0] + x[:, 1] ** 2 - 1)).astype(float)
    x[rng.uniform(size=rows) < 0.2, 2] = np.nan
    return Table(x, won, np.ones(rows), np.arange(rows, dtype=float), ("a", "b", "c"))


def bundle(fitted: Fitted, names: tuple[str, ...]) -> Bundle:
    features = tuple(Feature(name=name, low=-9, high=9) for name in names)
    meta = Meta(algorithm=fitted.algorithm, context="forecast", features=features, **fitted.meta)  # type: ignore[arg-type]
    return unpack(pack(meta, fitted.files))


@pytest.mark.parametrize("name", sorted(ALGORITHMS.keys() & RECIPES.keys()))
def test_it_learns_and_the_scorer_that_serves_says_the_same(name: str) -> None:
    learnt, new = table(), table(seed=2)
    fitted = ALGORITHMS[name].fit(learnt, RECIPES[name])
    margins = ALGORITHMS[name].margins(fitted, new)
    assert roc_auc_score(new.y, margins) > 0.74
    assert open_scorer(bundle(fitted, new.names)).margins(Inputs(new.x)) == pytest.approx(margins, abs=1e-4)


@pytest.mark.parametrize("name", sorted(ALGORITHMS.keys() & RECIPES.keys()))
def test_the_same_table_gives_the_same_bytes(name: str) -> None:
    first, second = (ALGORITHMS[name].fit(table(300), RECIPES[name]) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", sorted(ALGORITHMS.keys() & RECIPES.keys()))
def test_where_all_was_won_there_is_nothing_to_learn(name: str) -> None:
    one = table(100)
    with pytest.raises(TooFewOutcomes):
        ALGORITHMS[name].fit(one.take(one.y > 0), RECIPES[name])


def test_a_row_of_weight_two_teaches_like_two_rows() -> None:
    once = table(400)
    twice = once.take(np.concatenate([np.arange(400), np.flatnonzero(once.x[:, 0] > 0)]))
    heavy = Table(once.x, once.y, np.where(once.x[:, 0] > 0, 2.0, 1.0), once.at, once.names)
    how = {"c": 1e6}  # no ridge, whose part depends on the number of rows
    said = [ALGORITHMS["logistic"].margins(ALGORITHMS["logistic"].fit(t, how), once) for t in (twice, heavy)]
    assert said[0] == pytest.approx(said[1], abs=0.02)


def test_a_logistic_column_that_is_always_missing_says_nothing() -> None:
    seen = table(300)
    seen.x[:, 2] = np.nan
    fitted = ALGORITHMS["logistic"].fit(seen, {"c": 1.0})
    changed = seen.take(np.arange(300))
    changed.x[:, 2] = 5.0
    logistic = ALGORITHMS["logistic"]
    assert np.isfinite(logistic.margins(fitted, changed)).all()
    assert logistic.margins(fitted, changed) == pytest.approx(logistic.margins(fitted, seen))


def test_an_ensemble_is_about_as_good_as_its_best_member() -> None:
    learnt, new = table(2_000), table(2_000, seed=3)
    auc = {}
    for name, how in RECIPES.items():
        fitted = ALGORITHMS[name].fit(learnt, how)
        auc[name] = roc_auc_score(new.y, ALGORITHMS[name].margins(fitted, new))
    assert auc["ensemble"] > max(auc.values()) - 0.01


def test_a_member_that_knows_nothing_gets_no_weight() -> None:
    rng = np.random.default_rng(4)
    good = rng.normal(0, 2, 4_000)
    won = (rng.uniform(size=4_000) < sigmoid(good)).astype(float)
    margins = np.stack([good, rng.normal(0, 2, 4_000), -good], axis=1)
    weights, shift = stack(margins, won, np.ones(4_000))
    assert weights[0] == pytest.approx(1, abs=0.1)
    assert abs(weights[1]) < 0.1
    assert weights[2] == 0
    assert abs(shift) < 0.2


def test_with_nothing_to_weigh_members_by_they_count_alike() -> None:
    assert stack(np.zeros((0, 2)), np.zeros(0), np.zeros(0)) == ([0.5, 0.5], 0.0)


@settings(deadline=None)
@given(st.integers(20, 120), st.integers(1, 6), st.integers(0, 30), st.integers(0, 999))
def test_rolling_origins_learn_only_from_what_was_known(rows: int, folds: int, late: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    at = rng.integers(0, 60, rows).astype(float)
    group = rng.integers(0, rows // 2, rows)
    data = Table(
        np.zeros((rows, 1), np.float32), rng.integers(0, 2, rows).astype(float), np.ones(rows), at, ("a",),
        known=at + late, group=group,
    )  # fmt: skip
    judged: list[int] = []
    for learn, judge in forward(data, folds):
        begin = at[judge].min()
        assert (at[learn] < begin).all()
        assert (at[learn] + late < at[judge].max() + 1).all()
        assert not set(group[learn]) & set(group[judge])
        judged += judge.tolist()
    assert len(judged) == len(set(judged))
