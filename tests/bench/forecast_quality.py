"""How good the odds are, on deals newer than all that was learnt from, beside logistic regression.

Simulated pipelines: the product's own training, the mean over pipelines that no choice was made on. `itconsult_win`
(where it lies under SALESEDGE_DATA): real bids, split by date alone, nothing but what was known at the bid, the same
booster and the same calibration.
"""

from __future__ import annotations

import csv
import math
import statistics
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.harness import DATA, line
from training import recipes
from training.forecasting import fit_plain, margins, odds, platt, train
from training.metrics import classification
from training.simulated_pipeline import simulate

Table = NDArray[np.float32]
UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
SEEDS = range(21, 31)
PEER = "logistic regression"
FIGURES = {"auc": True, "pr_auc": True, "brier": False, "ece": False, "accuracy": True}
"""Name → more is better."""
WORDS = ("Client Category", "Solution Type", "Sector", "Location", "VP Name", "Manager Name")


def run() -> None:
    simulated()
    bids = DATA / "itconsult_win" / "deals.csv"
    if bids.is_file():
        itconsult_win(bids)
    else:
        print(f"forecast_quality: itconsult_win is not under {DATA}, so it is left out", file=sys.stderr)


def simulated() -> None:
    reports = [train([deal.history for deal in simulate(until=UNTIL, seed=seed)], on_ray=False) for seed in SEEDS]
    ours = {name: statistics.mean(report.metrics[name] for report in reports) for name in reports[0].metrics}
    peer = {name: statistics.mean(report.baseline[name] for report in reports) for name in reports[0].baseline}
    _lines("simulated", ours, peer)
    for name in ("odds_coverage_90", "days_coverage_90"):
        line("forecast_quality", f"simulated_{name}", ours[name], "share", "promised", 0.9, more_is_better=True)


def itconsult_win(path: Path) -> None:
    """The oldest 80 % of bids teach (the newest fifth of them calibrates), the newest 20 % measure."""
    with path.open(encoding="utf-8", newline="") as file:
        bids = sorted(csv.DictReader(file), key=lambda bid: bid["Deal Date"])
    won = np.array([bid["Deal Status Code"] == "Won" for bid in bids], np.float64)
    cut, end = (_first_of_day(bids, share) for share in (0.64, 0.8))
    said = _boosted(_counted(bids, end), won, cut, end)
    _lines("itconsult_win", classification(won[end:], said), _logistic(_one_hot(bids, end), won, end))


def _lines(name: str, ours: Mapping[str, float], peer: Mapping[str, float]) -> None:
    for figure, more in FIGURES.items():
        line("forecast_quality", f"{name}_{figure}", ours[figure], "", PEER, peer[figure], more_is_better=more)


def _first_of_day(bids: Sequence[Mapping[str, str]], share: float) -> int:
    """The place nearest after `share` of the bids where a new day begins: no day lies on both sides."""
    place = round(share * len(bids))
    while bids[place]["Deal Date"] == bids[place - 1]["Deal Date"]:
        place += 1
    return place


def _plain(bids: Sequence[Mapping[str, str]]) -> list[list[float]]:
    return [[math.log1p(float(bid["Deal Cost"])), float(bid["Deal Date"][5:7])] for bid in bids]


def _counted(bids: Sequence[Mapping[str, str]], known: int) -> Table:
    """(bids, 8): cost, month, and how often each word occurs among the first `known`."""
    counts = {word: Counter(bid[word] for bid in bids[:known]) for word in WORDS}
    columns = [[float(counts[word][bid[word]]) for word in WORDS] for bid in bids]
    return np.array([plain + more for plain, more in zip(_plain(bids), columns, strict=True)], np.float32)


def _one_hot(bids: Sequence[Mapping[str, str]], known: int) -> Table:
    """(bids, 2 + words): cost, month, and a column for each word that occurs among the first `known`."""
    seen = sorted({(word, bid[word]) for bid in bids[:known] for word in WORDS})
    columns = [[float(bid[word] == value) for word, value in seen] for bid in bids]
    return np.array([plain + more for plain, more in zip(_plain(bids), columns, strict=True)], np.float32)


def _boosted(x: Table, won: NDArray[np.float64], cut: int, end: int) -> NDArray[np.float64]:
    """Odds of what comes from `end` on, by the steps of `training.forecasting.train`."""
    how: dict[str, Any] = recipes.of("xgboost").how()
    names, even = [f"x{number}" for number in range(x.shape[1])], np.ones(len(won))
    first = margins(fit_plain(x[:cut], won[:cut], even[:cut], how, names), x[cut:end], names)
    slope, shift = platt(first, won[cut:end])
    model = fit_plain(x[:end], won[:end], even[:end], how, names)
    return odds(margins(model, x[end:], names), slope, shift)


def _logistic(x: Table, won: NDArray[np.float64], end: int) -> dict[str, float]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(x[:end], won[:end])
    return classification(won[end:], model.predict_proba(x[end:])[:, 1])
