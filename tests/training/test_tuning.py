"""What a search looks at and what is kept of it; a whole one on Ray, killed in the middle, is in `tests/e2e`."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import recipes, tuning
from training.recipes import RecipeError


@given(moments=st.lists(st.integers(1, 9), min_size=8, max_size=60), count=st.integers(2, 6), seed=st.integers(0, 99))
def test_a_fold_is_newer_than_all_that_is_learnt_for_it(moments: list[int], count: int, seed: int) -> None:
    deal = np.repeat(np.arange(len(moments)) * 3, moments)
    np.random.default_rng(seed).shuffle(deal)
    found = tuning.folds(deal, count)
    assert len(found) == count
    judged = np.zeros(len(deal), int)
    for learn, newer in found:
        assert learn.any()
        assert newer.any()
        assert deal[learn].max() < deal[newer].min()
        judged += newer
    # Each deal but those of the oldest stretch is judged once.
    assert (judged == (deal >= deal[found[0][1]].min())).all()


def kept(at: Path, *statuses: str) -> Path:
    """A search as Tune writes it down."""
    at.mkdir()
    trials = [[json.dumps({"status": status}), "{}"] for status in statuses]
    (at / "experiment_state-2026-11-27_10-00-00.json").write_text(json.dumps({"trial_data": trials}), "utf-8")
    (at / "tuner.pkl").write_bytes(pickle.dumps({"name": "tune"}))
    return at


def test_trials_that_are_over_are_counted(tmp_path: Path) -> None:
    assert tuning.over(kept(tmp_path / "tune", "TERMINATED", "RUNNING", "ERROR", "PENDING")) == 2


@pytest.mark.parametrize("file", ["tuner.pkl", "experiment_state-2026-11-27_10-00-00.json"])
def test_what_a_kill_cut_off_is_not_read(tmp_path: Path, file: str) -> None:
    at = kept(tmp_path / "tune", "TERMINATED")
    (at / file).write_bytes((at / file).read_bytes()[:-1])
    assert tuning.over(at) == -1


def test_what_was_never_begun_is_no_search(tmp_path: Path) -> None:
    assert tuning.over(tmp_path / "tune") == -1
    (tmp_path / "tuner.pkl").touch()
    assert tuning.over(tmp_path) == -1


def test_a_recipe_without_a_range_has_nothing_to_search_for(tmp_path: Path) -> None:
    recipe = recipes.of("logistic").model_copy(update={"search": {}})
    with pytest.raises(RecipeError, match="nothing to search for"):
        tuning.search(recipe, lambda how, fold: 0.0, count=3, trials=2, folder=tmp_path)
