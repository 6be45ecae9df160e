"""How good the odds are, on deals newer than all that was learnt from.

Simulated pipelines: the product's own training beside logistic regression, the mean over pipelines that no choice was
made on. Real tables (where they lie under SALESEDGE_DATA): the backtest of `salesedge train table` beside logistic
regression and XGBoost as they come.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.bench.harness import DATA, line
from training.backtest.columns import ColumnMap, Deals, map_named, read_deals, read_map
from training.backtest.run import LEARN, backtest
from training.forecasting import train
from training.metrics import classification
from training.simulated_pipeline import simulate

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
SEEDS = range(21, 31)
PEER = "logistic regression"
FIGURES = {"auc": True, "pr_auc": True, "brier": False, "ece": False, "accuracy": True}
"""Name → more is better."""
TABLES = ("itconsult_win", "ibm_win_loss", "uci_bank", "maven_crm")


def run() -> None:
    simulated()
    for name in TABLES:
        columns = read_map(map_named(name))
        path = DATA / str(columns.file)
        if path.is_file():
            table(name, path, columns)
        else:
            print(f"forecast_quality: {name} is not under {DATA}, so it is left out", file=sys.stderr)


def simulated() -> None:
    reports = [train([deal.history for deal in simulate(until=UNTIL, seed=seed)]) for seed in SEEDS]
    ours = {name: statistics.mean(report.metrics[name] for report in reports) for name in reports[0].metrics}
    peer = {name: statistics.mean(report.baseline[name] for report in reports) for name in reports[0].baseline}
    _lines("simulated", ours, peer)
    for name in ("odds_coverage_90", "days_coverage_90"):
        line("forecast_quality", f"simulated_{name}", ours[name], "share", "promised", 0.9, more_is_better=True)


def table(name: str, path: Path, columns: ColumnMap) -> None:
    """The backtest's chosen model beside both peers, on the same rows: 80 % teach, the newest 20 % measure."""
    deals = read_deals(path, columns)
    report = backtest(deals, columns, only_best=True)
    new = deals.at >= deals.at[min(len(deals) - 1, round(len(deals) * LEARN))]
    for peer, said in _peers(deals, new):
        _lines(name, report.models[0].followed, classification(deals.won[new], said), peer)
    covered = {"groups": report.models[0].groups, "quantity": report.quantity}
    for what, held in covered.items():
        if held is not None:
            line(
                "forecast_quality", f"{name}_{what}_coverage_90", held.adaptive, "share", "promised", 0.9,
                more_is_better=True,
            )  # fmt: skip


def _lines(name: str, ours: Mapping[str, float], peer: Mapping[str, float], who: str = PEER) -> None:
    for figure, more in FIGURES.items():
        line("forecast_quality", f"{name}_{figure}", ours[figure], "", who, peer[figure], more_is_better=more)


def _peers(deals: Deals, new: NDArray[np.bool_]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Both as they come: logistic regression on one column a word, XGBoost on words as numbers."""
    import xgboost
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    words = np.stack(list(deals.categories.values()), axis=1)
    months = [(of.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12) for of in deals.dates.values()]
    plain = np.stack([*deals.numbers.values(), *months, np.zeros(len(deals))], axis=1)
    number = make_pipeline(SimpleImputer(), StandardScaler()).fit(plain[~new])
    word = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(words[~new])
    x = np.hstack([word.transform(words), number.transform(plain)])
    model = LogisticRegression(max_iter=1000).fit(x[~new], deals.won[~new])
    yield PEER, model.predict_proba(x[new])[:, 1]
    both = np.hstack([words, plain])
    trees = xgboost.XGBClassifier(n_jobs=1).fit(both[~new], deals.won[~new])
    yield "XGBoost, defaults", trees.predict_proba(both[new])[:, 1]
