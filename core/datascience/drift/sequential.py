"""Champion against challenger while outcomes come in: a test that may be looked at after each of them.

By betting (Waudby-Smith & Ramdas, 2024, doi:10.1093/jrsssb/qkad009): with each outcome somebody who believes that one
of the two is better stakes a part of his wealth on it, chosen from what came before. If they are equally good nobody's
wealth grows on average, and the chance that it ever reaches 1/α is at most α (Ville's inequality), however often and
whenever one looks. Wealth that did reach it is the evidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_MOST_STAKE = 0.75
_POINTS = 81

Winner = Literal["champion", "challenger"]


@dataclass(frozen=True, slots=True)
class Standing:
    """After so many outcomes: how much better the challenger was on average, an interval that holds at all times, the
    wealth of who bet on either, and who won, at which outcome (from 1)."""

    outcomes: int
    better: float
    low: float
    high: float
    for_challenger: float
    for_champion: float
    winner: Winner | None
    decided_at: int | None


class Duel:
    """`add` one difference at a time, in [-1, 1]: above 0 where the challenger did better. `alpha` is for both sides
    together. A verdict stays: what comes after it changes the figures alone."""

    def __init__(self, alpha: float = 0.05) -> None:
        import numpy as np

        self._alpha = alpha
        self._count = 0
        self._sum = 0.0
        self._squares = 0.0
        self._logs = {"challenger": 0.0, "champion": 0.0}
        self._most = dict(self._logs)
        # For the interval: what bettors against each possible mean own, up and down.
        self._means = np.linspace(-1, 1, _POINTS)
        self._up, self._down = np.zeros(_POINTS), np.zeros(_POINTS)
        self._left = np.ones(_POINTS, bool)
        # Stakes are bounded so that wealth stays above 0 for any difference in [-1, 1].
        with np.errstate(divide="ignore"):
            self._most_up, self._most_down = _MOST_STAKE / (1 + self._means), _MOST_STAKE / (1 - self._means)
        self._most_up[0] = self._most_down[-1] = 0.0
        self._winner: Winner | None = None
        self._decided_at: int | None = None

    def add(self, difference: float) -> None:
        difference = min(1.0, max(-1.0, difference))
        mean, variance = self._guess()
        self._count += 1
        for who, sign in (("challenger", 1.0), ("champion", -1.0)):
            self._logs[who] += math.log1p(_stake(sign * mean, variance) * sign * difference)
            self._most[who] = max(self._most[who], self._logs[who])
        self._narrow(difference, mean, variance)
        self._sum += difference
        self._squares += difference * difference
        if self._winner is None:
            self._decide()

    def extend(self, differences: Iterable[float]) -> Duel:
        for difference in differences:
            self.add(difference)
        return self

    def standing(self) -> Standing:
        inside, step = self._means[self._left], 2 / (_POINTS - 1)
        better = self._sum / max(1, self._count)
        low = max(-1.0, float(inside[0]) - step) if len(inside) else better
        high = min(1.0, float(inside[-1]) + step) if len(inside) else better
        return Standing(
            self._count, better, low, high, math.exp(min(700.0, self._logs["challenger"])),
            math.exp(min(700.0, self._logs["champion"])), self._winner, self._decided_at,
        )  # fmt: skip

    def _guess(self) -> tuple[float, float]:
        """Mean and variance from what came before, with a little of "nothing is known" in it."""
        n = self._count
        mean = self._sum / (n + 1)
        variance = (0.25 + max(0.0, self._squares - n * mean * mean)) / (n + 1)
        return mean, variance

    def _decide(self) -> None:
        bar = math.log(2 / self._alpha)
        if self._most["challenger"] >= bar:
            self._winner, self._decided_at = "challenger", self._count
        elif self._most["champion"] >= bar:
            self._winner, self._decided_at = "champion", self._count

    def _narrow(self, difference: float, mean: float, variance: float) -> None:
        """Cross out the means against which somebody has become rich (a confidence sequence)."""
        import numpy as np

        gap, seen = difference - self._means, mean - self._means
        grows = seen / (variance + seen * seen)
        self._up += np.log1p(np.clip(grows, 0, self._most_up) * gap)
        self._down += np.log1p(-np.clip(-grows, 0, self._most_down) * gap)
        self._left &= np.maximum(self._up, self._down) < math.log(2 / self._alpha)


def _stake(mean: float, variance: float) -> float:
    """The part of the wealth that grows it fastest, if what was seen goes on (aGRAPA): none against what was seen."""
    return min(_MOST_STAKE, max(0.0, mean / (variance + mean * mean)))


def split_difference(loss: float, expected: float, share: float, by_challenger: bool) -> float:
    """Of one deal of split traffic, which only one of the two answered: its loss beside the `expected` one (the mean so
    far), weighted by how seldom that side is drawn, scaled into [-1, 1]. On average it is the challenger's advantage
    times the smaller share."""
    weight = 1 / share if by_challenger else -1 / (1 - share)
    return min(share, 1 - share) * weight * (expected - loss)
