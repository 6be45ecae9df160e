"""How likely a seller is to take a suggestion: logistic regression learnt one verdict at a time.

Each weight is a normal distribution, updated by one Newton step and the curvature at it (the diagonal Laplace
approximation of Chapelle and Li, NIPS 2011). A weight that has seen little is believed a little beyond its mean, so
that new entries get their chance. Nothing is drawn by chance: the same past gives the same order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

Features = Mapping[str, float]

_MEANS = {
    "bias": -1.2, "exact": 1.0, "likeness": 1.0, "sure": 1.0, "fresh": 0.6, "from:battlecard": 1.8,
    "from:knowledge": 0.8, "from:playbook": 0.3, "kind:technique": -0.3,
}  # fmt: skip
_PRECISION, _OF_AN_ENTRY = 30.0, 3.0  # of a weight that nobody taught anything: what all share moves slowly
_HOPE = 0.25  # standard deviations by which the untried is preferred
_MOST_PRECISION = 120.0  # what was learnt long ago gives way


@dataclass(slots=True)
class Ranking:
    """Weights by feature: (mean, precision)."""

    weights: dict[str, tuple[float, float]] = field(default_factory=dict)

    def chance(self, features: Features) -> float:
        """In [0, 1], without the hope."""
        return _logistic(sum(self._of(name)[0] * x for name, x in features.items()))

    def score(self, features: Features) -> float:
        """What candidates are ordered by."""
        score = sum(self._of(name)[0] * x for name, x in features.items())
        spread = math.sqrt(sum(x * x / self._of(name)[1] for name, x in features.items()))
        return _logistic(score + _HOPE * spread)

    def learn(self, features: Features, target: float, *, weight: float = 1.0) -> None:
        """`target`: 1 taken, 0 left, between for a rating. `weight`: how much it says."""
        chance = self.chance(features)
        for name, x in features.items():
            mean, precision = self._of(name)
            precision = min(_MOST_PRECISION, precision + weight * chance * (1 - chance) * x * x)
            self.weights[name] = (mean + weight * (target - chance) * x / precision, precision)

    def _of(self, name: str) -> tuple[float, float]:
        untaught = _OF_AN_ENTRY if name.startswith("entry:") else _PRECISION
        return self.weights.get(name, (_MEANS.get(name, 0.0), untaught))


def _logistic(score: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))
