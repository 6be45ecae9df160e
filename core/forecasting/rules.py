"""Pure decisions about predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast

from core.ports import Prediction, Reason

if TYPE_CHECKING:
    from core.forecasting.model import Forecast

Status = Literal["predicted", "won", "lost", "retrained"]
MIN_CLOSED_DEALS = 200
_SAME_ODDS = 0.005
_SAME_DAYS = 1
_Z_90 = 1.6448536269514722


def risk(probability: float) -> str:
    """How likely the deal is to be lost: low from 60 % up, high under 30 %."""
    return "low" if probability >= 0.6 else "medium" if probability >= 0.3 else "high"


def base_rate(won: int, lost: int) -> Prediction:
    """Where there is too little to learn from: the plain share of deals won, with its 90 % interval. Days are broad
    guesses, not measured."""
    total = won + lost
    share = (won + 1) / (total + 2)  # Laplace: with no deals at all, one half
    low, high = wilson(won / total, total) if total else (0.0, 1.0)
    return Prediction(
        probability=share, low=min(low, share), high=max(high, share), days_to_close=60, days_low=7, days_high=180,
        reasons=(), model="base_rate", version="0", basis="base_rate",
    )  # fmt: skip


def wilson(share: float, total: float) -> tuple[float, float]:
    """90 % interval of a share seen in `total` deals (Wilson, 1927)."""
    z2 = _Z_90**2 / total
    middle = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / 4)) / (1 + z2)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def differs(before: Forecast, after: Forecast) -> bool:
    """Does a forecast say something new? Half a point, a day, or another version of a model."""
    moved = abs(after.probability - before.probability) > _SAME_ODDS
    days = abs((after.expected_close_on - before.expected_close_on).days)
    return moved or days > _SAME_DAYS or (after.model, after.version) != (before.model, before.version)


def status(outcome: str | None, row: Forecast, newest: Forecast | None = None) -> Status:
    """What became of a forecast: its deal was closed, or another version of the model has predicted since."""
    if outcome is not None:
        return cast("Status", outcome)
    again = newest is not None and (newest.model, newest.version) != (row.model, row.version)
    return "retrained" if again else "predicted"


def change(before: Sequence[Reason], after: Sequence[Reason]) -> list[Reason]:
    """What moved a prediction: how much each feature's share differs, largest first; nothing where nothing moved."""
    old = {reason.feature: reason for reason in before}
    moved = [
        Reason(now.feature, now.value, now.impact - (old[now.feature].impact if now.feature in old else 0.0))
        for now in after
    ]
    return sorted((m for m in moved if abs(m.impact) >= 0.01), key=lambda m: -abs(m.impact))
