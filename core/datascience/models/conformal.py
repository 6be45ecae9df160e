"""Intervals that hold as often as they promise, whatever the model: bands for quantities (days, amounts), an interval
for odds, and a width that learns from its misses. Pure NumPy.

A promise is measured, never assumed: `covered` counts it, on rows that taught nothing.
"""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

PROMISE = 0.9
LEAST_ROWS = 20
"""Rows below which a bin takes the quantiles of all."""
_Z = {0.8: 1.2815515655446004, 0.9: 1.6448536269514722, 0.95: 1.959963984540054}


def conformal_quantile(scores: ArrayLike, level: float) -> float:
    """The score that a new one stays within with a probability of at least `level`, where it is exchangeable with those
    given (Vovk et al., 2005): the ⌈(n + 1)·level⌉-th smallest, infinite where there are too few to promise it."""
    import numpy as np

    ordered = np.sort(np.asarray(scores, np.float64))
    rank = math.ceil((len(ordered) + 1) * level - 1e-9)
    if rank > len(ordered):
        return math.inf
    return float(ordered[rank - 1]) if rank >= 1 else -math.inf


def covered(low: ArrayLike, high: ArrayLike, truth: ArrayLike) -> float:
    """The share of rows whose truth lies within its interval."""
    import numpy as np

    return float(np.mean((np.asarray(low) <= truth) & (np.asarray(truth) <= high)))


@dataclass(frozen=True, slots=True)
class Bands:
    """Low, middle and high of a quantity by bins of one number that is known (a stage, a prediction of the quantity):
    `edges` (bins − 1,) part the bins, the other three are (bins,)."""

    edges: tuple[float, ...]
    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def fit(
        cls, by: ArrayLike, value: ArrayLike, newer: ArrayLike, *, edges: ArrayLike | None = None, bins: int = 5,
        group: ArrayLike | None = None, promise: float = PROMISE, least: float = 0.0,
    ) -> Bands:  # fmt: skip
        """Quantiles of the older rows, moved by what the `newer` (rows,) bool demanded (conformalized quantile
        regression, Romano et al., 2019): apart where too few of them lay inside, together where too many did.

        `group` (rows,): what moments of one deal have in common. A group counts once, however often it was seen, so a
        promise rests on as many deals as there are. `least`: below this the quantity cannot be.
        """
        import numpy as np

        b, v, late = np.asarray(by, np.float64), np.asarray(value, np.float64), np.asarray(newer, bool)
        groups = np.arange(len(v)) if group is None else np.unique(np.asarray(group), return_inverse=True)[1]
        parts = np.quantile(b, np.linspace(0, 1, bins + 1)[1:-1]) if edges is None else np.asarray(edges, np.float64)
        place = np.searchsorted(parts, b, side="right")
        table = []
        for number in range(len(parts) + 1):
            here = place == number
            low, _, high = _quantiles(v, ~late & here, ~late, promise)
            score = np.maximum(low - v, v - high)[late & here]
            wider = _grouped_quantile(score, groups[late & here], promise)
            middle = _quantiles(v, here, here | True, promise)[1]
            wider = max(wider, (low - high) / 2) if math.isfinite(wider) else 0.0
            table.append((max(least, low - wider), max(least, middle), max(least, high + wider)))
        lows, middles, highs = zip(*table, strict=True)
        return cls(tuple(parts.tolist()), lows, tuple(np.clip(middles, lows, highs).tolist()), highs)

    def interval(self, by: float) -> tuple[float, float, float]:
        """Low, middle, high. Plain arithmetic: it is asked for each prediction."""
        place = sum(by >= edge for edge in self.edges)
        return self.low[place], self.middle[place], self.high[place]

    def intervals(self, by: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """The same for (rows,)."""
        import numpy as np

        place = np.searchsorted(np.asarray(self.edges), np.asarray(by, np.float64), side="right")
        return np.array(self.low)[place], np.array(self.middle)[place], np.array(self.high)[place]

    def to_json(self) -> dict[str, Any]:
        return {name: list(getattr(self, name)) for name in ("edges", "low", "middle", "high")}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Bands:
        """Raises `ValueError` where it is no table of bands."""
        made = cls(*(tuple(float(v) for v in told[name]) for name in ("edges", "low", "middle", "high")))
        sizes = {len(made.edges) + 1, len(made.low), len(made.middle), len(made.high)}
        ordered = all(a <= b <= c for a, b, c in zip(made.low, made.middle, made.high, strict=False))
        if len(sizes) != 1 or not ordered or any(a > b for a, b in zip(made.edges, made.edges[1:], strict=False)):
            raise ValueError("these are no bands: bins and columns must agree, and low ≤ middle ≤ high")
        return made


def _quantiles(v: Floats, here: NDArray[np.bool_], else_: NDArray[np.bool_], promise: float) -> tuple[float, ...]:
    import numpy as np

    use = here if here.sum() >= LEAST_ROWS else else_
    if not use.any():
        return 0.0, 0.0, 0.0
    return tuple(float(q) for q in np.quantile(v[use], [(1 - promise) / 2, 0.5, (1 + promise) / 2]))


def _grouped_quantile(score: Floats, group: NDArray[np.intp], promise: float) -> float:
    """The conformal quantile of rows of which those of one group say nearly the same: the level that as many groups as
    there are can promise."""
    import numpy as np

    groups = len(np.unique(group))
    if not groups:
        return math.inf
    level = promise * (1 + 1 / groups)
    return float(np.quantile(score, level, method="higher")) if level <= 1 else math.inf


@dataclass(frozen=True, slots=True)
class OddsInterval:
    """Where the share won among the next deals with odds like these will lie.

    Two things blur it. Chance: `evidence` deals stand behind each bin of like odds (`edges` part the bins). And drift:
    from one period to the next the odds of all deals move together, by a standard deviation of `drift` log-odds; that
    was measured on periods which came after what the model had learnt from, and no amount of deals makes it smaller.
    """

    edges: tuple[float, ...]
    evidence: tuple[float, ...]
    drift: float

    @classmethod
    def fit(
        cls, said: ArrayLike, won: ArrayLike, *, period: ArrayLike, group: ArrayLike | None = None, bins: int = 5,
        least_drift: float = 0.1,
    ) -> OddsInterval:  # fmt: skip
        """`said` (rows,): calibrated odds of rows that neither model nor calibration was fitted on, from several
        origins in time; `period` (rows,): whole numbers, which stretch of time a row belongs to. Evidence is the
        effective number of groups (Kish, 1965), halved because what comes next is as small a sample again."""
        import numpy as np

        p, y = np.asarray(said, np.float64), np.asarray(won, np.float64)
        groups = np.arange(len(p)) if group is None else np.unique(np.asarray(group), return_inverse=True)[1]
        edges = np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1])
        place = np.searchsorted(edges, p, side="right")
        evidence = tuple(max(1.0, effective(groups[place == number]) / 2) for number in range(bins))
        drift = drift_between(p, y, np.asarray(period), groups)
        return cls(tuple(edges.tolist()), evidence, max(least_drift, drift))

    def interval(self, p: float, promise: float = PROMISE) -> tuple[float, float]:
        place = sum(p >= edge for edge in self.edges)
        at = min(1 - 1e-6, max(1e-6, p))
        z = _Z[promise]
        # Wilson's interval for chance, then both kinds of blur together in log-odds.
        low, high = _wilson(at, self.evidence[place], z)
        middle = _logit(at)
        down = math.hypot(middle - _logit(low), z * self.drift)
        up = math.hypot(_logit(high) - middle, z * self.drift)
        return min(p, _sigmoid(middle - down)), max(p, _sigmoid(middle + up))

    def intervals(self, p: NDArray[np.float64], promise: float = PROMISE) -> tuple[NDArray[np.float64], ...]:
        """The same for many, (rows,)."""
        import numpy as np

        z = _Z[promise]
        at = np.clip(p, 1e-6, 1 - 1e-6)
        z2 = z * z / np.array(self.evidence)[np.searchsorted(self.edges, p, side="right")]
        centre = (at + z2 / 2) / (1 + z2)
        half = np.sqrt(z2 * (at * (1 - at) + z2 / 4)) / (1 + z2)
        low, high = np.maximum(1e-9, centre - half), np.minimum(1 - 1e-9, centre + half)
        logit, middle = (lambda q: np.log(q / (1 - q))), np.log(at / (1 - at))
        down = np.hypot(middle - logit(low), z * self.drift)
        up = np.hypot(logit(high) - middle, z * self.drift)
        ends = (1 / (1 + np.exp(-np.clip(x, -40, 40))) for x in (middle - down, middle + up))
        return np.minimum(p, next(ends)), np.maximum(p, next(ends))

    def to_json(self) -> dict[str, Any]:
        return {"edges": list(self.edges), "evidence": list(self.evidence), "drift": self.drift}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> OddsInterval:
        """Raises `ValueError` where it is no interval."""
        edges, evidence = (tuple(float(v) for v in told[name]) for name in ("edges", "evidence"))
        if len(evidence) != len(edges) + 1 or min(evidence) <= 0 or not float(told["drift"]) >= 0:
            raise ValueError("this is no interval of odds: there is one more bin than edges, each with evidence")
        return cls(edges, evidence, float(told["drift"]))


@dataclass(slots=True)
class AdaptiveWidth:
    """How far an interval reaches while the world moves: adaptive conformal inference (Gibbs and Candès, 2021).

    A score says by how much a truth lay outside of a plain interval (negative: inside). `reach` is the score that the
    next one should stay within; after a miss it aims higher, after a hit a little lower, so that over time the promise
    holds whatever comes. It knows only the outcomes told to `seen`, oldest first: an outcome that is known late is told
    late. A level above all that was seen is answered with the largest score, as no end at all helps nobody.
    """

    promise: float = PROMISE
    gamma: float = 0.02
    most: int = 500
    level: float = field(default=-1.0)
    scores: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.level = self.promise if self.level < 0 else self.level

    def reach(self) -> float:
        """NaN before the first score."""
        if not self.scores:
            return math.nan
        found = conformal_quantile(list(self.scores), self.level)
        return found if math.isfinite(found) else (max if found > 0 else min)(self.scores)

    def seen(self, score: float, *, missed: bool | None = None) -> None:
        """One outcome; `missed`: did it lie outside of the interval that was really given? Without it (outcomes from
        before the first interval) only the score is kept."""
        if missed is not None:
            step = self.gamma * (float(missed) - (1 - self.promise))
            self.level = min(1.0, max(self.promise / 2, self.level + step))
        self.scores.append(score)
        if len(self.scores) > self.most:
            self.scores.popleft()

    def to_json(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in ("promise", "gamma", "most", "level")}
        return {**told, "scores": list(self.scores)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> AdaptiveWidth:
        scores = deque(float(score) for score in told["scores"])
        return cls(float(told["promise"]), float(told["gamma"]), int(told["most"]), float(told["level"]), scores)


@dataclass(slots=True)
class TrackingWidth:
    """The same for a world that moves on and on: the conformal quantile of recent scores, and a correction that adds up
    what was missed beyond the promise (after Angelopoulos, Candès and Tibshirani, 2023, arXiv:2307.16895).

    Each miss moves the correction up, each hit a little down, in parts of the spread of recent scores, and nothing
    bounds it: where scores grow and grow, the largest of the older ones is not enough.
    """

    promise: float = PROMISE
    step: float = 0.005
    most: int = 1_000
    moved: float = 0.0
    scores: deque[float] = field(default_factory=deque)
    _ordered: list[float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._ordered = sorted(self.scores)

    def reach(self) -> float:
        """NaN before the first score."""
        many = len(self._ordered)
        if not many:
            return math.nan
        rank = math.ceil((many + 1) * self.promise - 1e-9)  # as `conformal_quantile` has it
        return self._ordered[min(rank, many) - 1] + self.moved

    def seen(self, score: float, *, missed: bool | None = None) -> None:
        """One outcome; `missed`: did it lie outside of the interval that was really given? Without it (nobody had asked
        for one) it is held against what would be given now, once `LEAST_ROWS` scores are there."""
        if missed is None and len(self.scores) >= LEAST_ROWS:
            missed = score > self.reach()
        if missed is not None:
            self.moved += self.step * self._spread() * (float(missed) - (1 - self.promise))
        self.scores.append(score)
        bisect.insort(self._ordered, score)
        if len(self.scores) > self.most:
            self._ordered.pop(bisect.bisect_left(self._ordered, self.scores.popleft()))

    def _spread(self) -> float:
        """From the least to the largest of recent scores, without the outermost."""
        last = len(self._ordered) - 1
        return self._ordered[int(0.975 * last)] - self._ordered[int(0.025 * last)] if last > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in ("promise", "step", "most", "moved")}
        return {**told, "scores": list(self.scores)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> TrackingWidth:
        scores = deque(float(score) for score in told["scores"])
        return cls(float(told["promise"]), float(told["step"]), int(told["most"]), float(told["moved"]), scores)


def effective(group: ArrayLike) -> float:
    """How many independent rows those of (rows,) are worth of which all of one group say the same (Kish, 1965)."""
    import numpy as np

    _, times = np.unique(np.asarray(group), return_counts=True)
    return float(times.sum() ** 2 / (times.astype(float) ** 2).sum()) if times.size else 0.0


def drift_between(said: Floats, won: Floats, period: ArrayLike, group: ArrayLike) -> float:
    """Standard deviation, in log-odds, by which periods differ from what was said of them, beyond chance (method of
    moments, DerSimonian and Laird, 1986, around no difference at all)."""
    import numpy as np

    periods = np.asarray(period)
    groups = np.asarray(group)
    gaps, precisions = [], []
    for number in np.unique(periods):
        here = periods == number
        information = float((said[here] * (1 - said[here])).sum())
        share = effective(groups[here]) / here.sum()  # rows of one group tell one thing
        if information * share >= 1:
            gaps.append(float((won[here] - said[here]).sum()) / information)
            precisions.append(information * share)
    if not gaps:
        return 0.0
    gap, precision = np.array(gaps), np.array(precisions)
    between = float((precision * gap**2).sum() - len(gap)) / float(precision.sum())
    return math.sqrt(max(0.0, between))


def _wilson(share: float, total: float, z: float) -> tuple[float, float]:
    z2 = z * z / total
    middle = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / 4)) / (1 + z2)
    return max(1e-9, middle - half), min(1 - 1e-9, middle + half)


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-max(-40.0, min(40.0, x))))
