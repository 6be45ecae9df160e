"""From a model's margin (log-odds) to a probability that holds: Platt, beta, temperature or isotonic, chosen on
held-out time, and corrected again and again by the outcomes that come in. Pure NumPy: serving and training run the same
lines.

What is given to every fit, all (rows,): `margin` of rows that the model was not fitted on, `won` (0 or 1) and `weight`.
A deal seen at several moments is given as several rows; who wants it to count once says so by `weight` (1 over its
moments). Rows that are chosen between stand in order of `at`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

KINDS = ("temperature", "platt", "beta", "isotonic")
"""From the fewest freedoms to the most."""
MOST_LOG_ODDS = 12.0
LEAST_ISOTONIC = 1_000
_LEAST_SLOPE = 0.02


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising curve over margins, then a straight line over its log-odds, which is what `recalibrated` moves.

    `curve` holds what `kind` needs: temperature (slope,); platt (slope, shift); beta (a, b, c), where the log-odds are
    a·ln s − b·ln(1 − s) + c of s, the probability that the margin says (Kull et al., 2017); isotonic the places and
    the heights of its corners, one list after the other.
    """

    kind: str = "platt"
    curve: tuple[float, ...] = (1.0, 0.0)
    slope: float = 1.0
    shift: float = 0.0

    def log_odds(self, margin: ArrayLike) -> Floats:
        import numpy as np

        line = self.slope * _curve(self.kind, self.curve, np.asarray(margin, np.float64)) + self.shift
        return np.clip(line, -MOST_LOG_ODDS, MOST_LOG_ODDS)

    def probability(self, margin: ArrayLike) -> Floats:
        return sigmoid(self.log_odds(margin))

    def stretch(self, margin: ArrayLike, base: float) -> Floats:
        """By how much shares of a margin (its distance from `base`, the margin of nobody in particular) are multiplied
        so that, from the log-odds of `base`, they add up to the calibrated log-odds. Never negative."""
        import numpy as np

        there = np.asarray(margin, np.float64)
        # Where both are one place there is nothing to share out, and the curve's own rise says it.
        apart = np.where(np.abs(there - base) < 1e-6, 1e-3, there - base)
        return (self.log_odds(base + apart) - self.log_odds(base)) / apart

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "curve": list(self.curve), "slope": self.slope, "shift": self.shift}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Calibration:
        """Raises `ValueError` where it is no calibration."""
        made = cls(
            str(told["kind"]), tuple(float(v) for v in told["curve"]), float(told["slope"]), float(told["shift"])
        )
        size = len(made.curve)
        fits = {"temperature": size == 1, "platt": size == 2, "beta": size == 3, "isotonic": size >= 2 and not size % 2}
        if not fits.get(made.kind) or not all(map(math.isfinite, (*made.curve, made.slope, made.shift))):
            raise ValueError(f"{made.kind} with {size} numbers is no calibration")
        return made


def fit(kind: str, margin: ArrayLike, won: ArrayLike, weight: ArrayLike | None = None) -> Calibration:
    """One curve of `kind`. With few rows it stays near what the margins say."""
    import numpy as np

    m, y = np.asarray(margin, np.float64), np.asarray(won, np.float64)
    w = np.ones_like(m) if weight is None else np.asarray(weight, np.float64)
    return Calibration(kind, _FITS[kind](m, y, w))


def choose(
    margin: ArrayLike, won: ArrayLike, weight: ArrayLike | None = None, *,
    kinds: tuple[str, ...] = KINDS, origins: int = 4,
) -> Calibration:  # fmt: skip
    """The kind with the least log loss on held-out time, fitted on all rows; rows stand in order of time.

    From `origins` places in the second half on, each kind is fitted on what is older and judged on what comes before
    the next place. A kind with more freedoms is taken only where it is better by more than the error of the comparison,
    and isotonic, which has many, only with `LEAST_ISOTONIC` rows.
    """
    import numpy as np

    m, y = np.asarray(margin, np.float64), np.asarray(won, np.float64)
    w = np.ones_like(m) if weight is None else np.asarray(weight, np.float64)
    kinds = tuple(kind for kind in kinds if kind != "isotonic" or len(m) >= LEAST_ISOTONIC) or kinds
    cuts = [round(len(m) * (0.5 + 0.5 * n / origins)) for n in range(origins + 1)]
    losses: dict[str, Floats] = {}
    for kind in kinds:
        said = [fit(kind, m[:a], y[:a], w[:a]).probability(m[a:b]) for a, b in pairwise(cuts)]
        losses[kind] = log_loss(y[cuts[0] :], np.concatenate(said))
    later = w[cuts[0] :]
    best = kinds[0]
    for kind in kinds[1:] if later.sum() > 0 else ():
        gain = losses[best] - losses[kind]
        mean = float(np.average(gain, weights=later))
        effective = later.sum() ** 2 / (later**2).sum()
        error = math.sqrt(float(np.average((gain - mean) ** 2, weights=later)) / max(1.0, effective))
        if mean > error:
            best = kind
    return fit(best, m, y, w)


def recalibrated(
    old: Calibration, margin: ArrayLike, won: ArrayLike, *, age: ArrayLike, half_life: float,
    weight: ArrayLike | None = None, prior: float = 10.0, slope_prior: float = 50.0,
) -> Calibration:  # fmt: skip
    """`old` moved to where newer outcomes lie: its curve stays, and the line over it is drawn anew.

    `age` (rows,) of each outcome, in what `half_life` counts (outcomes, days): one that is a half-life old counts half.
    `prior` and `slope_prior` say how many outcomes at even odds the unmoved curve is worth, for its height and for its
    steepness; so with few outcomes little moves, and the height moves before the steepness does. Feed it only outcomes
    that were known at the time.
    """
    import numpy as np

    m, y = np.asarray(margin, np.float64), np.asarray(won, np.float64)
    w = 0.5 ** (np.asarray(age, np.float64) / half_life)
    w = w if weight is None else w * np.asarray(weight, np.float64)
    if not w.sum() > 0:
        return replace(old, slope=1.0, shift=0.0)
    curve = _curve(old.kind, old.curve, m)
    middle = float(np.average(curve, weights=w))
    tilt, lift = pulled_logistic(
        np.stack([curve - middle, np.ones_like(curve)], axis=1), y, w,
        at=(0.0, 0.0), prior=(slope_prior / 4, prior / 4), offset=curve,
    )  # fmt: skip
    tilt = max(_LEAST_SLOPE - 1, float(tilt))
    return replace(old, slope=1 + tilt, shift=float(lift) - tilt * middle)


HALF_LIVES = (100.0, 300.0, 1000.0, 3000.0)
"""In outcomes."""


class Following:
    """A calibration that follows outcomes as they become known, without being told how fast the world moves.

    For each half-life of `half_lives`, and for a world that stands still, the curve is `recalibrated`; what is used is
    their average, each weighed by how well it foresaw the outcomes of late (a Bayesian mixture whose evidence fades).
    An average of lines over one curve is a line, so `now` is a calibration like any other.
    """

    def __init__(self, old: Calibration, *, half_lives: tuple[float, ...] = HALF_LIVES, fading: float = 500.0) -> None:
        import numpy as np

        self._old = old
        self._half_lives = half_lives
        self._fading = fading  # outcomes after which what a line foresaw counts half
        self._lines = [replace(old, slope=1.0, shift=0.0)] * (len(half_lives) + 1)
        self._loss = np.zeros(len(self._lines))
        self._margin, self._won, self._weight = (np.zeros(0) for _ in range(3))

    def seen(self, margin: ArrayLike, won: ArrayLike, weight: ArrayLike | None = None) -> None:
        """Outcomes that have become known since, the oldest first, all (rows,)."""
        import numpy as np

        m, y = np.asarray(margin, np.float64), np.asarray(won, np.float64)
        w = np.ones_like(m) if weight is None else np.asarray(weight, np.float64)
        if not m.size:
            return
        fade = 0.5 ** ((len(m) - 1 - np.arange(len(m))) / self._fading)
        found = np.array([(w * fade * log_loss(y, line.probability(m))).sum() for line in self._lines])
        self._loss = self._loss * 0.5 ** (len(m) / self._fading) + found
        most = int(4 * max(self._half_lives))
        self._margin, self._won, self._weight = (
            np.concatenate([held, new])[-most:] for held, new in ((self._margin, m), (self._won, y), (self._weight, w))
        )
        age = np.arange(len(self._margin), dtype=np.float64)[::-1]
        self._lines[1:] = [
            recalibrated(self._old, self._margin, self._won, age=age, half_life=half, weight=self._weight)
            for half in self._half_lives
        ]

    def now(self) -> Calibration:
        import numpy as np

        trust = np.exp(self._loss.min() - self._loss)
        trust /= trust.sum()
        slope, shift = (float(trust @ [getattr(line, name) for line in self._lines]) for name in ("slope", "shift"))
        return replace(self._old, slope=slope, shift=shift)


def pulled_logistic(
    columns: Floats, y: Floats, w: Floats, *,
    at: tuple[float, ...], prior: tuple[float, ...], offset: Floats | None = None,
) -> Floats:  # fmt: skip
    """Weights of a logistic curve over `columns` (rows, weights), pulled to `at` with the precisions `prior`. Steps are
    halved until they help, so it arrives from anywhere."""
    import numpy as np

    start, hold = np.array(at, np.float64), np.array(prior, np.float64)
    still = np.zeros(len(y)) if offset is None else offset

    def cost(told: Floats) -> float:
        line = columns @ told + still
        return float((w * (np.logaddexp(0, line) - y * line)).sum() + 0.5 * (hold * (told - start) ** 2).sum())

    here, now = start, cost(start)
    for _ in range(100):
        p = sigmoid(columns @ here + still)
        gradient = columns.T @ (w * (p - y)) + hold * (here - start)
        curvature = (columns * (w * p * (1 - p))[:, None]).T @ columns + np.diag(hold)
        step = np.linalg.solve(curvature, gradient)
        share = 1.0
        while share > 1e-6 and cost(here - share * step) > now:
            share /= 2
        here = here - share * step
        before, now = now, cost(here)
        if before - now < 1e-10 * (1 + abs(now)):
            break
    return here


def sigmoid(log_odds: ArrayLike) -> Floats:
    import numpy as np

    at = np.clip(np.asarray(log_odds, np.float64), -40, 40)
    said: Floats = 1 / (1 + np.exp(-at))
    return said


def log_loss(won: Floats, said: Floats) -> Floats:
    """Of each row, (rows,); no single row can cost more than about 14."""
    import numpy as np

    p = np.clip(said, 1e-6, 1 - 1e-6)
    return np.asarray(-(won * np.log(p) + (1 - won) * np.log(1 - p)))


# ── the curves ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _curve(kind: str, told: tuple[float, ...], margin: Floats) -> Floats:
    """Log-odds of margins, by the curve alone."""
    import numpy as np

    if kind == "temperature":
        return told[0] * margin
    if kind == "platt":
        return told[0] * margin + told[1]
    if kind == "beta":
        return np.asarray(_beta_columns(margin) @ np.array(told), np.float64)
    places, heights = np.split(np.array(told), 2)
    return np.asarray(np.interp(margin, places, heights), np.float64)


def _beta_columns(margin: Floats) -> Floats:
    """ln s, −ln(1 − s) and 1 of s = sigmoid(margin), (rows, 3)."""
    import numpy as np

    return np.stack([-np.logaddexp(0, -margin), np.logaddexp(0, margin), np.ones_like(margin)], axis=-1)


def _fit_temperature(m: Floats, y: Floats, w: Floats) -> tuple[float, ...]:
    (slope,) = pulled_logistic(m[:, None], y, w, at=(1.0,), prior=(1.0,))
    return (max(_LEAST_SLOPE, float(slope)),)


def _fit_platt(m: Floats, y: Floats, w: Floats) -> tuple[float, ...]:
    """Platt, 1999."""
    import numpy as np

    columns = np.stack([m, np.ones_like(m)], axis=1)
    slope, shift = pulled_logistic(columns, y, w, at=(1.0, 0.0), prior=(1.0, 0.25))
    if slope >= _LEAST_SLOPE:
        return float(slope), float(shift)
    (shift,) = pulled_logistic(columns[:, 1:], y, w, at=(0.0,), prior=(0.25,), offset=_LEAST_SLOPE * m)
    return _LEAST_SLOPE, float(shift)


def _fit_beta(m: Floats, y: Floats, w: Floats) -> tuple[float, ...]:
    """Neither side may fall: one that would is held level and the rest is fitted again."""
    import numpy as np

    columns, prior = _beta_columns(m), np.array([1.0, 1.0, 0.25])
    told = np.array([1.0, 1.0, 0.0])
    free = np.array([True, True, True])
    for _ in range(3):
        told[free] = pulled_logistic(
            columns[:, free], y, w, at=tuple(np.where(free, [1.0, 1.0, 0.0], told)[free]), prior=tuple(prior[free]),
            offset=columns[:, ~free] @ told[~free],
        )  # fmt: skip
        falling = free & (told < _LEAST_SLOPE) & [True, True, False]
        if not falling.any():
            break
        told[falling], free = _LEAST_SLOPE, free & ~falling
    return tuple(told.tolist())


def _fit_isotonic(m: Floats, y: Floats, w: Floats) -> tuple[float, ...]:
    """Pool adjacent violators over at most 40 bins of like margins; between corners a straight line of log-odds. One
    margin has one height, so blocks that share a place are one."""
    import numpy as np

    order = np.argsort(m, kind="stable")
    order = order[w[order] > 0]
    m, y, w = m[order], y[order], w[order]
    reached = np.cumsum(w) - w / 2
    bins = np.minimum((reached / max(w.sum(), 1e-12) * min(40, max(2, len(m) // 25))).astype(int), 39)
    rate = (float((w * y).sum()) + 0.5) / (float(w.sum()) + 1)
    blocks: list[tuple[float, float, float]] = []  # weight, sum of outcomes, sum of margins
    for number in np.unique(bins):
        here = bins == number
        blocks.append((float(w[here].sum()), float((w * y)[here].sum()), float((w * m)[here].sum())))
        while len(blocks) > 1 and _violate(blocks[-2], blocks[-1]):
            right, left = blocks.pop(), blocks.pop()
            blocks.append((left[0] + right[0], left[1] + right[1], left[2] + right[2]))
    held = blocks or [(1.0, rate, 0.0)]
    share = np.array([(won + 2 * rate) / (total + 2) for total, won, _ in held])
    heights = np.maximum.accumulate(np.log(share / (1 - share)))
    places = np.array([margin / total for total, _, margin in held])
    return (*places.tolist(), *heights.tolist())


def _violate(left: tuple[float, float, float], right: tuple[float, float, float]) -> bool:
    """Whether two neighbours (weight, sum of outcomes, sum of margins) do not rise, or stand at one place."""
    falls = left[1] * right[0] >= right[1] * left[0]
    return falls or right[2] / right[0] - left[2] / left[0] < 1e-6


_FITS: Mapping[str, Callable[[Floats, Floats, Floats], tuple[float, ...]]] = {
    "temperature": _fit_temperature, "platt": _fit_platt, "beta": _fit_beta, "isotonic": _fit_isotonic,
}  # fmt: skip
