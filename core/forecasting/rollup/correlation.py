"""How much deals rise and fall together, from the months in which a tenant's deals were closed.

One factor moves all deals of a month (Vasicek, 2002): a deal is won where `loading * factor + own luck` is high enough;
two deals correlate by `loading²`. The likelihood of each month's wins is integrated over the factor, and a prior stands
in where months are few. What comes out is not one number but quantiles of the posterior, so that an interval also
knows how little is known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.forecasting.rollup import normal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PRIOR_LOADING = 0.25
"""Scale of the half-normal prior of the loading: two deals correlate by .06 on average."""
QUANTILES = 16
_MOST_LOADING = 0.8
_GRID, _NODES = 65, 31


@dataclass(frozen=True, slots=True)
class Correlation:
    """`loadings`: equally likely values, ascending. `months`: how many it was learnt from; 0: the prior alone."""

    loadings: tuple[float, ...]
    months: int

    @property
    def mean(self) -> float:
        """Of the correlation of two deals."""
        return sum(loading**2 for loading in self.loadings) / len(self.loadings)

    def to_json(self) -> dict[str, Any]:
        return {"loadings": list(self.loadings), "months": self.months}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Correlation:
        return cls(tuple(raw["loadings"]), int(raw["months"]))

    @classmethod
    def of(cls, correlation: float) -> Correlation:
        """One that is known."""
        return cls((math.sqrt(correlation),), 0)


def estimate(month: NDArray[np.int64], odds: NDArray[np.float64], won: NDArray[np.bool_]) -> Correlation:
    """`month`: a number for each closed deal (deals,); `odds`: what was expected of it; `won`: what came."""
    import numpy as np

    loadings = np.linspace(0.0, _MOST_LOADING, _GRID)
    log_posterior: NDArray[np.float64] = -0.5 * (loadings / PRIOR_LOADING) ** 2
    months = 0
    if len(month):
        # Deals of one month with like odds count together: the cost follows the months, not the deals.
        cell, at = np.unique(np.stack([month, np.rint(odds * 100).astype(np.int64)]), axis=1, return_inverse=True)
        at = at.reshape(-1)
        wins = np.bincount(at, weights=won).astype(np.float64)
        losses = np.bincount(at, weights=~won).astype(np.float64)
        chance = np.clip(np.bincount(at, weights=odds) / (wins + losses), 0.005, 0.995)
        found, number = np.unique(cell[0], return_inverse=True)
        months = len(found)
        log_posterior = log_posterior + _log_likelihood(loadings, number, chance, wins, losses)
    weight = np.exp(log_posterior - log_posterior.max())
    below = (np.cumsum(weight) - weight / 2) / weight.sum()
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return Correlation(tuple(round(float(a), 4) for a in np.interp(levels, below, loadings)), months)


def _log_likelihood(
    loadings: NDArray[np.float64], month: NDArray[np.int64], chance: NDArray[np.float64], wins: NDArray[np.float64],
    losses: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Of each loading; all other arrays are (cells,)."""
    import numpy as np

    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    log_weights = np.log(weights / weights.sum())
    limit = normal.quantile(chance)[:, None]
    order = np.argsort(month, kind="stable")
    starts = np.searchsorted(month[order], np.arange(month.max() + 1))
    found = []
    for loading in loadings:
        given = normal.share_below((limit - loading * nodes) / math.sqrt(1 - loading**2))
        given = np.clip(given, 1e-9, 1 - 1e-9)
        each = wins[:, None] * np.log(given) + losses[:, None] * np.log1p(-given)
        by_month = np.add.reduceat(each[order], starts, axis=0) + log_weights
        top = by_month.max(axis=1, keepdims=True)
        found.append(float((top[:, 0] + np.log(np.exp(by_month - top).sum(axis=1))).sum()))
    return np.array(found)
