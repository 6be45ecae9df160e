"""What open deals teach: both ways of `open_deals.way`, against learning from closed deals alone. Simulated pipelines:
log loss and AUC on the newest fifth. Real tables: log loss at the rolling origins of the oldest 80 %, which is what
decides, and on the newest fifth."""

from __future__ import annotations

import statistics
import sys
from datetime import UTC, datetime
from typing import Any

import numpy as np

from core.datascience.models.calibration import fit as fit_calibration
from core.datascience.models.calibration import log_loss
from core.forecasting.rules import MIN_CLOSED_DEALS
from tests.bench.harness import DATA, line
from training import fitting, open_deals, recipes
from training.algorithms import Fitted
from training.backtest import choose, open_rows
from training.backtest.columns import map_named, read_deals, read_map
from training.backtest.run import LEARN
from training.data import Data, Parts, parts, prepare
from training.metrics import classification
from training.recipes import ForecastingRecipe, OpenDeals
from training.run import Run
from training.simulated_pipeline import simulate

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
SEEDS = range(21, 31)
WAYS = ("sure", "expected")
ALGORITHMS = ("logistic", "xgboost")
TABLES = ("itconsult_win", "ibm_win_loss", "uci_bank", "maven_crm")
PEER = "closed deals alone"


def run() -> None:
    simulated()
    for name in TABLES:
        columns = read_map(map_named(name))
        path = DATA / str(columns.file)
        if path.is_file():
            deals = read_deals(path, columns)
            cut = float(deals.at[round(len(deals) * LEARN)])
            how: dict[str, Any] = {one: recipes.of(one).how() for one in choose.MEMBERS}
            trial = choose.try_all(deals, cut, how)
            for way in WAYS:
                found = open_rows.try_them(deals, cut, trial, how, OpenDeals(way=way))
                for part, (before, after) in (("older", found.older), ("newest", found.newest)):
                    _told(f"{name}_{found.algorithm}_{way}_{part}", found.used, [before], [after], [found.better])
        else:
            print(f"open_deals: {name} is not under {DATA}, so it is left out", file=sys.stderr)


def simulated() -> None:
    some = [[deal.history for deal in simulate(until=UNTIL, seed=seed)] for seed in SEEDS]
    plain = recipes.forecasting()
    held = [prepare(histories, plain, least=MIN_CLOSED_DEALS) for histories in some]
    for algorithm in ALGORITHMS:
        for way in WAYS:
            recipe = plain.model_copy(update={"open_deals": OpenDeals(use=True, way=way)})
            rows = [_on_one(data, algorithm, recipe) for data in held]
            used, z, before, after, auc_before, auc_after = zip(*rows, strict=True)
            label = f"simulated_{algorithm}_{way}"
            _told(label, round(statistics.mean(used)), before, after, z)
            line(
                "open_deals", f"{label}_auc", statistics.mean(auc_after), "", PEER, statistics.mean(auc_before),
                more_is_better=True,
            )  # fmt: skip


def _on_one(data: Data, algorithm: str, recipe: ForecastingRecipe) -> tuple[float, ...]:
    part = parts(data, recipe)
    tried = open_deals.try_them(data, part, recipes.of(algorithm), recipe, Run())
    scores = [_score(fitted, data, part) for fitted in (tried.plain, tried.with_open)]
    return (tried.used, tried.better, scores[0][0], scores[1][0], scores[0][1], scores[1][1])


def _score(fitted: Fitted, data: Data, part: Parts) -> tuple[float, float]:
    hold, test = data.table(part.hold), data.table(part.test)
    said = fitting.margins(fitted)
    p = fit_calibration("platt", said(hold), hold.y).probability(said(test))
    return float(np.mean(log_loss(test.y, p))), classification(test.y, p)["auc"]


def _told(label: str, used: int, before: Any, after: Any, better: Any) -> None:
    chosen = sum(z >= open_deals.LEAST_Z for z in better)
    print(f"open_deals: {label}: {used} open rows, z {statistics.mean(better):+.2f}, used in {chosen} of {len(better)}")
    line(
        "open_deals", f"{label}_log_loss", statistics.mean(after), "", PEER, statistics.mean(before),
        more_is_better=False,
    )  # fmt: skip
