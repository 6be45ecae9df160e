"""Pure decisions about drift: what is over a tenant's limits, and what should be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.datascience.drift.measures import Shift
from core.datascience.models import paired
from core.datascience.models import quality as measures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Action = Literal["retrain", "recalibrate"]


@dataclass(frozen=True, slots=True)
class Limits:
    """A tenant's thresholds. A thing is drift where it is over its limit and over what chance explains."""

    psi: float = 0.25
    ks: float = 0.2
    auc_drop: float = 0.05
    brier_rise: float = 0.03
    ece: float = 0.05
    least_rows: int = 100
    least_deals: int = 40


@dataclass(frozen=True, slots=True)
class Realised:
    """How good a version was on deals that have closed since, and the ends of 90 % intervals."""

    rows: int
    deals: int
    metrics: dict[str, float]
    auc_high: float
    brier_low: float
    ece_by_chance: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is over its limit. `kind`: input | score | auc | brier | ece; `feature` of an input."""

    kind: str
    value: float
    limit: float
    feature: str | None = None


def realised(won: Floats, said: Floats, deal: NDArray[np.int64]) -> Realised:
    """Arrays (rows,): predictions of deals whose outcome is known now."""
    import numpy as np

    both = bool(won.min() < won.max())
    high = paired.auc_interval(won, said, deal)[2] if both else 1.0
    nothing = np.zeros_like(said)
    brier = paired.bootstrap(won, won + nothing, said, deal, measure="brier", draws=400)
    return Realised(
        len(won), len(np.unique(deal)), measures.quality(won, said), high, brier.low,
        measures.ece_by_chance(won, said, deal, draws=100),
    )  # fmt: skip


def findings(
    inputs: Mapping[str, Shift], score: Shift | None, seen: Realised | None, before: Mapping[str, float], limits: Limits
) -> list[Finding]:
    """`before`: what the version reached on its held-out rows."""
    found = [
        Finding("input", _worse(one, limits), _limit(one, limits), name)
        for name, one in inputs.items()
        if _shifted(one, limits, among=len(inputs))
    ]
    if score is not None and _shifted(score, limits, among=1):
        found.append(Finding("score", _worse(score, limits), _limit(score, limits)))
    if seen is not None and seen.deals >= limits.least_deals:
        found += _quality(seen, before, limits)
    return found


def _shifted(one: Shift, limits: Limits, *, among: int) -> bool:
    if one.rows < limits.least_rows:
        return False
    return one.psi > max(limits.psi, one.psi_by_chance) or (one.ks > limits.ks and one.ks_p < 0.01 / among)


def _worse(one: Shift, limits: Limits) -> float:
    return one.psi if one.psi > max(limits.psi, one.psi_by_chance) else one.ks


def _limit(one: Shift, limits: Limits) -> float:
    return limits.psi if one.psi > max(limits.psi, one.psi_by_chance) else limits.ks


def _quality(seen: Realised, before: Mapping[str, float], limits: Limits) -> list[Finding]:
    found = []
    auc, was = seen.metrics.get("auc"), before.get("auc")
    if auc is not None and was is not None and was - auc > limits.auc_drop and seen.auc_high < was:
        found.append(Finding("auc", auc, was - limits.auc_drop))
    brier = before.get("brier")
    if brier is not None and seen.metrics["brier"] - brier > limits.brier_rise and seen.brier_low > brier:
        found.append(Finding("brier", seen.metrics["brier"], brier + limits.brier_rise))
    if seen.metrics["ece"] - seen.ece_by_chance > limits.ece:
        found.append(Finding("ece", seen.metrics["ece"], limits.ece + seen.ece_by_chance))
    return found


def action(found: list[Finding]) -> Action | None:
    """Odds that are only off the mark are put right by a new calibration; all else takes a new model."""
    kinds = {finding.kind for finding in found}
    if not kinds:
        return None
    return "recalibrate" if kinds <= {"ece", "brier"} and "ece" in kinds else "retrain"
