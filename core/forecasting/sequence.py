"""What happened to one deal, step by step, as a model of sequences reads it: the opening, stage changes and contacts,
oldest first, from nothing but what was known at the moment. Training and serving both build it here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from core.forecasting.features import STAGES, Activity, DealHistory, StageChange

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEPS = 48
"""The newest so many."""
CHANNELS: tuple[str, ...] = (
    "is_there", "log_age", "log_gap", "opening", "stage_change", "call", "email", "meeting", "note", "inbound",
    "stage", "moved_back", "heard", "sentiment", "objections", "unanswered_objections", "competitors",
    "buying_signals", "next_step",
)  # fmt: skip
_PLACE = {name: number for number, name in enumerate(CHANNELS)}
_OPEN = STAGES[:5]
_DAY_S = 86_400


def sequence(history: DealHistory, as_of: datetime) -> list[list[float]]:
    """(steps, channels), at most `STEPS` and at least one."""
    steps = [(history.opened_at, _row(opening=1.0))]
    before = 0
    for change in history.stage_changes:
        if change.at <= as_of and change.stage in _OPEN:
            steps.append((change.at, _moved(change, before)))
            before = _OPEN.index(change.stage)
    steps += [(activity.at, _contact(activity)) for activity in history.activities if activity.at <= as_of]
    steps.sort(key=lambda step: step[0])
    last = steps[0][0]
    for at, row in steps:
        row[_PLACE["log_age"]], row[_PLACE["log_gap"]] = _log_days(at, as_of), _log_days(last, at)
        last = at
    return [row for _, row in steps[-STEPS:]]


def padded(sequences: Sequence[Sequence[Sequence[float]]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Events float32 (rows, STEPS, channels), zero behind the last, and how many there are, int64 (rows,)."""
    import numpy as np

    events = np.zeros((len(sequences), STEPS, len(CHANNELS)), np.float32)
    for number, steps in enumerate(sequences):
        events[number, : len(steps)] = steps
    return events, np.array([len(steps) for steps in sequences], np.int64)


def _row(**values: float) -> list[float]:
    row = [0.0] * len(CHANNELS)
    row[0] = 1.0
    for name, value in values.items():
        row[_PLACE[name]] = value
    return row


def _moved(change: StageChange, before: int) -> list[float]:
    place = _OPEN.index(change.stage)
    return _row(stage_change=1.0, stage=place / (len(_OPEN) - 1), moved_back=float(place < before))


def _contact(activity: Activity) -> list[float]:
    kind = activity.kind if activity.kind in _PLACE else "note"
    return _row(
        **{kind: 1.0}, inbound=float(activity.direction == "in"), heard=float(activity.sentiment is not None),
        sentiment=activity.sentiment or 0.0, objections=math.log1p(activity.objections),
        unanswered_objections=math.log1p(activity.unanswered_objections),
        competitors=math.log1p(activity.competitors), buying_signals=math.log1p(activity.buying_signals),
        next_step=float(activity.has_next_step),
    )  # fmt: skip


def _log_days(start: datetime, end: datetime) -> float:
    return math.log1p(max(0.0, (end - start).total_seconds()) / _DAY_S)
