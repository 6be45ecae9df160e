"""One fit of one algorithm, wherever it is done best: in this process, or on Ray Train's workers above a size."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.datascience.models.bundle import Bundle, Feature, Meta
from core.datascience.models.calibration import fit as fit_calibration
from core.datascience.models.calibration import log_loss
from core.datascience.models.scorers import Inputs, Scorer, open_scorer
from training import algorithms, recipes, tuning, workers
from training.algorithms import Fitted, Table
from training.algorithms import sequence as sequences
from training.data import Data, Parts
from training.recipes import AlgorithmRecipe, EnsembleRecipe, ForecastingRecipe
from training.run import Files, Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def reads_events(how: AlgorithmRecipe) -> bool:
    return isinstance(how, recipes.LstmRecipe) or (isinstance(how, EnsembleRecipe) and "lstm" in how.members)


def inputs(table: Table) -> Inputs:
    return Inputs(table.x, table.events, table.lengths)


def scorer(fitted: Fitted, table: Table) -> Scorer:
    """What serving scores with: a model is measured by nothing else."""
    features = tuple(Feature(name=name, low=0, high=0) for name in table.names)
    meta = Meta.model_validate(
        {"algorithm": fitted.algorithm, "context": "forecast", "features": features, **fitted.meta}
    )  # fmt: skip
    return open_scorer(Bundle(meta, fitted.files))


def margins(fitted: Fitted) -> Callable[[Table], Floats]:
    """What it says of rows, log-odds (rows,)."""
    return lambda table: scorer(fitted, table).margins(inputs(table))


def fit(name: str, table: Table, how: AlgorithmRecipe, recipe: ForecastingRecipe, run: Run) -> Fitted:
    """Kept under the name: a job that goes on does not fit it again."""
    kept = run.step(name, lambda: _to_files(_fit(name, table, how, recipe, run)))
    told = json.loads(kept["fitted.json"])
    return Fitted(told["algorithm"], {n: data for n, data in kept.items() if n != "fitted.json"}, told["meta"])


def _fit(name: str, table: Table, how: AlgorithmRecipe, recipe: ForecastingRecipe, run: Run) -> Fitted:
    algorithm = recipes.name_of(how)
    if run.on_ray and algorithm in workers.SHARED and len(table.y) >= recipe.workers.from_rows:
        return workers.fit(algorithm, table, how.how(), recipe.workers, folder=run.inside("ray"), name=name)
    if algorithm == "lstm":
        return sequences.fit(table, how.how(), keep=run.inside(name))
    return algorithms.ALGORITHMS[algorithm].fit(table, how.how())


def _to_files(fitted: Fitted) -> Files:
    told = {"algorithm": fitted.algorithm, "meta": fitted.meta}
    return {**fitted.files, "fitted.json": json.dumps(told).encode()}


def tuned(
    data: Data, part: Parts, how: AlgorithmRecipe, recipe: ForecastingRecipe, run: Run, *, trials: int
) -> tuple[AlgorithmRecipe, dict[str, Any]]:  # fmt: skip
    """The recipe with the parameters that did best on the older deals alone, and what is told of the search: what
    calibrates and what measures is not looked at. An ensemble's members are tuned each by itself."""
    if isinstance(how, EnsembleRecipe):
        raise recipes.RecipeError("An ensemble has nothing to tune: tune its members, and put what is found into them.")
    table = data.table(part.fit)
    cuts = tuning.folds(table.group, recipe.folds)
    judge = functools.partial(_loss, recipes.name_of(how), table, cuts)

    def tell(over: int, of: int) -> None:
        run.tell(f"searching for parameters, {over} of {of} trials are over", 0.1 + 0.4 * min(1.0, over / of))

    def make() -> Files:
        with tempfile.TemporaryDirectory(prefix="salesedge-tune-") as made:
            folder = run.inside("search") or Path(made)
            folder.mkdir(parents=True, exist_ok=True)
            found = tuning.search(how, judge, count=len(cuts), trials=trials, folder=folder, tell=tell)
        told = {"trials": found.trials, "stopped_early": found.stopped, "resumed": found.resumed, "loss": found.loss}
        return {
            "recipe.json": found.recipe.model_dump_json(by_alias=True).encode(),
            "search.json": json.dumps(told).encode(),
        }

    kept = run.step("tuned", make)
    told = json.loads(kept["search.json"])
    run.tell(f"searched: {told['trials']} trials, {told['stopped_early']} of them stopped early", 0.5)
    return type(how).model_validate_json(kept["recipe.json"]), {f"search.{name}": told[name] for name in told}


def _loss(name: str, table: Table, cuts: list[tuning.Fold], given: Mapping[str, Any], fold: int) -> float:
    """Mean log loss of the moments of the fold, after a curve that they tell themselves: odds are calibrated later, so
    what counts is how well they can be."""
    learn, newer = cuts[fold]
    algorithm = algorithms.ALGORITHMS[name]
    margin = algorithm.margins(algorithm.fit(table.take(learn), given), table.take(newer))
    won = table.y[newer]
    return float(log_loss(won, fit_calibration("temperature", margin, won).probability(margin)).mean())
