"""May this version become the champion? One pure decision over what was measured, with its reasons.

Better than the champion on the same held-out rows: AUC by DeLong's test or the Brier score by a paired bootstrap is
better at `alpha` (halved, because either will do), and neither is worse at `alpha`. So a candidate that is no better
passes in at most `alpha` of the tries. Where there is no champion yet, the plain share of deals won stands in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from core.datascience.models import paired
from core.datascience.models import quality as measures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a champion has to hold. `most_ece` is above what chance alone shows with so few deals."""

    alpha: float = 0.05
    most_ece: float = 0.05
    most_p95_ms: float = 50.0
    most_memory_mib: float = 256.0
    least_deals: int = 200
    least_held_out: int = 30
    least_of_each: int = 8


@dataclass(frozen=True, slots=True)
class Cost:
    """What answering takes, measured: one row with its reasons, and the process's growth by the loaded model."""

    p95_ms: float
    memory_mib: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """What was measured of a version. `said` (rows,): its probabilities on the held-out rows. `leaks`: features that
    training's guard warns of. `deals`: closed deals that training knew."""

    said: Floats
    deals: int
    cost: Cost | None = None
    leaks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The rows on which candidate and champion are measured; arrays (rows,). `base_rate`: the share won among the deals
    before them, which is what is said where there is no model."""

    won: Floats
    deal: NDArray[np.int64]
    base_rate: float


@dataclass(frozen=True, slots=True)
class Check:
    """One condition: `name` is a key of `verdicts.SAID`, `facts` fill its words."""

    name: str
    passed: bool
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """All conditions with their facts; passed where each is."""

    checks: tuple[Check, ...]
    comparisons: tuple[paired.Difference, ...] = ()

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        return {
            "passed": self.passed, "checks": [asdict(check) for check in self.checks],
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
        }  # fmt: skip

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Verdict:
        return cls(
            tuple(Check(**check) for check in told["checks"]),
            tuple(paired.Difference(**comparison) for comparison in told["comparisons"]),
        )


def decide(candidate: Candidate, champion: Floats | None, rows: HeldOut, limits: Limits | None = None) -> Verdict:
    """`champion` (rows,): what the present champion says of the same rows; None: there is none that can be used."""
    import numpy as np

    limits = limits or Limits()
    enough = _enough(candidate, rows, limits)
    if not enough.passed:
        return Verdict((enough, _no_leak(candidate.leaks)))
    other = np.full(len(rows.won), rows.base_rate) if champion is None else champion
    compared = (
        paired.delong(rows.won, candidate.said, other, rows.deal),
        paired.bootstrap(rows.won, candidate.said, other, rows.deal, measure="brier"),
    )
    checks = [enough, _no_leak(candidate.leaks), _better(compared, champion is None, limits.alpha)]
    checks += [_calibrated(candidate, rows, limits.most_ece), *_cheap(candidate.cost, limits)]
    return Verdict(tuple(checks), compared)


def _enough(candidate: Candidate, rows: HeldOut, limits: Limits) -> Check:
    import numpy as np

    won = len(np.unique(rows.deal[rows.won > 0.5]))
    lost = len(np.unique(rows.deal[rows.won <= 0.5]))
    passed = (
        candidate.deals >= limits.least_deals
        and won + lost >= limits.least_held_out
        and min(won, lost) >= limits.least_of_each
    )
    facts = {
        "deals": candidate.deals, "least_deals": limits.least_deals, "won": won, "lost": lost,
        "least_held_out": limits.least_held_out, "least_of_each": limits.least_of_each,
    }  # fmt: skip
    return Check("enough_data", passed, facts)


def _no_leak(leaks: Sequence[str]) -> Check:
    return Check("no_leak", not leaks, {"features": ", ".join(leaks) or "-"})


def _better(compared: Sequence[paired.Difference], first: bool, alpha: float) -> Check:
    passed = any(c.p < alpha / 2 for c in compared) and not any(c.p_worse < alpha for c in compared)
    facts: dict[str, Any] = {"alpha": alpha}
    for c in compared:
        facts |= {c.measure: round(c.a, 4), f"{c.measure}_before": round(c.b, 4), f"{c.measure}_p": round(c.p, 4)}
    return Check("better_than_base_rate" if first else "better_than_champion", passed, facts)


def _calibrated(candidate: Candidate, rows: HeldOut, most_ece: float) -> Check:
    seen = measures.ece(rows.won, candidate.said)
    chance = measures.ece_by_chance(rows.won, candidate.said, rows.deal)
    facts = {"ece": round(seen, 4), "chance": round(chance, 4), "most": most_ece}
    return Check("calibrated", seen - chance <= most_ece, facts)


def _cheap(cost: Cost | None, limits: Limits) -> list[Check]:
    """What was not measured does not pass."""
    took_ms, held_mib = (cost.p95_ms, cost.memory_mib) if cost else (None, None)
    return [
        Check(
            "fast_enough", took_ms is not None and took_ms <= limits.most_p95_ms,
            {"p95_ms": took_ms, "most_ms": limits.most_p95_ms},
        ),
        Check(
            "small_enough", held_mib is not None and held_mib <= limits.most_memory_mib,
            {"memory_mib": held_mib, "most_mib": limits.most_memory_mib},
        ),
    ]  # fmt: skip
