"""Many possible ends of one pipeline: which deals are won, when, and what that brings to each group and month.

A deal is won where its own luck lies below a limit that moves with one factor for all (a Gaussian copula). Luck is a
hash of deal and draw, not a stream: a deal fares the same in a draw whoever is counted with it. So the same state gives
the same figures, a seller's own figures are those that his manager sees, groups add up draw by draw, and two moments
differ by what changed and not by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.forecasting.rollup import normal
from core.forecasting.rollup.correlation import Correlation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS = 4096
STRATA = 256
"""The factor takes this many equally likely values; each is followed by `DRAWS / STRATA` draws of luck."""
_BATCH = 32
"""Deals at a time: what is in hand stays in the processor's cache."""
_BYTE = 256
_SHIFT = DRAWS.bit_length() - 1


@dataclass(frozen=True, slots=True)
class Draws:
    """(groups, months, draws): value won in cents, and how many deals."""

    value: NDArray[np.float64]
    count: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OpenDeals:
    """Arrays (deals,). `key`: uint64, a deal's own; `odds`: (deals, months), to close in each, given that it is won."""

    key: NDArray[np.uint64]
    probability: NDArray[np.float64]
    value_cents: NDArray[np.int64]
    odds: NDArray[np.float64]


def simulate(deals: OpenDeals, group: NDArray[np.int64], groups: int, correlation: Correlation) -> Draws:
    """`group`: a number below `groups` for each deal."""
    import numpy as np

    months = deals.odds.shape[1]
    value = np.zeros((groups, months + 1, DRAWS))
    count = np.zeros((groups, months + 1, DRAWS))
    order = np.argsort(group, kind="stable")
    limits = _limits(deals.probability, correlation)
    for start in range(0, len(order), _BATCH):
        part = order[start : start + _BATCH]
        first, last = int(group[part[0]]), int(group[part[-1]])
        luck = _luck(deals.key[part])
        won = np.flatnonzero(luck.reshape(len(part), STRATA, -1) < limits[part, :, None])
        deal = won >> _SHIFT
        cell = (group[part] - first)[:, None] * (months + 1) + _months(deals, part)
        at = (cell * DRAWS).reshape(-1)[(deal << 8) + (luck.reshape(-1)[won] & np.uint32(_BYTE - 1))]
        at += won & (DRAWS - 1)
        shape = (last - first + 1, months + 1, DRAWS)
        size = shape[0] * shape[1] * shape[2]
        worth = deals.value_cents[part].astype(np.float64)
        value[first : last + 1] += np.bincount(at, weights=worth[deal], minlength=size).reshape(shape)
        count[first : last + 1] += np.bincount(at, minlength=size).reshape(shape)
    return Draws(value[:, :-1], count[:, :-1])  # without what closes outside of the period


def _limits(probability: NDArray[np.float64], correlation: Correlation) -> NDArray[np.uint32]:
    """(deals, strata): luck below this wins. Each stratum has a factor and a loading of its own, spread over both."""
    import numpy as np

    factor = normal.quantile((np.arange(STRATA) + 0.5) / STRATA)
    loadings = np.array(correlation.loadings)
    loading = loadings[(_turned(STRATA) * len(loadings)).astype(np.int64)]
    limit = normal.quantile(np.clip(probability, 1e-9, 1 - 1e-9))[:, None]
    given = normal.share_below((limit - loading * factor) / np.sqrt(1 - loading**2))
    # The table of the factor is symmetrical but not endless: the mean over strata is put back to the odds themselves.
    given *= (probability / np.maximum(given.mean(axis=1), 1e-12))[:, None]
    return (np.clip(given, 0.0, 1.0) * (2**32 - 1)).astype(np.uint32)


def _turned(count: int) -> NDArray[np.float64]:
    """Van der Corput's sequence: the bits of 0, 1, 2, … read backwards as a fraction."""
    import numpy as np

    number, found, step = np.arange(count), np.zeros(count), 0.5
    while number.any():
        found += step * (number & 1)
        number, step = number >> 1, step / 2
    return found


def _months(deals: OpenDeals, part: NDArray[np.int64]) -> NDArray[np.int64]:
    """(deals, 256): in which month a won deal closes, for each value of one byte; the last number is outside."""
    import numpy as np

    # The steps of the table begin elsewhere for each deal, so that its coarseness takes no side.
    begin = ((deals.key[part] >> np.uint64(40)) & np.uint64(0xFFFF)).astype(np.float64) / 65_536
    level = (np.arange(_BYTE) + begin[:, None]) / _BYTE
    until = np.cumsum(deals.odds[part], axis=1)
    found: NDArray[np.int64] = (level[:, :, None] >= until[:, None, :]).sum(axis=2)
    return found


def _luck(key: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """(deals, draws) of 32 even bits: SplitMix64 (Steele, Lea and Flood, 2014) of key and draw, two draws a word."""
    import numpy as np

    word = key[:, None] + np.arange(DRAWS // 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    other = np.empty_like(word)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        np.right_shift(word, np.uint64(shift), out=other)
        np.bitwise_xor(word, other, out=word)
        np.multiply(word, np.uint64(factor), out=word)
    return word.view(np.uint32)
