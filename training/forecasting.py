"""Fit the odds of deals: snapshots of closed deals in order of time, XGBoost on Ray Train, calibration, a bundle.

Deals are put in order of their closing. The oldest teach a first model, the next calibrate it, then both teach the
model that is kept; the newest fifth only measures. A deal's moments are the days of one calendar that fall into its
life, so they are what a model meets in service: the deals that happen to be open. Calibration and measure count
moments for the same reason; counting each deal once there makes short, lost lives too heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.datascience.models.bundle import Feature, Meta, pack
from core.datascience.models.calibration import Calibration
from core.datascience.models.reference import reference
from core.datascience.models.scorers import Inputs
from core.forecasting import rules
from core.forecasting.features import NAMES, DealHistory
from core.forecasting.rules import MIN_CLOSED_DEALS
from core.kit.errors import Conflict
from training import days, recipes
from training.held_out import HeldOut, evidence
from training.metrics import classification
from training.moments import Snapshots, joined, snapshots
from training.recipes import AlgorithmRecipe, ForecastingRecipe, Workers, XgboostRecipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Say = Callable[[str], None]
LEAST_OF_EACH = 20
"""Won and lost deals below which an outcome cannot be learnt."""


class NotEnoughDeals(Conflict):
    """Fewer closed deals than a model takes."""


@dataclass(frozen=True, slots=True)
class Report:
    bundle: bytes
    metrics: dict[str, float]
    baseline: dict[str, float]
    deals: int
    parameters: dict[str, Any]
    fingerprint: str  # of the data
    held_out: HeldOut


def train(
    histories: Sequence[DealHistory], *, algorithm: str = "xgboost", recipe: ForecastingRecipe | None = None,
    how: AlgorithmRecipe | None = None, say: Say = lambda _: None, on_ray: bool = True, least: int = MIN_CLOSED_DEALS,
) -> Report:  # fmt: skip
    """Raises `NotEnoughDeals`, `RecipeError`. Ray is used above a number of rows and only with `on_ray`."""
    import numpy as np

    recipe, how = recipe or recipes.forecasting(), how or recipes.of(algorithm)
    if not isinstance(how, XgboostRecipe):
        raise recipes.RecipeError(f"{algorithm}: only xgboost can be fitted yet.")
    closed, still = _sorted(histories, least)
    say(f"features of {len(closed)} closed and {len(still)} open deals")
    data = snapshots(closed, every_days=recipe.snapshot_every_days)
    cut = round(len(closed) * recipe.split.train)
    end = cut + round(len(closed) * recipe.split.calibration)
    fit, hold, learn = data.deal < cut, (data.deal >= cut) & (data.deal < end), data.deal < end
    say(f"calibrating on {int(hold.sum())} moments")
    first = margins(fit_plain(data.x[fit], data.won[fit], data.weight[fit], how.how(), NAMES), data.x[hold], NAMES)
    slope, shift = platt(first, data.won[hold])
    bins = _bins(odds(first, slope, shift), data.deal[hold])
    say(f"fitting on {int(learn.sum())} moments")
    rows = (data.x[learn], data.won[learn], data.weight[learn])
    if on_ray and learn.sum() >= recipe.workers.from_rows:
        model = fit_on_ray(*rows, how.how(), NAMES, recipe.workers)
    else:
        model = fit_plain(*rows, how.how(), NAMES)
    known = closed[end - 1].closed_at
    assert known is not None
    table = _days_table(data, still, hold, cut_s=float(data.end_s[fit].max()), known=known, recipe=recipe)
    said = odds(margins(model, data.x[~learn], NAMES), slope, shift)
    metrics = {
        **classification(data.won[~learn], said),
        "odds_coverage_90": _odds_coverage(said, data.won[~learn], bins),
        "days_coverage_90": days.coverage(data, ~learn, table),
        "moments": float((~learn).sum()),
    }
    fingerprint = data.fingerprint()
    rest = ~learn
    proof = evidence(closed, data.deal[rest], data.at_s[rest], data.won[rest], said)
    meta = Meta(
        algorithm="xgboost", context="forecast", features=ranges(data.x[learn], NAMES), metrics=metrics,
        calibration=Calibration("platt", (slope, shift)).to_json(), interval={**bins, "drift": 0.0},
        days=_bands(table), deals=len(closed), fingerprint=fingerprint, learnt_until=known,
        reference=reference(NAMES, data.x[learn], said, deals=end),
    )  # fmt: skip
    parameters = {"algorithm": algorithm, **_flat(how.how()), "snapshots": len(data.won)}
    bundle = pack(meta, {"model.ubj": model})
    base_rate = float(np.mean([bool(history.won) for history in closed[:end]]))
    held_out = HeldOut(NAMES, Inputs(data.x[rest]), proof, base_rate)
    return Report(bundle, metrics, _baseline(data, learn), len(closed), parameters, fingerprint, held_out)


def _sorted(histories: Sequence[DealHistory], least: int) -> tuple[list[DealHistory], list[DealHistory]]:
    """Closed deals in order of closing, and open ones. Raises `NotEnoughDeals`."""
    closed = sorted((h for h in histories if h.closed_at is not None), key=lambda h: h.closed_at or h.opened_at)
    won = sum(bool(history.won) for history in closed)
    if len(closed) < least or min(won, len(closed) - won) < LEAST_OF_EACH:
        raise NotEnoughDeals(
            f"A model takes at least {least} closed deals, {LEAST_OF_EACH} of them won and {LEAST_OF_EACH} lost; "
            f"there are {won} won and {len(closed) - won} lost."
        )
    return closed, [history for history in histories if history.closed_at is None]


def _days_table(
    data: Snapshots, still: Sequence[DealHistory], hold: NDArray[np.bool_], *, cut_s: float, known: datetime,
    recipe: ForecastingRecipe,
) -> dict[str, list[float]]:  # fmt: skip
    """Deals that are open now were open then: they are seen up to the last closing that is learnt from."""
    import numpy as np

    older = [history for history in still if history.opened_at < known]
    both = joined(data, snapshots(older, every_days=recipe.snapshot_every_days, until=known))
    held = np.concatenate([hold, np.zeros(len(both.won) - len(hold), bool)])
    return days.table(both, held, fitted_at_s=cut_s, held_at_s=known.timestamp())


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"booster": {"eta": 0.1}}` as `{"booster.eta": 0.1}`."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def fit_plain(x: Any, y: Any, w: Any, how: Mapping[str, Any], names: Sequence[str]) -> bytes:
    """In this process, on one thread. `x` (rows, names), `y` and `w` (rows,) → the model as UBJSON."""
    import xgboost

    data = xgboost.DMatrix(x, y, weight=w, feature_names=list(names))
    return bytes(xgboost.train({**how["booster"], "nthread": 1}, data, how["rounds"]).save_raw("ubj"))


def fit_on_ray(
    x: Any, y: Any, w: Any, how: Mapping[str, Any], names: Sequence[str], workers: Workers
) -> bytes:  # fmt: skip
    """The same on Ray Train's workers: each holds a share of the rows, and trees are grown together."""
    import tempfile

    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.xgboost import XGBoostTrainer

    with tempfile.TemporaryDirectory(prefix="salesedge-train-") as folder:
        trainer = XGBoostTrainer(
            _worker,
            train_loop_config={"data": ray.put((x, y, w)), "how": dict(how), "names": list(names)},
            scaling_config=ScalingConfig(num_workers=workers.count, resources_per_worker={"CPU": workers.cpus}),
            run_config=RunConfig(name="forecasting", storage_path=folder),
        )
        checkpoint = trainer.fit().checkpoint
        assert checkpoint is not None
        with checkpoint.as_directory() as at:
            return (Path(at) / "model.ubj").read_bytes()


def _worker(config: dict[str, Any]) -> None:
    import tempfile

    import ray
    import ray.train
    import xgboost

    x, y, w = ray.get(config["data"])
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    mine = slice(rank, None, world)
    data = xgboost.DMatrix(x[mine], y[mine], weight=w[mine], feature_names=config["names"])
    booster = xgboost.train({**config["how"]["booster"], "nthread": 1}, data, config["how"]["rounds"])
    with tempfile.TemporaryDirectory() as folder:
        booster.save_model(Path(folder) / "model.ubj")
        # Once, at the end: each report costs about two seconds.
        ray.train.report({"rounds": config["how"]["rounds"]}, checkpoint=ray.train.Checkpoint.from_directory(folder))


def margins(model: bytes, x: NDArray[np.float32], names: Sequence[str]) -> NDArray[np.float64]:
    """Log-odds before calibration, (rows,)."""
    import numpy as np
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(model))
    raw = booster.predict(xgboost.DMatrix(x, feature_names=list(names)), output_margin=True)
    return np.asarray(raw, np.float64)


def platt(margin: NDArray[np.float64], won: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and shift of a logistic curve over margins (Platt, 1999), by Newton's method, pulled a little to (1, 0)."""
    import numpy as np

    design = np.stack([margin, np.ones_like(margin)], axis=1)
    prior = np.array([1.0, 0.0])
    at = prior
    for _ in range(50):
        p = odds(margin, *at)
        gradient = design.T @ (p - won) + at - prior
        curvature = (design * (p * (1 - p))[:, None]).T @ design + np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        at = at - step
        if np.abs(step).max() < 1e-9:
            break
    return float(max(0.05, at[0])), float(at[1])


def odds(margin: NDArray[np.float64], slope: float, shift: float) -> NDArray[np.float64]:
    import numpy as np

    calibrated: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(slope * margin + shift, -30, 30)))
    return calibrated


def _bins(said: NDArray[np.float64], deal: NDArray[np.int64]) -> dict[str, list[float]]:
    """Five bins of like odds, and how many deals' worth of evidence each has: the effective number of deals (Kish,
    1965; one deal's moments are not independent), halved because what comes next is as small a sample again."""
    import numpy as np

    edges = np.quantile(said, [0.2, 0.4, 0.6, 0.8])
    place = np.searchsorted(edges, said, side="right")
    evidence = []
    for number in range(5):
        times = np.bincount(deal[place == number]).astype(np.float64)
        evidence.append(max(1.0, round(float(times.sum() ** 2 / max(1.0, (times**2).sum())) / 2, 1)))
    return {"edges": edges.tolist(), "evidence": evidence}


def _odds_coverage(said: NDArray[np.float64], won: NDArray[np.float64], bins: Mapping[str, Sequence[float]]) -> float:
    """The share of moments in whose bin the share really won lies between the mean ends of the interval."""
    import numpy as np

    place = np.searchsorted(bins["edges"], said, side="right")
    inside = 0
    for number in np.unique(place):
        here = place == number
        ends = np.array([rules.wilson(float(p), max(1, bins["evidence"][number])) for p in said[here]])
        low, high = ends.mean(axis=0)
        inside += int(here.sum()) * bool(low <= won[here].mean() <= high)
    return inside / len(said)


def _baseline(data: Snapshots, learn: NDArray[np.bool_]) -> dict[str, float]:
    """Logistic regression, taught and measured on the same moments."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(data.x[learn], data.won[learn])
    return classification(data.won[~learn], model.predict_proba(data.x[~learn])[:, 1])


def ranges(x: NDArray[np.float32], names: Sequence[str]) -> tuple[Feature, ...]:
    """What each column of `x` (rows, names) held: the input that a model of it is valid for."""
    import numpy as np

    found = []
    for column, name in zip(x.T, names, strict=True):
        seen = column[~np.isnan(column)]
        low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 0.0)
        found.append(Feature(name=name, low=low, high=high, may_be_missing=len(seen) < len(column)))
    return tuple(found)


def _bands(table: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Days by stage, as `conformal.Bands` reads them."""
    low, middle, high = zip(*(table[str(stage)] for stage in range(len(table))), strict=True)
    edges = [stage - 0.5 for stage in range(1, len(table))]
    return {"by": "stage", "edges": edges, "low": low, "middle": middle, "high": high}
