"""Fit the odds of deals: snapshots of closed deals in order of time, XGBoost on Ray Train, calibration, a bundle."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from core.forecasting.features import NAMES, DealHistory, build
from core.forecasting.rules import MIN_CLOSED_DEALS
from core.kit.errors import Conflict
from core.settings import configs_dir
from training.metrics import classification

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Say = Callable[[str], None]


class NotEnoughDeals(Conflict):
    """Fewer closed deals than a model takes."""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """What was known of closed deals at moments of their lives. Arrays are (snapshots,), `x` (snapshots, features)."""

    x: NDArray[np.float32]
    won: NDArray[np.float64]
    weight: NDArray[np.float64]  # each deal counts once
    days_left: NDArray[np.float64]
    at: NDArray[np.float64]  # seconds since 1970
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
    """Raises `NotEnoughDeals`. With `on_ray`, Ray must be running or is started locally."""
    import numpy as np

    closed = sorted((h for h in histories if h.closed_at is not None), key=_closed_at)
    if len(closed) < least:
        raise NotEnoughDeals(f"A model takes at least {least} closed deals; there are {len(closed)}.")
    say(f"features of {len(closed)} closed deals")
    everything = snapshots(closed, every_days=how["snapshot_every_days"])
    cut = [round(len(closed) * how["split"]["train"])]
    cut.append(cut[0] + round(len(closed) * how["split"]["calibration"]))
    fit, hold = everything.deal < cut[0], (everything.deal >= cut[0]) & (everything.deal < cut[1])
    # Only moments after everything that was learnt from: the test never looks into its own past.
    test = (everything.deal >= cut[1]) & (everything.at > _closed_at(closed[cut[1] - 1]).timestamp())
    say(f"fitting on {int(fit.sum())} moments")
    model = (_fit_on_ray if on_ray else _fit)(everything.x[fit], everything.won[fit], everything.weight[fit], how)
    margins = _margins(model, everything.x)
    slope, shift = platt(margins[hold], everything.won[hold], everything.weight[hold])
    odds = 1 / (1 + np.exp(-(slope * margins + shift)))
    days = _days_table(everything, fit | hold)
    metrics = classification(everything.won[test], odds[test], everything.weight[test])
    metrics["days_coverage_90"] = _coverage(everything, test, days)
    baseline = _baseline(everything, fit | hold, test)
    meta = {
        "features": NAMES, "calibration": [slope, shift], "days": days,
        "bins": _bins(odds[hold], everything.deal[hold]), "metrics": metrics, "deals": len(closed),
    }  # fmt: skip
    parameters = {**how["booster"], "rounds": how["rounds"], "snapshots": len(everything.won)}
    fingerprint = hashlib.sha256(everything.x.tobytes() + everything.won.tobytes()).hexdigest()[:16]
    return Report(pack(model, meta), metrics, baseline, len(closed), parameters, fingerprint)


def snapshots(closed: Sequence[DealHistory], *, every_days: float) -> Snapshots:
    """Each deal at regular moments from a week after it opened to a day before it closed."""
    import numpy as np

    rows: list[list[float]] = []
    rest: list[tuple[float, float, float, float, int]] = []
    for number, history in enumerate(closed):
        moments = list(_moments(history, every_days))
        for moment in moments:
            features = build(history, moment)
            rows.append([math.nan if (v := features[name]) is None else v for name in NAMES])
            left = (_closed_at(history) - moment).total_seconds() / 86_400
            rest.append((float(bool(history.won)), 1 / len(moments), left, moment.timestamp(), number))
    columns = np.array(rest, np.float64).T
    won, weight, left, at, deal = columns
    return Snapshots(np.array(rows, np.float32), won, weight, left, at, deal.astype(np.int64))


def _moments(history: DealHistory, every_days: float) -> Sequence[datetime]:
    end = _closed_at(history) - timedelta(days=1)
    count = max(1, int((end - history.opened_at).total_seconds() / 86_400 / every_days))
    found = [history.opened_at + timedelta(days=7 + every_days * n) for n in range(count)]
    return [moment for moment in found if moment < end] or [end]


def _closed_at(history: DealHistory) -> datetime:
    assert history.closed_at is not None
    return history.closed_at


def _fit(x: Any, y: Any, w: Any, how: Mapping[str, Any]) -> bytes:
    """In this process, on one thread."""
    import xgboost

    data = xgboost.DMatrix(x, y, weight=w, feature_names=list(NAMES))
    return bytes(xgboost.train({**how["booster"], "nthread": 1}, data, how["rounds"]).save_raw("ubj"))


def _fit_on_ray(x: Any, y: Any, w: Any, how: Mapping[str, Any]) -> bytes:
    """The same on Ray Train's workers: each holds a share of the rows, and trees are grown together."""
    import tempfile

    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.xgboost import XGBoostTrainer

    with tempfile.TemporaryDirectory(prefix="salesedge-train-") as folder:
        trainer = XGBoostTrainer(
            _worker,
            train_loop_config={"data": ray.put((x, y, w)), "how": dict(how)},
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
    data = xgboost.DMatrix(x[mine], y[mine], weight=w[mine], feature_names=list(NAMES))
    booster = xgboost.train({**config["how"]["booster"], "nthread": 1}, data, config["how"]["rounds"])
    with tempfile.TemporaryDirectory() as folder:
        booster.save_model(Path(folder) / "model.ubj")
        # Once, at the end: each report costs about two seconds.
        ray.train.report({"rounds": config["how"]["rounds"]}, checkpoint=ray.train.Checkpoint.from_directory(folder))


def _margins(model: bytes, x: NDArray[np.float32]) -> NDArray[np.float64]:
    import numpy as np
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(model))
    raw = booster.predict(xgboost.DMatrix(x, feature_names=list(NAMES)), output_margin=True)
    return np.asarray(raw, np.float64)


def platt(margin: NDArray[np.float64], won: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and shift of a logistic curve over margins (Platt, 1999), by Newton's method with a little ridge."""
    import numpy as np

    design = np.stack([margin, np.ones_like(margin)], axis=1)
    at = np.array([1.0, 0.0])
    prior = np.array([1.0, 0.0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ at))
        gradient = design.T @ (weight * (p - won)) + 0.5 * (at - prior)
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + 0.5 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        at = at - step
        if np.abs(step).max() < 1e-9:
            break
    return float(max(0.05, at[0])), float(at[1])


def _bins(odds: NDArray[np.float64], deal: NDArray[np.int64]) -> dict[str, list[float]]:
    """Five bins of like odds, and how many calibration deals speak for each."""
    import numpy as np

    edges = np.quantile(odds, [0.2, 0.4, 0.6, 0.8])
    place = np.searchsorted(edges, odds, side="right")
    return {"edges": edges.tolist(), "deals": [len(np.unique(deal[place == n])) for n in range(5)]}


def _days_table(data: Snapshots, use: NDArray[np.bool_]) -> dict[str, list[float]]:
    """By stage: days to the end of the deal, 5th, 50th and 95th percentile."""
    import numpy as np

    stage = data.x[:, NAMES.index("stage")]
    table = {}
    for number in range(5):
        here = use & (stage == number)
        left = data.days_left[here if here.sum() >= 20 else use]
        table[str(number)] = [round(float(q), 1) for q in np.quantile(left, [0.05, 0.5, 0.95])]
    return table


def _coverage(data: Snapshots, test: NDArray[np.bool_], days: Mapping[str, Sequence[float]]) -> float:
    import numpy as np

    stage = data.x[test, NAMES.index("stage")].astype(int)
    low, high = (np.array([days[str(s)][place] for s in stage]) for place in (0, 2))
    inside = (data.days_left[test] >= low) & (data.days_left[test] <= high)
    return float(np.average(inside, weights=data.weight[test]))


def _baseline(data: Snapshots, fit: NDArray[np.bool_], test: NDArray[np.bool_]) -> dict[str, float]:
    """Logistic regression on the same moments."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(data.x[fit], data.won[fit], logisticregression__sample_weight=data.weight[fit])
    return classification(data.won[test], model.predict_proba(data.x[test])[:, 1], data.weight[test])


def pack(model: bytes, meta: Mapping[str, Any]) -> bytes:
    """A bundle as `core.forecasting.engine` reads it; the same content gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in (("model.ubj", model), ("meta.json", json.dumps(meta, sort_keys=True).encode())):
            file.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data)
    return out.getvalue()
