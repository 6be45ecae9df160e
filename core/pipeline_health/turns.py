"""When health turns. Pure: a figure is good or bad, and between the two it stays what it was, so that nobody is told
twice of what only trembles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEAST_OPEN = 5
"""Of fewer open deals one alone would turn a figure."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """From which value on a figure is `bad` and `good`. `of_before`: as a share of what it was four weeks ago."""

    bad: float
    good: float
    of_before: bool = False


BOUNDS: Mapping[str, Bounds] = {
    "stalled_share": Bounds(bad=0.35, good=0.25),
    "overdue_share": Bounds(bad=0.30, good=0.20),
    "velocity_cents": Bounds(bad=0.70, good=0.85, of_before=True),
    "coverage": Bounds(bad=1.5, good=2.0),
}


@dataclass(frozen=True, slots=True)
class Turn:
    """A figure that is bad now and was not, or the other way round."""

    figure: str
    level: str  # good | bad
    value: float


def levels(now: Mapping[str, Any], before: Mapping[str, Any] | None, told: Mapping[str, str]) -> dict[str, str]:
    """Figure → good or bad, of those that can be said. `before`: four weeks ago. `told`: the levels until now."""
    if now["open_deals"] < LEAST_OPEN:
        return {}
    found: dict[str, str] = {}
    for figure, bounds in BOUNDS.items():
        value = _value(figure, bounds, now, before)
        if value is not None:
            found[figure] = _level(value, bounds, told.get(figure))
    return found


def turns(now: Mapping[str, Any], was: Mapping[str, str], new: Mapping[str, str]) -> list[Turn]:
    """What to tell: bad news at once, good news where the bad was told."""
    return [
        Turn(figure, level, float(now[figure])) for figure, level in new.items() if level != was.get(figure, "good")
    ]


def _value(figure: str, bounds: Bounds, now: Mapping[str, Any], before: Mapping[str, Any] | None) -> float | None:
    value = now[figure]
    if value is None or not bounds.of_before:
        return None if value is None else float(value)
    earlier = before[figure] if before else None
    return float(value) / float(earlier) if earlier else None


def _level(value: float, bounds: Bounds, told: str | None) -> str:
    less_is_better = bounds.bad > bounds.good
    if value >= bounds.bad if less_is_better else value < bounds.bad:
        return "bad"
    if value <= bounds.good if less_is_better else value >= bounds.good:
        return "good"
    return told or "good"
