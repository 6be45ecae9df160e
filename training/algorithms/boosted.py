"""Boosted trees: XGBoost and LightGBM, on one thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from training.algorithms.table import Fitted, Table, both_outcomes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Xgboost:
    """Recipe: `booster`, parameters of XGBoost, and `rounds`."""

    def fit(self, table: Table, how: Mapping[str, Any]) -> Fitted:
        import xgboost

        both_outcomes(table)
        data = xgboost.DMatrix(table.x, table.y, weight=table.weight, feature_names=list(table.names), nthread=1)
        booster = xgboost.train({"objective": "binary:logistic", **how["booster"], "nthread": 1}, data, how["rounds"])
        return Fitted("xgboost", {"model.ubj": bytes(booster.save_raw("ubj"))})

    def margins(self, fitted: Fitted, table: Table) -> NDArray[np.float64]:
        import numpy as np
        import xgboost

        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(bytearray(fitted.files["model.ubj"]))
        data = xgboost.DMatrix(table.x, feature_names=list(table.names), nthread=1)
        return np.asarray(booster.predict(data, output_margin=True), np.float64)


class Lightgbm:
    """Recipe: `booster`, parameters of LightGBM, and `rounds`."""

    def fit(self, table: Table, how: Mapping[str, Any]) -> Fitted:
        import lightgbm

        both_outcomes(table)
        fixed = {"num_threads": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True}
        # Its files take few signs in names; the bundle's meta data keeps the names.
        names = [f"f{number}" for number in range(len(table.names))]
        data = lightgbm.Dataset(table.x, table.y, weight=table.weight, feature_name=names)
        booster = lightgbm.train({"objective": "binary", **how["booster"], **fixed}, data, how["rounds"])
        return Fitted("lightgbm", {"model.txt": booster.model_to_string().encode()})

    def margins(self, fitted: Fitted, table: Table) -> NDArray[np.float64]:
        import lightgbm
        import numpy as np

        booster = lightgbm.Booster(model_str=fitted.files["model.txt"].decode())
        return np.asarray(booster.predict(table.x, raw_score=True, num_threads=1), np.float64)
