"""Logistic regression by scikit-learn, kept as plain arrays."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from training.algorithms.table import Fitted, Table, both_outcomes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Logistic:
    """Recipe: `c`, the inverse of the ridge over standardised features."""

    def fit(self, table: Table, how: Mapping[str, Any]) -> Fitted:
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        both_outcomes(table)
        x, w = table.x.astype(np.float64), table.weight
        known = ~np.isnan(x)
        total = (known * w[:, None]).sum(axis=0)
        fill = np.where(known, x * w[:, None], 0).sum(axis=0) / np.maximum(total, 1e-12)
        x = np.where(known, x, fill)
        mean = np.average(x, axis=0, weights=w)
        spread = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=w))
        scale = np.where(spread > 1e-9, spread, 1.0)
        # Weights that average to one: then `c` means the same for all tables of a size.
        model = LogisticRegression(C=how.get("c", 1.0), max_iter=2000)
        model.fit((x - mean) / scale, table.y, sample_weight=w / w.mean())
        arrays = {"fill": fill, "mean": mean, "scale": scale, "coef": model.coef_[0], "intercept": model.intercept_}
        return Fitted("logistic", {"weights.npz": _packed(arrays)})

    def margins(self, fitted: Fitted, table: Table) -> NDArray[np.float64]:
        import numpy as np

        with np.load(io.BytesIO(fitted.files["weights.npz"]), allow_pickle=False) as held:
            x = np.where(np.isnan(table.x), held["fill"], table.x)
            margin: NDArray[np.float64] = ((x - held["mean"]) / held["scale"]) @ held["coef"] + held["intercept"][0]
        return margin


def _packed(arrays: Mapping[str, NDArray[np.float64]]) -> bytes:
    """Like `numpy.savez`, whose entries carry the hour."""
    import zipfile

    import numpy as np

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, array in sorted(arrays.items()):
            data = io.BytesIO()
            np.lib.format.write_array(data, np.asarray(array, np.float64), allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy", (2020, 1, 1, 0, 0, 0)), data.getvalue())
    return out.getvalue()
