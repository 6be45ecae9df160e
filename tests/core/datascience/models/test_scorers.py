"""Shares add up to margins; those of trees are the libraries' own, those of a network near the exact ones."""

from __future__ import annotations

import itertools
import math
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datascience.models.bundle import Bundle, pack, unpack
from core.datascience.models.scorers import EVENTS, Inputs, Scorer, XgboostScorer, open_scorer
from core.datascience.models.sequence import SequenceScorer
from tests.fakes import models

X, Y = models.data()
FILES = {
    "logistic": models.logistic(X, Y),
    "xgboost": models.xgboost(X, Y),
    "lightgbm": models.lightgbm(X, Y),
}
ROWS = Inputs(X[:60])


def bundle(algorithm: str, files: dict[str, bytes] | None = None, **more: Any) -> Bundle:
    return unpack(pack(models.meta(algorithm, **more), files or FILES[algorithm]))


def ready(opened: Bundle) -> Scorer:
    """As a scorer is that answers often: trees in their tables."""
    scorer = open_scorer(opened)
    scorer.warm()
    return scorer


def stacked(**more: Any) -> Scorer:
    return ready(unpack(models.ensemble(FILES, [0.5, 0.3, -0.2], 0.1, **more)))


@pytest.mark.parametrize("algorithm", [*FILES, "ensemble"])
def test_shares_add_up_to_the_margins(algorithm: str) -> None:
    scorer = stacked() if algorithm == "ensemble" else ready(bundle(algorithm))
    shares = scorer.contributions(ROWS)
    assert shares.shape == (60, len(scorer.columns) + 1)
    assert shares.dtype == np.float64
    np.testing.assert_allclose(shares.sum(axis=1), scorer.margins(ROWS), atol=2e-5)
    assert np.ptp(shares[:, -1]) == 0
    assert np.std(scorer.margins(ROWS)) > 0.3


def native_xgboost(files: dict[str, bytes], x: Any) -> tuple[Any, Any]:
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(files["model.ubj"]))
    matrix = xgboost.DMatrix(x)
    return booster.predict(matrix, output_margin=True), booster.predict(matrix, pred_contribs=True)


def native_lightgbm(files: dict[str, bytes], x: Any) -> tuple[Any, Any]:
    booster = lightgbm.Booster(model_str=files["model.txt"].decode())
    return booster.predict(x, raw_score=True), booster.predict(x, pred_contrib=True)


# depth 4 and 6 fit into tables, depth 10 stays with the library
TREES = {
    "shallow": ("xgboost", models.xgboost(X, Y, depth=4, rounds=40)),
    "stumps": ("xgboost", models.xgboost(X, Y, depth=1, rounds=10)),
    "no split": ("xgboost", models.xgboost(X, Y, rounds=2, min_child_weight=1e9)),
    "random forest": ("xgboost", models.xgboost(X, Y, rounds=3, num_parallel_tree=4, subsample=0.5)),
    "weights of its own": ("xgboost", models.xgboost(X, Y, rounds=20, booster="dart", rate_drop=0.3)),
    "deep": ("xgboost", models.xgboost(X, Y, depth=14, rounds=60, min_child_weight=0.01)),
    "leaf-wise": ("lightgbm", models.lightgbm(X, Y, leaves=20, rounds=40)),
    "knows all": ("lightgbm", models.lightgbm(models.finite(X), Y)),
    "zero is unknown": ("lightgbm", models.lightgbm(models.finite(X), Y, zero_as_missing=True)),
}


@pytest.mark.parametrize("case", TREES)
def test_margins_and_shares_are_the_librarys_own(case: str) -> None:
    algorithm, files = TREES[case]
    x = X[:200] if algorithm == "xgboost" or case == "leaf-wise" else np.vstack([models.finite(X[:150]), X[150:200]])
    margins, shares = (native_xgboost if algorithm == "xgboost" else native_lightgbm)(files, x)
    for scorer in (open_scorer(bundle(algorithm, files)), ready(bundle(algorithm, files))):
        np.testing.assert_allclose(scorer.margins(Inputs(x)), margins, atol=1e-6)
        np.testing.assert_allclose(scorer.contributions(Inputs(x)), shares, atol=2e-5)


@settings(max_examples=40, deadline=None)
@given(
    row=st.lists(
        st.one_of(st.floats(-5, 5, width=32), st.just(math.nan), st.sampled_from([float(v) for v in X[5] if v == v])),
        min_size=6, max_size=6,
    )
)  # fmt: skip
def test_any_row_has_the_librarys_shares(row: list[float]) -> None:
    """Unknown values, and values that lie on a split."""
    x = np.array([row], np.float32)
    for algorithm, native in (("xgboost", native_xgboost), ("lightgbm", native_lightgbm)):
        found = ready(bundle(algorithm)).contributions(Inputs(x))
        np.testing.assert_allclose(found, native(FILES[algorithm], x)[1], atol=2e-5)


def test_a_value_on_a_split_goes_the_librarys_way() -> None:
    for algorithm, native in (("xgboost", native_xgboost), ("lightgbm", native_lightgbm)):
        splits = sorted({float(v) for v in thresholds(algorithm)})[:200]
        x = np.zeros((3 * len(splits), 6), np.float32)
        near = [np.float32(v) for v in splits]
        beside = [np.nextafter(v, np.float32(way)) for v in near for way in (-9, 9)]
        x[:] = np.array([*near, *beside])[:, None]
        found = ready(bundle(algorithm)).contributions(Inputs(x))
        np.testing.assert_allclose(found, native(FILES[algorithm], x)[1], atol=2e-5)


def thresholds(algorithm: str) -> list[float]:
    if algorithm == "lightgbm":
        frame = lightgbm.Booster(model_str=FILES[algorithm]["model.txt"].decode()).trees_to_dataframe()
        return list(frame["threshold"].dropna())
    booster = xgboost.Booster()
    booster.load_model(bytearray(FILES[algorithm]["model.ubj"]))
    return list(booster.trees_to_dataframe()["Split"].dropna())


def test_logistic_shares_are_its_terms_from_the_mean() -> None:
    held = np.load(models.io.BytesIO(FILES["logistic"]["weights.npz"]))
    filled = np.where(np.isnan(X), held["fill"], X)
    shares = ready(bundle("logistic")).contributions(Inputs(X))
    np.testing.assert_allclose(shares[:, :-1], (filled - held["mean"]) / held["scale"] * held["coef"], atol=1e-6)
    np.testing.assert_allclose(shares[:, -1], held["intercept"][0])


def test_an_open_model_says_what_it_holds() -> None:
    small, large = (XgboostScorer(bundle("xgboost", models.xgboost(X, Y, rounds=n))) for n in (5, 50))
    assert large.nbytes > 4 * small.nbytes > 10_000


def test_many_rows_make_their_tables_themselves() -> None:
    scorer = open_scorer(bundle("xgboost"))
    before, few = scorer.nbytes, scorer.contributions(Inputs(X[:50]))
    assert scorer.nbytes == before
    many = scorer.contributions(Inputs(X[:500]))
    assert scorer.nbytes > before
    np.testing.assert_allclose(many[:50], few, atol=2e-5)


# ── sequences ────────────────────────────────────────────────────────────────────────────────────────────────────────

FEW = ("a", "b", "c", "d")
BACK = models.sequences(16, features=len(FEW), seed=9)
NETWORK = models.lstm(features=len(FEW), background=BACK)


def exact(scorer: Scorer, one: Inputs) -> Any:
    """Shapley values by all sets of the features and the sequence, over the whole background: (columns + 1,)."""
    assert one.events is not None
    assert one.lengths is not None
    assert BACK.events is not None
    assert BACK.lengths is not None
    players, count = len(scorer.columns), len(BACK.x)
    worth = {}
    for size in range(players + 1):
        for known in itertools.combinations(range(players), size):
            x = BACK.x.copy()
            for place in known:
                if place < len(FEW):
                    x[:, place] = one.x[0, place]
            heard = players - 1 in known
            events = np.repeat(one.events, count, axis=0) if heard else BACK.events
            lengths = np.repeat(one.lengths, count) if heard else BACK.lengths
            worth[frozenset(known)] = scorer.margins(Inputs(x, events, lengths)).mean()
    found = np.zeros(players + 1)
    for mine, (known, value) in itertools.product(range(players), worth.items()):
        if mine not in known:
            weight = math.factorial(len(known)) * math.factorial(players - 1 - len(known)) / math.factorial(players)
            found[mine] += weight * (worth[known | {mine}] - value)
    found[-1] = worth[frozenset()]
    return found


def test_sampled_shares_are_near_the_exact_ones() -> None:
    """The mean error, as a share of the range of the margins."""
    rows = models.sequences(20, features=len(FEW), seed=4)
    assert rows.events is not None
    assert rows.lengths is not None
    given = unpack(pack(models.meta("lstm", FEW), NETWORK))
    errors = {}
    for walks in (16, 64, 512):
        scorer = SequenceScorer(given, walks=walks)
        sampled = scorer.contributions(rows)
        np.testing.assert_allclose(sampled.sum(axis=1), scorer.margins(rows), atol=1e-5)
        true = [
            exact(scorer, Inputs(rows.x[n : n + 1], rows.events[n : n + 1], rows.lengths[n : n + 1])) for n in range(20)
        ]
        np.testing.assert_allclose(sampled[:, -1], np.array(true)[:, -1], atol=1e-5)
        errors[walks] = float(np.abs(sampled - true).mean() / np.ptp(scorer.margins(rows)))
    assert errors[64] < 0.004
    assert errors[512] < errors[64] < errors[16]


def test_the_same_sequence_has_the_same_reasons() -> None:
    scorer = ready(unpack(pack(models.meta("lstm", FEW), NETWORK)))
    rows = models.sequences(3, features=len(FEW))
    assert scorer.columns == (*FEW, EVENTS)
    np.testing.assert_array_equal(scorer.contributions(rows), scorer.contributions(rows))


def test_a_sequence_beside_trees() -> None:
    x, y = models.data(features=4)
    members = {"xgboost": models.xgboost(x, y), "lstm": NETWORK}
    scorer = ready(unpack(models.ensemble(members, [0.6, 0.4], 0.0, names=FEW)))
    rows = models.sequences(5, features=4)
    assert scorer.columns == (*FEW, EVENTS)
    np.testing.assert_allclose(scorer.contributions(rows).sum(axis=1), scorer.margins(rows), atol=1e-5)
