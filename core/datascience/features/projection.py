"""Many features as two axes, for looking: principal components (Pearson, 1901), always with the same signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_POINTS = 3


@dataclass(frozen=True, slots=True)
class Projection:
    """`points`: float64 (rows, 2). `explained`: each axis' share of the variance. `weights`: float64 (2, columns)."""

    points: NDArray[np.float64]
    explained: tuple[float, float]
    weights: NDArray[np.float64]


def project(columns: NDArray[np.float64], blocks: Sequence[int]) -> Projection:
    """`columns`: float64 (rows, columns), NaN where not known, which lies in the middle. `blocks`: how many columns
    each feature has: one of many columns weighs as much as one of a single one."""
    import numpy as np

    known = np.isfinite(columns)
    counts = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, columns, 0.0)
    mean = filled.sum(axis=0) / counts
    centred = np.where(known, columns - mean, 0.0)
    scale = np.sqrt((centred**2).sum(axis=0) / counts)
    even = np.repeat([1 / np.sqrt(size) for size in blocks], blocks)
    table = centred / np.where(scale > 1e-12, scale, 1.0) * even
    _, strength, axes = np.linalg.svd(table, full_matrices=False)
    weights = np.zeros((2, table.shape[1]))
    weights[: min(2, len(axes))] = axes[:2]
    heaviest = np.abs(weights).argmax(axis=1)
    signs = np.where(weights[[0, 1], heaviest] < 0, -1.0, 1.0)
    weights *= signs[:, None]
    power = np.zeros(2)
    power[: min(2, len(strength))] = strength[:2] ** 2
    total = max(float((strength**2).sum()), 1e-12)
    return Projection(table @ weights.T, (float(power[0] / total), float(power[1] / total)), weights)
