"""What the inputs and the score looked like when a version was made: it travels in the bundle, and drift is measured
against it.

Of each feature: the inner edges of its bins with the share of each (the last share is "unknown"), and a hundred
quantiles. A feature of few values has a bin for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCORE = "score"
_BINS = 10
_FEW = 12
_GRID = 100


@dataclass(frozen=True, slots=True)
class Histogram:
    """`edges` (bins − 1,) rising; `shares` (bins + 1,), the last of them unknown; `grid` (100,) quantiles of what is
    known, empty where nothing was. `count`: how many independent values it stands for."""

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    grid: tuple[float, ...]
    count: int

    @classmethod
    def of(cls, values: NDArray[np.floating[Any]], count: int | None = None) -> Histogram:
        """`count`: how many deals, where the rows are moments of deals."""
        import numpy as np

        known = values[~np.isnan(values)].astype(np.float64)
        edges = _edges(known)
        grid = np.quantile(known, (np.arange(_GRID) + 0.5) / _GRID) if len(known) else np.array([])
        shares = counted(values, edges) / max(1, len(values))
        return cls(
            tuple(edges.tolist()), tuple(np.round(shares, 6).tolist()), tuple(np.round(grid, 6).tolist()),
            len(values) if count is None else count,
        )  # fmt: skip


def _edges(known: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    different = np.unique(known)
    if len(different) <= _FEW:
        middles: NDArray[np.float64] = (different[1:] + different[:-1]) / 2
        return middles
    return np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS))


def counted(values: NDArray[np.floating[Any]], edges: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """How many lie in each bin; the last place counts the unknown."""
    import numpy as np

    known = values[~np.isnan(values)]
    inside = np.bincount(np.searchsorted(np.asarray(edges), known, side="left"), minlength=len(edges) + 1)
    return np.append(inside, len(values) - len(known)).astype(np.float64)


def reference(
    names: Sequence[str], x: NDArray[np.floating[Any]], said: NDArray[np.float64], *, deals: int | None = None
) -> dict[str, Any]:
    """For the bundle's `reference`: of every feature in `x` (rows, names), and of the probabilities `said` (rows,)."""
    found = {name: Histogram.of(x[:, at], deals) for at, name in enumerate(names)}
    return {"features": {name: asdict(h) for name, h in found.items()}, SCORE: asdict(Histogram.of(said, deals))}


def read(told: Mapping[str, Any]) -> tuple[dict[str, Histogram], Histogram | None]:
    """The histograms of features and that of the score, as `reference` wrote them; nothing of a bundle without."""
    features = {name: _histogram(one) for name, one in told.get("features", {}).items()}
    return features, _histogram(told[SCORE]) if SCORE in told else None


def _histogram(told: Mapping[str, Any]) -> Histogram:
    return Histogram(tuple(told["edges"]), tuple(told["shares"]), tuple(told["grid"]), int(told["count"]))
