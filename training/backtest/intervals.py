"""What a promise of 90 % held on newer rows: for a quantity of each deal, and for how many of a group are won."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.datascience.models.conformal import PROMISE, AdaptiveWidth, conformal_quantile
from training.backtest.columns import Deals
from training.backtest.encode import encode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

GROUP = 20
"""Deals that come one after another, of which the share won is foreseen."""
_BOOSTER = {
    "objective": "quantile", "learning_rate": 0.1, "num_leaves": 15, "min_data_in_leaf": 40, "feature_fraction": 0.7,
    "seed": 7, "num_threads": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip
_ROUNDS = 100
_HOLD = 0.25


@dataclass(frozen=True, slots=True)
class Coverage:
    """`adaptive`: the width followed outcomes as they became known. `fixed`: it stayed as it was at the cut. `width`:
    the median of adaptive intervals, in what the quantity counts."""

    rows: int
    adaptive: float
    fixed: float
    width: float


def of_quantity(deals: Deals, cut: float, *, without: tuple[str, ...]) -> Coverage:
    """Quantiles by LightGBM, fitted on the older part of what was known at `cut`; the newer part of it says how far
    their ends must move (conformalized quantile regression, Romano et al., 2019), and so does each later outcome."""
    import numpy as np

    assert deals.quantity is not None
    value = np.sign(deals.quantity) * np.log1p(np.abs(deals.quantity))
    has = np.isfinite(value)
    past = np.flatnonzero(has & (deals.at < cut) & (deals.mature < cut))
    hold = past[round(len(past) * (1 - _HOLD)) :]
    begin = deals.at[hold[0]]
    x = encode(deals, float(begin), without=without)[0]
    learn = past[: round(len(past) * (1 - _HOLD))]
    test = np.flatnonzero(has & (deals.at >= cut))
    rows = np.concatenate([hold, test])
    low, high = (_quantile(x[learn], value[learn], x[rows], level) for level in ((1 - PROMISE) / 2, (1 + PROMISE) / 2))
    low, high = np.minimum(low, high), np.maximum(low, high)
    score = np.maximum(low - value[rows], value[rows] - high)
    kept = len(hold)
    reach = _followed(score, deals.at[rows], deals.mature[rows], kept, AdaptiveWidth(gamma=0.005, most=2_000))
    plain = conformal_quantile(score[:kept], PROMISE)
    ends = [np.sign(end) * np.expm1(np.abs(end)) for end in (low[kept:] - reach, high[kept:] + reach)]
    return Coverage(
        len(test), float(np.mean(score[kept:] <= reach)), float(np.mean(score[kept:] <= plain)),
        float(np.median(np.maximum(ends[1] - ends[0], 0))),
    )  # fmt: skip


def of_groups(said: Floats, won: Floats, at: Floats, mature: Floats, *, test: NDArray[np.bool_]) -> Coverage:
    """Rows in order of time, their odds as they were told; those that are no `test` only teach the width. A group's
    interval is the sum of its odds, give or take a multiple of what chance alone would do."""
    import numpy as np

    groups = [part for rows in (~test, test) for part in _grouped(np.flatnonzero(rows))]
    kept = sum(not test[part[0]] for part in groups)
    foreseen = np.array([said[part].sum() for part in groups])
    chance = np.sqrt([(said[part] * (1 - said[part])).sum() for part in groups])
    score = np.abs(np.array([won[part].sum() for part in groups]) - foreseen) / chance
    begins, ends = (np.array([edge(of) for of in parts]) for edge, parts in (
        (np.min, [at[part] for part in groups]), (np.max, [mature[part] for part in groups]),
    ))  # fmt: skip
    reach = _followed(score, begins, ends, kept, AdaptiveWidth(gamma=0.05, most=200))
    plain = conformal_quantile(score[:kept], PROMISE)
    width = 2 * np.median(np.minimum(reach * chance[kept:], GROUP / 2)) / GROUP
    return Coverage(
        len(groups) - kept, float(np.mean(score[kept:] <= reach)), float(np.mean(score[kept:] <= plain)), float(width)
    )


def _grouped(rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    return [rows[n : n + GROUP] for n in range(0, len(rows) - GROUP + 1, GROUP)]


def _followed(score: Floats, at: Floats, known: Floats, kept: int, width: AdaptiveWidth) -> Floats:
    """How far each interval from place `kept` on reached; it knew the scores that were known before its moment, and the
    first `kept`."""
    import numpy as np

    reach = np.full(len(score), math.nan)
    for place in range(kept):
        width.seen(float(score[place]))
    waiting = kept + np.argsort(known[kept:], kind="stable")
    told = 0
    for place in range(kept, len(score)):
        while told < len(waiting) and known[waiting[told]] < at[place]:
            outcome = waiting[told]
            width.seen(float(score[outcome]), missed=bool(score[outcome] > reach[outcome]))
            told += 1
        reach[place] = width.reach()
    return reach[kept:]


def _quantile(x: NDArray[np.float32], value: Floats, asked: NDArray[np.float32], level: float) -> Floats:
    import lightgbm
    import numpy as np

    booster = lightgbm.train({**_BOOSTER, "alpha": level}, lightgbm.Dataset(x, value), _ROUNDS)
    return np.asarray(booster.predict(asked, num_threads=1), np.float64)
