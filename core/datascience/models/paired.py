"""Two models on the same rows: is one really better?

AUC by DeLong's test in n log n (Sun & Xu, 2014, doi:10.1109/LSP.2014.2337313), Brier score and log loss by a paired
bootstrap. Rows of one deal are not independent of each other: where `deal` is given the deal is what is counted
(Obuchowski, 1997, doi:10.2307/2533958) and drawn.

All arrays are (rows,): `won` 0 or 1, `a` and `b` the probabilities (or any score, for AUC) of the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ids = NDArray[np.int64]

DRAWS = 2000
_CHUNK = 200
_LEAST = 1e-6
Measure = Literal["brier", "log_loss"]


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better `a` is than `b`: above 0 speaks for `a`, whatever is measured. `p`: one-sided, how often so much
    would be seen if `a` were no better. `low` and `high`: 90 % interval of `better`."""

    measure: str
    a: float
    b: float
    better: float
    low: float
    high: float
    p: float
    rows: int
    deals: int

    @property
    def p_worse(self) -> float:
        """The other side: how often so little would be seen if `a` were no worse."""
        return 1 - self.p


def midranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the middle of theirs."""
    import numpy as np

    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(count) - (count - 1) / 2)[place]
    return ranks


def auc(won: Floats, score: Floats) -> float:
    """The area under the ROC curve; not a number where one outcome is missing."""
    good = won > 0.5
    wins, losses = int(good.sum()), int((~good).sum())
    if not wins or not losses:
        return math.nan
    return float((midranks(score)[good].sum() - wins * (wins + 1) / 2) / (wins * losses))


def delong(won: Floats, a: Floats, b: Floats, deal: Ids | None = None) -> Difference:
    """The difference of two AUCs on the same rows."""
    import numpy as np

    good = won > 0.5
    (area_a, pull_a), (area_b, pull_b) = (_placements(good, score) for score in (a, b))
    variance = _variance(pull_a - pull_b, good, deal)
    error, better = math.sqrt(max(0.0, variance)), area_a - area_b
    half = 1.6448536269514722 * error
    deals = len(won) if deal is None else len(np.unique(deal))
    return Difference(
        "auc", area_a, area_b, better, better - half, better + half, _upper_tail(better, error), len(won), deals
    )


def auc_interval(won: Floats, score: Floats, deal: Ids | None = None) -> tuple[float, float, float]:
    """AUC with its 90 % interval."""
    good = won > 0.5
    area, pull = _placements(good, score)
    half = 1.6448536269514722 * math.sqrt(max(0.0, _variance(pull, good, deal)))
    return area, max(0.0, area - half), min(1.0, area + half)


def _placements(good: NDArray[np.bool_], score: Floats) -> tuple[float, Floats]:
    """AUC, and of each row the share of the others' side that it is placed right against."""
    import numpy as np

    wins, losses = int(good.sum()), int((~good).sum())
    ranks = midranks(score)
    pull = np.empty(len(score))
    pull[good] = (ranks[good] - midranks(score[good])) / losses
    pull[~good] = 1 - (ranks[~good] - midranks(score[~good])) / wins
    return float(pull[good].mean()), pull


def _variance(pull: Floats, good: NDArray[np.bool_], deal: Ids | None) -> float:
    """Of the mean placement of both sides together; each deal's rows as one."""
    import numpy as np

    if deal is None:
        return float(sum(pull[side].var(ddof=1) / side.sum() if side.sum() > 1 else 0.0 for side in (good, ~good)))
    _, number = np.unique(deal, return_inverse=True)
    sums = []
    for side in (good, ~good):
        inside = np.bincount(number[side], weights=pull[side] - pull[side].mean(), minlength=number.max() + 1)
        deals = len(np.unique(number[side]))
        sums.append(inside / side.sum() * math.sqrt(deals / max(1, deals - 1)))
    return float(((sums[0] + sums[1]) ** 2).sum())


def _upper_tail(better: float, error: float) -> float:
    if error == 0:
        return 0.0 if better > 0 else 1.0 if better < 0 else 0.5
    return 0.5 * math.erfc(better / error / math.sqrt(2))


def losses(won: Floats, said: Floats, measure: Measure) -> Floats:
    """What each row costs."""
    import numpy as np

    if measure == "brier":
        squares: Floats = (said - won) ** 2
        return squares
    safe = np.clip(said, _LEAST, 1 - _LEAST)
    logs: Floats = -(won * np.log(safe) + (1 - won) * np.log1p(-safe))
    return logs


def bootstrap(
    won: Floats, a: Floats, b: Floats, deal: Ids | None = None, *, measure: Measure = "brier", draws: int = DRAWS,
    seed: int = 0,
) -> Difference:  # fmt: skip
    """The difference of two mean losses on the same rows; whole deals are drawn. The same seed, the same answer."""
    import numpy as np

    cost_a, cost_b = losses(won, a, measure), losses(won, b, measure)
    _, number = np.unique(np.arange(len(won)) if deal is None else deal, return_inverse=True)
    gain = np.asarray(np.bincount(number, weights=cost_b - cost_a), np.float64)
    rows = np.bincount(number)
    deals, rng = len(rows), np.random.default_rng(seed)
    drawn = np.concatenate(
        [
            _means(gain, rows, rng.integers(deals, size=(min(_CHUNK, draws - begun), deals)))
            for begun in range(0, draws, _CHUNK)
        ]
    )
    better = float(gain.sum() / rows.sum())
    low, high = np.quantile(drawn, [0.05, 0.95])
    no_better = float((drawn <= 0).mean()) if better else 0.5
    p = (no_better * draws + 1) / (draws + 2)
    return Difference(
        measure, float(cost_a.mean()), float(cost_b.mean()), better, float(low), float(high), p, len(won), deals
    )


def _means(gain: Floats, rows: NDArray[np.signedinteger], places: Ids) -> Floats:
    means: Floats = gain[places].sum(axis=1) / rows[places].sum(axis=1)
    return means
