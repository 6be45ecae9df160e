"""An LSTM: it learns from the order of what happened, goes on where it was killed, and serves without torch."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from core.datascience.models.bundle import Feature, Meta, pack, unpack
from core.datascience.models.scorers import Inputs
from core.datascience.models.sequence import SequenceScorer
from training.algorithms import Fitted, Table
from training.algorithms.sequence import Lstm, fit, learn

HOW: dict[str, Any] = {
    "epochs": 8, "batch": 64, "hidden": 8, "dropout": 0.1, "learning_rate": 0.02, "weight_decay": 0.0,
    "checkpoint_every_epochs": 2, "seed": 7,
}  # fmt: skip


def table(rows: int = 600, seed: int = 1) -> Table:
    """Won where of two kinds of events the first came last: no count of events tells it."""
    rng = np.random.default_rng(seed)
    events, lengths = np.zeros((rows, 8, 3), np.float32), rng.integers(2, 9, rows)
    won = rng.integers(0, 2, rows)
    for row, (length, outcome) in enumerate(zip(lengths, won, strict=True)):
        kinds = rng.permutation(np.arange(length) % 2)
        last = np.flatnonzero(kinds == outcome)[-1]
        kinds[[last, -1]] = kinds[[-1, last]]
        events[row, :length, 0] = 1
        events[row, np.arange(length), 1 + kinds] = 1
    x = rng.normal(size=(rows, 2)).astype(np.float32)
    x[rng.uniform(size=rows) < 0.2, 1] = np.nan
    return Table(
        x, won.astype(float), np.ones(rows), np.arange(rows, dtype=float), ("a", "b"), events=events,
        lengths=lengths.astype(np.int64),
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit(table(), HOW)


def scorer(fitted: Fitted) -> SequenceScorer:
    features = tuple(Feature(name=name, low=-9, high=9) for name in ("a", "b"))
    return SequenceScorer(unpack(pack(Meta(algorithm="lstm", context="forecast", features=features), fitted.files)))


def test_it_learns_an_order_and_serves_what_it_learnt(fitted: Fitted) -> None:
    new = table(400, seed=2)
    said = Lstm().margins(fitted, new)
    assert roc_auc_score(new.y, said) > 0.95
    assert scorer(fitted).margins(Inputs(new.x, new.events, new.lengths)) == pytest.approx(said, abs=1e-5)


def test_rows_are_scored_at_any_number_of_rows_and_steps(fitted: Fitted) -> None:
    new = table(5, seed=2)
    assert new.events is not None
    assert new.lengths is not None
    whole = scorer(fitted).margins(Inputs(new.x, new.events, new.lengths))
    for row, length in enumerate(new.lengths):
        one = slice(row, row + 1)
        alone = scorer(fitted).margins(Inputs(new.x[one], new.events[one, :length], new.lengths[one]))
        assert alone == pytest.approx(whole[one], abs=1e-5)


def test_reasons_read_each_sequence_once_and_say_the_same(fitted: Fitted) -> None:
    """As a network without `which` would say it, row for row."""
    new = table(3, seed=2)
    inputs = Inputs(new.x, new.events, new.lengths)
    quick, slow = scorer(fitted), scorer(fitted)
    assert "which" in slow._inputs
    slow._inputs = slow._inputs - {"which"}
    slow._run = lambda x, events, lengths: Lstm().margins(  # type: ignore[method-assign]
        fitted, Table(x, x[:, 0], x[:, 0], x[:, 0], ("a", "b"), events=events, lengths=lengths)
    )
    shares = quick.contributions(inputs)
    assert shares == pytest.approx(slow.contributions(inputs), abs=1e-5)
    assert shares.sum(axis=1) == pytest.approx(quick.margins(inputs), abs=1e-5)


class Killed(Exception):
    pass


def test_a_fit_that_was_killed_goes_on_and_ends_the_same(fitted: Fitted, tmp_path: Path) -> None:
    """Killed in the middle, after the state of four epochs was kept."""
    states: dict[int, bytes] = {}

    def killed(epochs: int, state: bytes) -> None:
        states[epochs] = state
        if epochs == 4:
            raise Killed

    with pytest.raises(Killed):
        learn(table(), HOW, kept=killed)
    (tmp_path / "state.pt").write_bytes(states[4])
    again = fit(table(), HOW, keep=tmp_path)
    assert Lstm().margins(again, table()) == pytest.approx(Lstm().margins(fitted, table()), abs=1e-6)
    import torch

    kept = torch.load(io.BytesIO((tmp_path / "state.pt").read_bytes()), weights_only=True)
    assert kept["epochs"] == 8


def test_the_same_table_gives_the_same_bytes(fitted: Fitted) -> None:
    assert fit(table(), HOW).files == fitted.files
