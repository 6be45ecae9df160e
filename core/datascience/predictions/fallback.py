"""What is said where no model can be used. It names itself: `basis` is `base_rate` or `rule`, never a model's."""

from __future__ import annotations

import math

from core.ports import Prediction

_Z_90 = 1.6448536269514722
_DAYS = (7, 60, 180)  # broad guesses, not measured


def answer(context: str, won: int, lost: int) -> Prediction:
    """Odds of deals from the share of deals won. Nothing is counted for the other contexts: there everything is
    possible, and the answer says just that."""
    if context == "forecast":
        return base_rate(won, lost)
    if context == "risk":
        return base_rate(lost, won, context)
    return _plain(0.5, 0.0, 1.0, "rule", context)


def base_rate(won: int, lost: int, context: str = "forecast") -> Prediction:
    """The plain share of deals won, with its 90 % interval."""
    total = won + lost
    share = (won + 1) / (total + 2)  # Laplace: with no deals at all, one half
    low, high = wilson(won / total, total) if total else (0.0, 1.0)
    return _plain(share, min(low, share), max(high, share), "base_rate", context)


def _plain(share: float, low: float, high: float, basis: str, context: str) -> Prediction:
    days_low, days, days_high = _DAYS
    return Prediction(
        probability=share, low=low, high=high, days_to_close=days, days_low=days_low, days_high=days_high, reasons=(),
        model=basis, version="0", basis=basis, context=context,
    )  # fmt: skip


def wilson(share: float, total: float) -> tuple[float, float]:
    """90 % interval of a share seen in `total` deals (Wilson, 1927)."""
    z2 = _Z_90**2 / total
    middle = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / 4)) / (1 + z2)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
