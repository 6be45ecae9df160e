"""Pure decisions about predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast

from core.datascience.predictions.fallback import wilson as wilson
from core.ports import Reason

if TYPE_CHECKING:
    from core.forecasting.model import Forecast

Status = Literal["predicted", "won", "lost", "retrained"]
MIN_CLOSED_DEALS = 200
_SAME_ODDS = 0.005
_SAME_DAYS = 1


def risk(probability: float) -> str:
    """How likely the deal is to be lost: low from 60 % up, high under 30 %."""
    return "low" if probability >= 0.6 else "medium" if probability >= 0.3 else "high"


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
