"""What scores with a bundle: margins (log-odds before calibration) and each feature's share in them. One thread.

Training measures through the same scorers that serve. Shares are exact for logistic regression, XGBoost, LightGBM and
ensembles of them, and sampled for sequences (`core.datascience.models.sequence`).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from core.datascience.models import trees
from core.datascience.models.bundle import Bundle
from core.kit.errors import BadAnswer
from core.kit.log import logger

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logger("models")
EVENTS = "events"
"""The name under which a whole sequence has its share."""
_LEAST_EXACT = 1e-4
_MANY = 400
"""Rows for which making tables takes less than doing without."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is scored. `x`: float32 (rows, features), NaN where unknown. `events`: float32 (rows, steps, channels) with
    `lengths`: int64 (rows,), where a model reads sequences."""

    x: NDArray[np.float32]
    events: NDArray[np.float32] | None = None
    lengths: NDArray[np.int64] | None = None


class Scorer(Protocol):
    """A model that is open."""

    columns: tuple[str, ...]
    """What has a share: the features, and `events` where the model reads a sequence."""
    channels: int
    """Of the sequences that it reads; 0 where it reads none."""

    @property
    def nbytes(self) -> int:
        """About how much memory it holds."""
        ...

    def warm(self) -> None:
        """Get ready to answer often: takes a moment and memory, and may be left out."""
        ...

    def margins(self, inputs: Inputs) -> NDArray[np.float64]:
        """float64 (rows,)."""
        ...

    def contributions(self, inputs: Inputs) -> NDArray[np.float64]:
        """float64 (rows, columns + 1); the last is the base, and a row adds up to its margin."""
        ...


def open_scorer(bundle: Bundle) -> Scorer:
    """Raises `BadAnswer` for files that cannot be read or that are not of the bundle's features."""
    try:
        return _OPEN[bundle.meta.algorithm](bundle)
    except BadAnswer:
        raise
    except Exception as error:  # each library has exceptions of its own for a broken file
        raise BadAnswer("The model in the bundle cannot be read. Train it again.") from error


class LogisticScorer:
    """margin = ((x, or `fill` where unknown, − mean) / scale) · coef + intercept; a feature's share is its own term,
    counted from the mean."""

    channels = 0

    def warm(self) -> None:
        return None

    def __init__(self, bundle: Bundle) -> None:
        import numpy as np

        self.columns = bundle.meta.names
        with np.load(io.BytesIO(bundle.files["weights.npz"]), allow_pickle=False) as held:
            parts = {name: held[name].astype(np.float64).ravel() for name in ("fill", "mean", "scale", "coef")}
            self._intercept = float(held["intercept"].ravel()[0])
        if any(part.shape != (len(self.columns),) for part in parts.values()):
            raise BadAnswer("The model was trained on other features than its bundle names. Train it again.")
        self._fill, self._mean = parts["fill"], parts["mean"]
        self._weight = parts["coef"] / parts["scale"]
        self.nbytes = 4096 + 3 * self._fill.nbytes

    def margins(self, inputs: Inputs) -> NDArray[np.float64]:
        total: NDArray[np.float64] = self.contributions(inputs).sum(axis=1)
        return total

    def contributions(self, inputs: Inputs) -> NDArray[np.float64]:
        import numpy as np

        found = np.empty((len(inputs.x), len(self.columns) + 1))
        found[:, :-1] = (np.where(np.isnan(inputs.x), self._fill, inputs.x) - self._mean) * self._weight
        found[:, -1] = self._intercept
        return found


class _Trees:
    """Boosted trees: shares are the library's own, until `warm` puts them into tables, where they fit and agree."""

    columns: tuple[str, ...]
    nbytes: int
    channels = 0
    _tables: trees.LeafTables | None = None
    _nodes: Callable[[], Sequence[Sequence[trees.Node]]] | None

    def _open(self, model: int, nodes: Callable[[], Sequence[Sequence[trees.Node]]]) -> None:
        """`model`: the size of its file."""
        self.nbytes = 4 * model
        self._nodes = nodes

    def warm(self) -> None:
        if (nodes := self._nodes) is not None:
            self._nodes = None
            self._tables = self._tabled(nodes)
            if self._tables is not None:
                self.nbytes += self._tables.nbytes

    def _tabled(self, nodes: Callable[[], Sequence[Sequence[trees.Node]]]) -> trees.LeafTables | None:
        import numpy as np

        probes = np.zeros((2, len(self.columns)), np.float32)
        probes[1] = np.nan
        try:
            native = self._native(probes)
            leaves = [leaf for tree in nodes() for leaf in trees.leaves_of(tree)]
            tables = trees.LeafTables(leaves, len(self.columns), float(native[0, -1]))
        except trees.TooDeep:
            return None
        if np.abs(tables.shares(probes) - native).max() > _LEAST_EXACT * max(1.0, np.abs(native).max()):
            log.error("tables_differ", algorithm=type(self).__name__)
            return None
        return tables

    def contributions(self, inputs: Inputs) -> NDArray[np.float64]:
        if len(inputs.x) >= _MANY:
            self.warm()
        return self._native(inputs.x) if self._tables is None else self._tables.shares(inputs.x)

    def _native(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        raise NotImplementedError


class XgboostScorer(_Trees):
    def __init__(self, bundle: Bundle) -> None:
        import xgboost

        self.columns = bundle.meta.names
        self._booster = xgboost.Booster({"nthread": 1})
        self._booster.load_model(bytearray(bundle.files["model.ubj"]))
        if self._booster.num_features() != len(self.columns):
            raise BadAnswer("The model was trained on other features than its bundle names. Train it again.")
        self._booster.feature_names = None  # they are checked once, here, and not with every row
        self._open(
            len(bundle.files["model.ubj"]), lambda: trees.of_xgboost(bytes(self._booster.save_raw("json")))
        )  # fmt: skip

    def margins(self, inputs: Inputs) -> NDArray[np.float64]:
        import numpy as np

        found = self._booster.inplace_predict(inputs.x, predict_type="margin", validate_features=False)
        return np.asarray(found, np.float64)

    def _native(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        import numpy as np
        import xgboost

        return np.asarray(self._booster.predict(xgboost.DMatrix(x, nthread=1), pred_contribs=True), np.float64)


class LightgbmScorer(_Trees):
    def __init__(self, bundle: Bundle) -> None:
        import lightgbm

        self.columns = bundle.meta.names
        self._booster = lightgbm.Booster(model_str=bundle.files["model.txt"].decode())
        if self._booster.num_feature() != len(self.columns):
            raise BadAnswer("The model was trained on other features than its bundle names. Train it again.")
        self._open(len(bundle.files["model.txt"]), lambda: trees.of_lightgbm(self._booster.dump_model()))

    def margins(self, inputs: Inputs) -> NDArray[np.float64]:
        import numpy as np

        return np.asarray(self._booster.predict(inputs.x, raw_score=True, num_threads=1), np.float64)

    def _native(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        import numpy as np

        return np.asarray(self._booster.predict(x, pred_contrib=True, num_threads=1), np.float64)


class EnsembleScorer:
    """Members' margins, weighted and added; shares add up the same way."""

    def __init__(self, bundle: Bundle) -> None:
        stack = bundle.meta.stack
        assert stack is not None, "unpack sees to it"
        self._weights, self._shift = stack.weights, stack.shift
        self._members = [open_scorer(bundle.member(member)) for member in bundle.meta.members]
        self.channels = max(member.channels for member in self._members)
        self.columns = (*bundle.meta.names, EVENTS) if self.channels else bundle.meta.names

    @property
    def nbytes(self) -> int:
        return sum(member.nbytes for member in self._members)

    def warm(self) -> None:
        for member in self._members:
            member.warm()

    def margins(self, inputs: Inputs) -> NDArray[np.float64]:
        parts = zip(self._weights, self._members, strict=True)
        total: Any = sum(weight * member.margins(inputs) for weight, member in parts)
        added: NDArray[np.float64] = total + self._shift
        return added

    def contributions(self, inputs: Inputs) -> NDArray[np.float64]:
        import numpy as np

        found = np.zeros((len(inputs.x), len(self.columns) + 1))
        for weight, member in zip(self._weights, self._members, strict=True):
            shares = weight * member.contributions(inputs)
            found[:, : len(member.columns)] += shares[:, :-1]
            found[:, -1] += shares[:, -1]
        found[:, -1] += self._shift
        return found


def _sequence(bundle: Bundle) -> Scorer:
    from core.datascience.models.sequence import SequenceScorer

    return SequenceScorer(bundle)


_OPEN: dict[str, Callable[[Bundle], Scorer]] = {
    "logistic": LogisticScorer,
    "xgboost": XgboostScorer,
    "lightgbm": LightgbmScorer,
    "lstm": _sequence,
    "ensemble": EnsembleScorer,
}
