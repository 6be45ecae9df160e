"""Ways to learn from a table, by the names that recipes and bundles know them by."""

from __future__ import annotations

from training.algorithms.boosted import Lightgbm, Xgboost
from training.algorithms.ensemble import Ensemble
from training.algorithms.logistic import Logistic
from training.algorithms.sequence import Lstm
from training.algorithms.table import Algorithm, Fitted, Table, TooFewOutcomes

__all__ = ["ALGORITHMS", "Algorithm", "Fitted", "Table", "TooFewOutcomes"]

ALGORITHMS: dict[str, Algorithm] = {
    "logistic": Logistic(), "xgboost": Xgboost(), "lightgbm": Lightgbm(), "lstm": Lstm(),
}  # fmt: skip
"""An ensemble's members are looked up here when it is fitted, so what is added later can be one."""
ALGORITHMS["ensemble"] = Ensemble(ALGORITHMS)
