"""Columns to features. What a row is told of outcomes was known before it, in learning as in measuring, so nothing that
a model meets in service differs from what it was fitted on."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from training.backtest.columns import Deals

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PULL = 20.0
"""Outcomes that the share of all is worth beside a category's own."""
PULL_OF_A_WHOLE = 5.0
"""The same for rows that agree in every category."""
MOST_LEVELS = 12
LEAST_SHARE = 0.01
"""Of rows: a rarer level of a category has no column of its own."""


def encode(
    deals: Deals, cut: float, *, half_life: float | None = None, outcomes_until: float = math.inf,
    without: tuple[str, ...] = (),
) -> tuple[NDArray[np.float32], tuple[str, ...]]:  # fmt: skip
    """Features of all rows, float32 (rows, features), and their names.

    `cut`: what is older decides which levels have columns. `half_life`, in what `at` counts, of outcomes in the shares
    of categories. `outcomes_until`: no outcome known later is used (a model that is frozen). `without`: columns to
    leave out.
    """
    import numpy as np

    found: dict[str, Floats] = {}
    past = deals.at < cut
    moment = np.minimum(deals.at, outcomes_until)
    categories = {name: codes for name, codes in deals.categories.items() if name not in without}
    for name, codes in categories.items():
        found[f"{name} · won"] = target(codes, deals, moment, half_life=half_life, pull=PULL)[0]
        found[f"{name} · seen"] = np.log1p(before(codes, deals.at)[0]) - np.log1p(np.searchsorted(deals.at, deals.at))
        for level in _levels(codes[past]):
            found[f"{name} = {level}"] = (codes == level).astype(np.float64)
    if len(categories) > 1:
        whole = _whole(list(categories.values()))
        seen, gap = before(whole, deals.at)
        found["same · won"] = target(whole, deals, moment, half_life=half_life, pull=PULL_OF_A_WHOLE)[0]
        found["same · seen"], found["same · gap"] = np.log1p(seen), np.log1p(gap)
    for name, ranks in deals.ranks.items():
        if name not in without:
            found[f"{name} · rank"] = ranks
    for name, values in deals.numbers.items():
        if name not in without:
            found[name] = values
            if _spread(values[past]):
                found[f"{name} · log"] = np.sign(values) * np.log1p(np.abs(values))
    for name, days in deals.dates.items():
        if name not in without:
            found |= {f"{name} · {what}": of for what, of in _calendar(days).items()}
    return np.stack(list(found.values()), axis=1).astype(np.float32), tuple(found)


def target(
    codes: NDArray[np.int64], deals: Deals, moment: Floats, *, half_life: float | None, pull: float
) -> tuple[Floats, Floats]:
    """Log-odds of the share won of each row's category, (rows,), among outcomes known before `moment`, pulled to the
    share of all by `pull` outcomes; and how many outcomes it rests on. One that is a half-life old counts half."""
    import numpy as np

    finite = np.isfinite(deals.known)
    start = float(deals.known[finite].min()) if finite.any() else 0.0
    rate = math.log(2) / half_life if half_life else 0.0
    # Grown from the start and shrunk at the moment: sums over the past come from one running sum.
    grown = np.where(finite, np.exp(np.minimum(rate * (np.where(finite, deals.known, start) - start), 600)), 0.0)
    shrink = np.exp(-np.minimum(rate * np.maximum(moment - start, 0), 600))
    everybody = np.zeros(len(codes), np.int64)
    total, wins = (_sums(everybody, deals.known, values, moment) for values in (grown, grown * deals.won))
    base = (wins * shrink + 1) / (total * shrink + 2)
    total, wins = (_sums(codes, deals.known, values, moment) * shrink for values in (grown, grown * deals.won))
    share = (wins + pull * base) / (total + pull)
    return np.log(share / (1 - share)), total


def _sums(codes: NDArray[np.int64], known: Floats, values: Floats, moment: Floats) -> Floats:
    """For each row: the sum of `values` of its category that were known before its moment."""
    import numpy as np

    found = np.zeros(len(codes))
    order = np.lexsort((known, codes))
    ends = np.searchsorted(codes[order], np.arange(int(codes.max()) + 2))
    for begin, end in pairwise(ends):
        rows = order[begin:end]
        running = np.concatenate([[0.0], np.cumsum(values[rows])])
        found[rows] = running[np.searchsorted(known[rows], moment[rows], side="left")]
    return found


def before(codes: NDArray[np.int64], at: Floats) -> tuple[Floats, Floats]:
    """How many rows of the same category came before each, and how long since the last; NaN where it is the first. Rows
    of one moment do not come before each other."""
    import numpy as np

    count, gap = np.zeros(len(codes)), np.full(len(codes), np.nan)
    order = np.lexsort((at, codes))
    ends = np.searchsorted(codes[order], np.arange(int(codes.max()) + 2))
    for begin, end in pairwise(ends):
        rows = order[begin:end]
        moments = at[rows]
        place = np.searchsorted(moments, moments, side="left")
        count[rows] = place
        gap[rows] = np.where(place > 0, moments - moments[np.maximum(place - 1, 0)], np.nan)
    return count, gap


def _levels(codes: NDArray[np.int64]) -> list[int]:
    """The most frequent, the first of a pair left out: it would say what the other says."""
    import numpy as np

    times = np.bincount(codes) if codes.size else np.zeros(0, np.int64)
    often = [int(level) for level in np.argsort(-times, kind="stable") if times[level] >= LEAST_SHARE * len(codes)]
    return often[1:] if len(often) == 2 else often[:MOST_LEVELS]


def _whole(columns: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """One number for each combination of all categories."""
    import numpy as np

    return np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def _spread(values: Floats) -> bool:
    """Do they reach over several sizes, so that a logarithm tells more?"""
    import numpy as np

    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    return sizes.size > 0 and float(np.quantile(sizes, 0.99)) > 20 * float(np.quantile(sizes, 0.1))


def _calendar(days: Floats) -> dict[str, Floats]:
    import numpy as np

    whole = np.where(np.isfinite(days), days, 0)
    months = np.floor(whole).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    told = {"month": months % 12 + 1.0, "weekday": (np.floor(whole) + 3) % 7}
    return {name: np.where(np.isfinite(days), of, np.nan) for name, of in told.items()}
