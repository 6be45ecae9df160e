"""Ray Tune with Optuna: parameters that do best on newer deals than those they were fitted on, over and over.

The closed deals stand in order of time and are cut into stretches; fold by fold a trial learns from all older stretches
and is judged on the next, never on one that lies before what it learnt from. ASHA stops a trial after a fold where
others do better (Li et al., arXiv:1810.05934). The recipe's own parameters are the first trial: what is found is no
worse than them on these folds, unless they were stopped early themselves.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.kit.errors import Unavailable
from training import workers
from training.recipes import AlgorithmRecipe, RecipeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from training.trials import Judge

    Rows = NDArray[np.bool_]
    Fold = tuple[Rows, Rows]

_AT_ONCE = 8
"""Trials that run beside each other, where there is room: more would learn less from each other."""
_MOST_FAILURES = 3
_NAME = "tune"


@dataclass(frozen=True, slots=True)
class Found:
    """`loss`: mean over all folds, of the best trial. `stopped`: trials that ASHA ended before the last fold;
    `resumed`: trials that were over already when this process took the search up."""

    recipe: AlgorithmRecipe
    loss: float
    trials: int
    stopped: int
    resumed: int = 0


def folds(deal: NDArray[np.int64] | None, count: int) -> list[Fold]:
    """`deal` (rows,): deals numbered in order of time. Which rows to learn from and which to be judged on, per fold:
    the deals are cut into one stretch more than there are folds."""
    import numpy as np

    assert deal is not None, "folds are cut between deals"
    numbers = np.unique(deal)
    cuts = [numbers[round(len(numbers) * n / (count + 1))] for n in range(1, count + 1)]
    ends = [*cuts[1:], numbers[-1] + 1]
    return [(deal < a, (deal >= a) & (deal < b)) for a, b in zip(cuts, ends, strict=True)]


def search(
    recipe: AlgorithmRecipe, judge: Judge, *, count: int, trials: int, folder: Path,
    tell: Callable[[int, int], None] = lambda over, of: None,
) -> Found:  # fmt: skip
    """The recipe with the best parameters of `trials`. A search that was begun in `folder` goes on. `tell` hears how
    many trials are over, and of how many. Raises `RecipeError`, `Unavailable`."""
    if not recipe.search:
        raise RecipeError("This recipe names nothing to search for: add `search` to it, or train without `tune`.")
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "1")  # so often its state is written: what a kill loses of it
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # how far it is, is told here
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    workers.join()
    from training.trials import LISTENERS

    at = folder.resolve() / _NAME
    resumed = over(at)
    if resumed < 0:
        shutil.rmtree(at, ignore_errors=True)
        resumed = 0
    tuner = _tuner(recipe, judge, count, trials, at)
    LISTENERS[str(at)] = lambda done: tell(done, trials)
    try:
        tell(resumed, trials)
        grid = tuner.fit()
    finally:
        del LISTENERS[str(at)]
    results = [grid[number] for number in range(len(grid)) if grid[number].metrics]
    # Only trials that saw all folds can be compared.
    whole = [result for result in results if result.metrics["folds"] == count]
    if not whole:
        raise Unavailable("No trial of the search came to its end. Look at its errors in the job's folder.")
    best = min(whole, key=lambda result: float(result.metrics["loss"]))
    stopped = sum(result.error is None for result in results) - len(whole)
    return Found(
        recipe.changed(_values(recipe, best.config or {})), float(best.metrics["loss"]), len(results), stopped, resumed
    )  # fmt: skip


def over(at: Path) -> int:
    """How many trials of a search that is kept there are over; -1 where it cannot be read: one that is not there, or
    was killed while it wrote its first or its newest state."""
    try:
        told = json.loads(max(at.glob("experiment_state-*.json")).read_text("utf-8"))["trial_data"]
    except ValueError:
        return -1
    if not all(_is_whole(file) for file in at.glob("*.pkl")):
        return -1
    return sum(json.loads(trial)["status"] in ("TERMINATED", "ERROR") for trial, _ in told)


def _is_whole(pickled: Path) -> bool:
    return pickled.read_bytes()[-1:] == b"."  # the sign with which each pickle ends


def _tuner(recipe: AlgorithmRecipe, judge: Judge, count: int, trials: int, at: Path) -> Any:
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    from training.trials import Watch, trial

    read = functools.partial(_how, recipe)
    trainable = tune.with_resources(tune.with_parameters(trial, read=read, judge=judge, count=count), {"cpu": 1})
    if tune.Tuner.can_restore(str(at)):
        return tune.Tuner.restore(str(at), trainable, resume_unfinished=True, resume_errored=True)
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            metric="loss", mode="min", num_samples=trials, search_alg=_optuna(recipe), max_concurrent_trials=_AT_ONCE,
            scheduler=ASHAScheduler(time_attr="folds", max_t=count, grace_period=1, reduction_factor=2),
            reuse_actors=True,  # a process takes seconds to come
        ),
        run_config=tune.RunConfig(
            name=at.name, storage_path=str(at.parent), verbose=0, callbacks=[Watch(str(at))],
            failure_config=tune.FailureConfig(max_failures=_MOST_FAILURES),
        ),
    )  # fmt: skip


def _how(recipe: AlgorithmRecipe, config: Mapping[str, Any]) -> Mapping[str, Any]:
    return recipe.changed(_values(recipe, config)).how()


def _optuna(recipe: AlgorithmRecipe) -> Any:
    import optuna
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space: dict[str, Any] = {}
    for path, given in recipe.search.items():
        if given.whole:
            space[path] = optuna.distributions.IntDistribution(int(given.low), int(given.high), log=given.log)
        else:
            space[path] = optuna.distributions.FloatDistribution(given.low, given.high, log=given.log)
    own = recipe.how()
    first = {path: _clipped(_at(own, path), given.low, given.high) for path, given in recipe.search.items()}
    return OptunaSearch(space, metric="loss", mode="min", points_to_evaluate=[first], seed=7)


def _values(recipe: AlgorithmRecipe, config: Mapping[str, Any]) -> dict[str, Any]:
    return {p: int(config[p]) if given.whole else float(config[p]) for p, given in recipe.search.items()}


def _at(tree: Mapping[str, Any], path: str) -> Any:
    found: Any = tree
    for name in path.split("."):
        found = found[name]
    return found


def _clipped(value: Any, low: float, high: float) -> Any:
    return min(max(value, type(value)(low)), type(value)(high))
