"""What a promise of 90 % held on newer rows: for a quantity of each deal, and for how many of a group are won.

How the quantity's width follows was chosen on the oldest 80 % alone, by playing the same measure there, and so is what
its ends rest on (`Edition`s that end earlier).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.datascience.models.conformal import PROMISE, AdaptiveWidth, TrackingWidth, conformal_quantile
from training.backtest.columns import Deals
from training.backtest.encode import encode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

LEARN = 0.8
GROUP = 20
"""Deals that come one after another, of which the share won is foreseen."""
LEAST_ROWS = 50
BOOSTER, PLAIN = "booster", "plain"
_BOOSTER = {
    "objective": "quantile", "learning_rate": 0.1, "num_leaves": 15, "min_data_in_leaf": 40, "feature_fraction": 0.7,
    "seed": 7, "num_threads": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip
_ROUNDS = 100
_HOLD = 0.25
_EDITIONS = 2


@dataclass(frozen=True, slots=True)
class Coverage:
    """`adaptive`: the width followed outcomes as they became known. `fixed`: it stayed as it was at the cut. `width`:
    the median of adaptive intervals, in what the quantity counts. `base`: what the ends rest on."""

    rows: int
    adaptive: float
    fixed: float
    width: float
    base: str = PLAIN


@dataclass(frozen=True, slots=True)
class Settled:
    """The newest fifth of the rows that are old enough to be measured. Of younger ones only those that ended quickly
    are in a table, and no interval can hold for them: `rows` (rows of the table,) bool, all from `cut` on."""

    cut: float
    rows: NDArray[np.bool_]


def settled(deals: Deals, until: float = math.inf) -> Settled:
    """As the table stood at `until`, else at its end, when the last outcome became known."""
    import numpy as np

    old = np.flatnonzero(deals.mature <= _end(deals, until))
    cut = float(deals.at[old[min(len(old) - 1, round(len(old) * LEARN))]]) if len(old) else math.inf
    rows = np.zeros(len(deals), bool)
    rows[old[deals.at[old] >= cut]] = True
    return Settled(cut, rows)


@dataclass(frozen=True, slots=True)
class Edition:
    """The measure as it would have been made at some time. All (rows,): those of the end of what was learnt from, which
    set the width, and the `measured`. `ends`: low and high by base."""

    cut: float
    value: Floats
    at: Floats
    known: Floats
    measured: NDArray[np.bool_]
    begin: float
    ends: Mapping[str, tuple[Floats, Floats]]


def of_quantity(deals: Deals, *, without: tuple[str, ...]) -> Coverage | None:
    """Ends by LightGBM's quantiles, or the plain quantiles of all, whichever was better in earlier editions (interval
    score, Gneiting and Raftery, 2007); how far they must move is told by each outcome since (conformalized quantile
    regression, Romano et al., 2019). None where too little is known.

    Outcomes are taken in the order in which they became known: where as much is begun as ends, what ends in a month is
    a fair sample of how long things take, and what began in a month is not, as long as some of it goes on.
    """
    import numpy as np

    assert deals.quantity is not None
    value = np.sign(deals.quantity) * np.log1p(np.abs(deals.quantity))
    now = _edition(deals, value, math.inf, without)
    if now is None:
        return None
    better, older = [0.0], now
    for _ in range(_EDITIONS):
        before = _edition(deals, value, older.cut, without)
        if before is None:
            break
        better.append(math.log(_interval_score(before, PLAIN) / _interval_score(before, BOOSTER)))
        older = before
    base = BOOSTER if sum(better) > 0 else PLAIN
    (low, high), measured = now.ends[base], now.measured
    score = np.maximum(low - now.value, now.value - high)
    reach = _followed(score, now.at, now.known, now.begin, TrackingWidth())[measured]
    plain = conformal_quantile(score[now.known < now.cut], PROMISE)
    first, last = (_unlogged(end) for end in (low[measured] - reach, high[measured] + reach))
    return Coverage(
        int(measured.sum()), float(np.mean(score[measured] <= reach)), float(np.mean(score[measured] <= plain)),
        float(np.median(np.maximum(last - first, 0))), base,
    )  # fmt: skip


def of_groups(said: Floats, won: Floats, at: Floats, known: Floats, *, test: NDArray[np.bool_]) -> Coverage:
    """Rows in order of time, their odds as they were told; those that are no `test` only teach the width. A group's
    interval is the sum of its odds, give or take a multiple of what chance alone would do."""
    import numpy as np

    groups = [part for rows in (~test, test) for part in _grouped(np.flatnonzero(rows))]
    new = np.array([test[part[0]] for part in groups])
    foreseen = np.array([said[part].sum() for part in groups])
    chance = np.sqrt([(said[part] * (1 - said[part])).sum() for part in groups])
    score = np.abs(np.array([won[part].sum() for part in groups]) - foreseen) / chance
    begins, ends = (np.array([edge(of[part]) for part in groups]) for edge, of in ((np.min, at), (np.max, known)))
    # What only teaches was known before anything is measured.
    ends[~new] = np.minimum(ends[~new], np.nextafter(begins[new].min(), -math.inf))
    reach = _followed(score, begins, ends, float(begins[new].min()), AdaptiveWidth(gamma=0.05, most=200))[new]
    plain = conformal_quantile(score[~new], PROMISE)
    width = 2 * np.median(np.minimum(reach * chance[new], GROUP / 2)) / GROUP
    return Coverage(
        int(new.sum()), float(np.mean(score[new] <= reach)), float(np.mean(score[new] <= plain)), float(width)
    )


def _grouped(rows: Places) -> list[Places]:
    return [rows[n : n + GROUP] for n in range(0, len(rows) - GROUP + 1, GROUP)]


def _edition(deals: Deals, value: Floats, until: float, without: tuple[str, ...]) -> Edition | None:
    """None where too few outcomes were known, or too few rows could be measured."""
    import numpy as np

    there = np.isfinite(value) & (deals.known <= _end(deals, until))
    old = settled(deals, until)
    past = np.flatnonzero(there & (deals.known < old.cut))
    past = past[np.argsort(deals.known[past], kind="stable")]
    measured = np.flatnonzero(there & old.rows)
    if min(len(past) * _HOLD, len(measured)) < LEAST_ROWS:
        return None
    begin = float(deals.known[past[round(len(past) * (1 - _HOLD))]])
    learn, hold = past[deals.known[past] < begin], past[deals.known[past] >= begin]
    ended_later = np.flatnonzero(there & (deals.at < old.cut) & (deals.known >= old.cut))
    rows = np.concatenate([hold, ended_later, measured])
    x = encode(deals, begin, without=without)[0]
    levels = ((1 - PROMISE) / 2, (1 + PROMISE) / 2)
    low, high = (_quantile(x[learn], value[learn], x[rows], level) for level in levels)
    plain = [np.full(len(rows), float(np.quantile(value[learn], level))) for level in levels]
    ends = {BOOSTER: (np.minimum(low, high), np.maximum(low, high)), PLAIN: (plain[0], plain[1])}
    return Edition(
        old.cut, value[rows], deals.at[rows], deals.known[rows], np.isin(rows, measured), begin, ends
    )  # fmt: skip


def _interval_score(edition: Edition, base: str) -> float:
    """Mean width, and what lay outside by how much it did, as dear as a miss is rare."""
    import numpy as np

    (low, high), value, here = edition.ends[base], edition.value, edition.measured
    reach = _followed(np.maximum(low - value, value - high), edition.at, edition.known, edition.begin, TrackingWidth())
    first, last = (low - reach)[here], (high + reach)[here]
    outside = np.maximum(first - value[here], 0) + np.maximum(value[here] - last, 0)
    return float(np.mean(last - first + 2 / (1 - PROMISE) * outside))


def _followed(score: Floats, at: Floats, known: Floats, begin: float, width: AdaptiveWidth | TrackingWidth) -> Floats:
    """How far each interval that was asked for from `begin` on reached, by what was known before its moment; NaN for
    older rows. All (rows,), in any order."""
    import numpy as np

    reach = np.full(len(score), math.nan)
    by_known, told = np.argsort(known, kind="stable"), 0
    for place in np.argsort(at, kind="stable"):
        if at[place] < begin:
            continue
        while told < len(score) and known[by_known[told]] < at[place]:
            outcome = by_known[told]
            given = float(reach[outcome])
            width.seen(float(score[outcome]), missed=None if math.isnan(given) else bool(score[outcome] > given))
            told += 1
        now = width.reach()
        reach[place] = 0.0 if math.isnan(now) else now
    return reach


def _end(deals: Deals, until: float) -> float:
    import numpy as np

    return min(until, float(deals.known[np.isfinite(deals.known)].max()))


def _unlogged(value: Floats) -> Floats:
    import numpy as np

    return np.asarray(np.sign(value) * np.expm1(np.abs(value)), np.float64)


def _quantile(x: NDArray[np.float32], value: Floats, asked: NDArray[np.float32], level: float) -> Floats:
    import lightgbm
    import numpy as np

    booster = lightgbm.train({**_BOOSTER, "alpha": level}, lightgbm.Dataset(x, value), _ROUNDS)
    return np.asarray(booster.predict(asked, num_threads=1), np.float64)
