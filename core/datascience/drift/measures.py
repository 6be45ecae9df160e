"""How far apart two distributions are: the population stability index over bins, and Kolmogorov and Smirnov's largest
distance between distribution functions, each with what chance alone would show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.datascience.models.reference import Histogram, counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Shift:
    """`psi_by_chance`: what samples of this size from one distribution hardly ever pass. `ks_p`: how often chance alone
    shows so large a distance. `missing` and `missing_before`: shares that are unknown."""

    psi: float
    psi_by_chance: float
    ks: float
    ks_p: float
    missing: float
    missing_before: float
    rows: int


def shift(reference: Histogram, values: NDArray[np.floating[Any]]) -> Shift:
    """`values` (rows,), NaN where unknown; each of a deal of its own."""
    import numpy as np

    counts = counted(values, reference.edges)
    rows = int(counts.sum())
    known = values[~np.isnan(values)].astype(np.float64)
    distance = ks(np.array(reference.grid), known)
    return Shift(
        psi=round(psi(np.array(reference.shares), counts, reference.count), 4),
        psi_by_chance=round(psi_by_chance(len(counts), rows, reference.count), 4),
        ks=round(distance, 4), ks_p=ks_p(distance, len(known), reference.count),
        missing=round(float(counts[-1]) / max(1, rows), 4), missing_before=round(reference.shares[-1], 4), rows=rows,
    )  # fmt: skip


def psi(shares: NDArray[np.float64], counts: NDArray[np.float64], count: int) -> float:
    """Σ (now − before) · ln(now / before), with half a value added to each bin, so that none is empty."""
    import numpy as np

    before = (shares * count + 0.5) / (shares.sum() * count + 0.5 * len(shares))
    now = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    return float(((now - before) * np.log(now / before)).sum())


def psi_by_chance(bins: int, rows: int, count: int) -> float:
    """Without a shift the index is about χ² with `bins` − 1 degrees, times 1/rows + 1/count (Yurdakul, 2018): three
    deviations above its mean."""
    freedom = max(1, bins - 1)
    return (freedom + 3 * math.sqrt(2 * freedom)) * (1 / max(1, rows) + 1 / max(1, count))


def ks(grid: NDArray[np.float64], known: NDArray[np.float64]) -> float:
    """`grid`: quantiles that stand for the distribution before; 0 where one of the two is empty."""
    import numpy as np

    if not len(grid) or not len(known):
        return 0.0
    points = np.concatenate([grid, known])
    before = np.searchsorted(np.sort(grid), points, side="right") / len(grid)
    now = np.searchsorted(np.sort(known), points, side="right") / len(known)
    return float(np.abs(before - now).max())


def ks_p(distance: float, rows: int, count: int) -> float:
    """Kolmogorov's limit distribution; careful for values with ties."""
    if not rows or not count:
        return 1.0
    root = math.sqrt(rows * count / (rows + count))
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.2:
        return 1.0
    terms = (2 * (-1) ** (k - 1) * math.exp(-2 * k * k * scaled * scaled) for k in range(1, 101))
    return float(min(1.0, max(0.0, sum(terms))))
