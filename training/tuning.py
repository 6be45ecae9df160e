"""Ray Tune with Optuna: parameters that do best on newer deals than those they were fitted on, over and over.

The closed deals stand in order of time and are cut into stretches; fold by fold a trial learns from all older stretches
and is judged on the next, never on one that lies before what it learnt from. ASHA stops a trial after a fold where
others do better (Li et al., arXiv:1810.05934). The recipe's own parameters are the first trial, so what is found is no
worse than them on these folds.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.kit.errors import Unavailable
from training.recipes import AlgorithmRecipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.bool_]
    Fold = tuple[Rows, Rows]

Judge = Callable[[Mapping[str, Any], int], float]
"""Takes parameters as an algorithm reads them and the number of a fold, gives the loss there."""


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
    tell: Callable[[float], None] = lambda _: None,
) -> AlgorithmRecipe:  # fmt: skip
    """The recipe with the best parameters of `trials`. A search that was begun in `folder` goes on."""
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    name, storage = "tune", str(folder.resolve())
    trainable = tune.with_resources(tune.with_parameters(_trial, recipe=recipe, judge=judge, count=count), {"cpu": 1})
    at = str(folder.resolve() / name)
    if tune.Tuner.can_restore(at):
        tuner = tune.Tuner.restore(at, trainable, resume_unfinished=True, resume_errored=True)
    else:
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                metric="loss", mode="min", num_samples=trials, search_alg=_optuna(recipe),
                scheduler=ASHAScheduler(max_t=count, grace_period=1, reduction_factor=2),
            ),
            run_config=tune.RunConfig(
                name=name, storage_path=storage, verbose=0, callbacks=[_watch(tell, trials)],
                failure_config=tune.FailureConfig(max_failures=3),
            ),
        )  # fmt: skip
    grid = tuner.fit()
    results = [grid[number] for number in range(len(grid))]
    # Only trials that saw all folds can be compared.
    whole = [r for r in results if r.metrics and r.metrics.get("folds") == count and r.config]
    if not whole:
        raise Unavailable("No trial of the search came to its end. Look at its errors in the job's folder.")
    best = min(whole, key=lambda result: float((result.metrics or {})["loss"]))
    return recipe.changed(_values(recipe, best.config or {}))


def _trial(config: dict[str, Any], *, recipe: AlgorithmRecipe, judge: Judge, count: int) -> None:
    """Reports the mean loss after each fold; what is done already is in the checkpoint."""
    from ray import tune

    losses: list[float] = []
    begun = tune.get_checkpoint()
    if begun is not None:
        with begun.as_directory() as at:
            losses = json.loads((Path(at) / "losses.json").read_text("utf-8"))
    how = recipe.changed(_values(recipe, config)).how()
    for fold in range(len(losses), count):
        losses.append(judge(how, fold))
        with tempfile.TemporaryDirectory() as made:
            (Path(made) / "losses.json").write_text(json.dumps(losses), "utf-8")
            told = {"loss": sum(losses) / len(losses), "folds": len(losses)}
            tune.report(told, checkpoint=tune.Checkpoint.from_directory(made))


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


def _watch(tell: Callable[[float], None], trials: int) -> Any:
    from ray import tune

    class Watch(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
            done = sum(t.is_finished() for t in trials)
            tell(min(1.0, done / self.count))

        count = trials

    return Watch()
