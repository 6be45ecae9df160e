"""Fit the odds of deals: snapshots of closed deals in order of time, XGBoost on Ray Train, calibration, a bundle.

Deals are put in order of their closing. The oldest teach a first model, the next calibrate it, then both teach the
model that is kept; the newest fifth only measures. A deal's moments are the days of one calendar that fall into its
life, so they are what a model meets in service: the deals that happen to be open. Calibration and measure count
moments for the same reason; counting each deal once there makes short, lost lives too heavy.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from core.forecasting import rules
from core.forecasting.features import NAMES, DealHistory, build
from core.forecasting.rules import MIN_CLOSED_DEALS
from core.kit.errors import Conflict
from core.settings import configs_dir
from training.metrics import classification

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Say = Callable[[str], None]
LEAST_OF_EACH = 20
"""Won and lost deals below which an outcome cannot be learnt."""


class NotEnoughDeals(Conflict):
    """Fewer closed deals than a model takes."""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """What was known of closed deals at moments of their lives. Arrays are (snapshots,), `x` (snapshots, features)."""

    x: NDArray[np.float32]
    won: NDArray[np.float64]
    weight: NDArray[np.float64]  # for fitting: each deal counts once
    days_left: NDArray[np.float64]
    deal: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Report:
    bundle: bytes
    metrics: dict[str, float]
    baseline: dict[str, float]
    deals: int
    parameters: dict[str, Any]
    fingerprint: str  # of the data


def recipe(name: str = "forecasting") -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((configs_dir() / "training" / f"{name}.yaml").read_text("utf-8"))
    return read


def train(
    histories: Sequence[DealHistory], *, how: Mapping[str, Any], say: Say = lambda _: None,
    on_ray: bool = True, least: int = MIN_CLOSED_DEALS,
) -> Report:  # fmt: skip
    """Raises `NotEnoughDeals`. With `on_ray` and workers in the recipe, Ray must be running or is started locally."""
    import numpy as np

    closed = sorted((h for h in histories if h.closed_at is not None), key=_closed_at)
    outcomes = [bool(history.won) for history in closed]
    if len(closed) < least or min(sum(outcomes), len(closed) - sum(outcomes)) < LEAST_OF_EACH:
        raise NotEnoughDeals(
            f"A model takes at least {least} closed deals, {LEAST_OF_EACH} of them won and {LEAST_OF_EACH} lost; "
            f"there are {sum(outcomes)} won and {len(closed) - sum(outcomes)} lost."
        )
    say(f"features of {len(closed)} closed deals")
    data = snapshots(closed, every_days=how["snapshot_every_days"])
    cut = round(len(closed) * how["split"]["train"])
    end = cut + round(len(closed) * how["split"]["calibration"])
    fit, hold, learn = data.deal < cut, (data.deal >= cut) & (data.deal < end), data.deal < end
    say(f"calibrating on {int(hold.sum())} moments")
    first = margins(fit_plain(data.x[fit], data.won[fit], data.weight[fit], how, NAMES), data.x[hold], NAMES)
    slope, shift = platt(first, data.won[hold])
    bins = _bins(odds(first, slope, shift), data.deal[hold])
    say(f"fitting on {int(learn.sum())} moments")
    fit_last = _fit_on_ray if on_ray and how["workers"] else fit_plain
    model = fit_last(data.x[learn], data.won[learn], data.weight[learn], how, NAMES)
    days = _days_table(data, fit, hold)
    said = odds(margins(model, data.x[~learn], NAMES), slope, shift)
    metrics = {
        **classification(data.won[~learn], said),
        "odds_coverage_90": _odds_coverage(said, data.won[~learn], bins),
        "days_coverage_90": _days_coverage(data, ~learn, days),
        "moments": float((~learn).sum()),
    }
    meta = {
        "features": NAMES, "calibration": [slope, shift], "days": days, "interval": bins, "metrics": metrics,
        "deals": len(closed),
    }  # fmt: skip
    parameters = {**how["booster"], "rounds": how["rounds"], "snapshots": len(data.won)}
    fingerprint = hashlib.sha256(data.x.tobytes() + np.ascontiguousarray(data.won).tobytes()).hexdigest()[:16]
    return Report(pack(model, meta), metrics, _baseline(data, learn), len(closed), parameters, fingerprint)


def snapshots(closed: Sequence[DealHistory], *, every_days: float) -> Snapshots:
    """Each deal at the moments of its life that `moments` names, numbered in the order given."""
    import numpy as np

    rows: list[list[float]] = []
    rest: list[tuple[float, float, float, int]] = []
    for number, history in enumerate(closed):
        when = moments(history, every_days)
        for moment in when:
            features = build(history, moment)
            rows.append([math.nan if (v := features[name]) is None else v for name in NAMES])
            left = (_closed_at(history) - moment).total_seconds() / 86_400
            rest.append((float(bool(history.won)), 1 / len(when), left, number))
    won, weight, left_days, deal = np.array(rest, np.float64).T
    return Snapshots(np.array(rows, np.float32), won, weight, left_days, deal.astype(np.int64))


def moments(history: DealHistory, every_days: float) -> list[datetime]:
    """The days of one calendar, the same for all deals, on which this one was open; its first day where none was."""
    step_s = every_days * 86_400
    first = math.floor(history.opened_at.timestamp() / step_s) + 1
    last = math.ceil(_closed_at(history).timestamp() / step_s)
    return [datetime.fromtimestamp(n * step_s, UTC) for n in range(first, last)] or [history.opened_at]


def _closed_at(history: DealHistory) -> datetime:
    assert history.closed_at is not None
    return history.closed_at


def fit_plain(x: Any, y: Any, w: Any, how: Mapping[str, Any], names: Sequence[str]) -> bytes:
    """In this process, on one thread. `x` (rows, names), `y` and `w` (rows,) → the model as UBJSON."""
    import xgboost

    data = xgboost.DMatrix(x, y, weight=w, feature_names=list(names))
    return bytes(xgboost.train({**how["booster"], "nthread": 1}, data, how["rounds"]).save_raw("ubj"))


def _fit_on_ray(x: Any, y: Any, w: Any, how: Mapping[str, Any], names: Sequence[str]) -> bytes:
    """The same on Ray Train's workers: each holds a share of the rows, and trees are grown together."""
    import tempfile

    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.xgboost import XGBoostTrainer

    with tempfile.TemporaryDirectory(prefix="salesedge-train-") as folder:
        trainer = XGBoostTrainer(
            _worker,
            train_loop_config={"data": ray.put((x, y, w)), "how": dict(how), "names": list(names)},
            scaling_config=ScalingConfig(num_workers=how["workers"], resources_per_worker={"CPU": 0.5}),
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
        evidence.append(round(float(times.sum() ** 2 / max(1.0, (times**2).sum())) / 2, 1))
    return {"edges": edges.tolist(), "evidence": evidence}


def _days_table(data: Snapshots, fit: NDArray[np.bool_], hold: NDArray[np.bool_]) -> dict[str, list[float]]:
    """By stage: days to the end of the deal, 5th, 50th and 95th percentile of all that is learnt from, the ends moved
    apart by as much as the ends of `fit` alone fell short on the newer deals of `hold` (conformalized quantile
    regression, Romano et al., 2019, arXiv:1905.03222; deals counted and not moments, and never narrower)."""
    import numpy as np

    stage = data.x[:, NAMES.index("stage")]
    table = {}
    for number in range(5):
        here = stage == number
        low, _, high = _quantiles(data, fit, here)
        left, deals = data.days_left[hold & here], len(np.unique(data.deal[hold & here]))
        short = np.maximum(low - left, left - high)
        wider = max(0.0, float(np.quantile(short, min(1.0, 0.9 * (1 + 1 / deals))))) if deals else 0.0
        low, middle, high = _quantiles(data, fit | hold, here)
        table[str(number)] = [round(v, 1) for v in (max(0.0, low - wider), middle, high + wider)]
    return table


def _quantiles(data: Snapshots, use: NDArray[np.bool_], here: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Of days left; of the whole of `use` where few lie `here`."""
    import numpy as np

    both = use & here
    low, middle, high = np.quantile(data.days_left[both if both.sum() >= 20 else use], [0.05, 0.5, 0.95])
    return float(low), float(middle), float(high)


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


def _days_coverage(data: Snapshots, test: NDArray[np.bool_], days: Mapping[str, Sequence[float]]) -> float:
    import numpy as np

    stage = data.x[test, NAMES.index("stage")].astype(int)
    low, high = (np.array([days[str(s)][place] for s in stage]) for place in (0, 2))
    return float(np.mean((data.days_left[test] >= low) & (data.days_left[test] <= high)))


def _baseline(data: Snapshots, learn: NDArray[np.bool_]) -> dict[str, float]:
    """Logistic regression, taught and measured on the same moments."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(data.x[learn], data.won[learn])
    return classification(data.won[~learn], model.predict_proba(data.x[~learn])[:, 1])


def pack(model: bytes, meta: Mapping[str, Any]) -> bytes:
    """A bundle as `core.forecasting.engine` reads it; the same content gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in (("model.ubj", model), ("meta.json", json.dumps(meta, sort_keys=True).encode())):
            file.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data)
    return out.getvalue()
