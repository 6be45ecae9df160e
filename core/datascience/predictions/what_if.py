"""What could be done about a deal: small changes of its features that somebody can bring about, predicted anew.

Advice is only what helps: a change that the model thinks bad or idle is left out, and so is one that leads to where
the model was never taught. Doing more of a thing is never shown as worth less than doing it once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.ports import WhatIf

Row = Mapping[str, float | None]
LEAST_GAIN = 0.01
"""What an action adds to the probability, at least, to be worth saying."""
_LAST_STAGE = 4.0


@dataclass(frozen=True, slots=True)
class Action:
    """`change`: the row with it done; None where it is done already or cannot be. `less`: the same done less often."""

    name: str
    change: Callable[[Row], Row | None]
    less: str | None = None


def _met(row: Row, kind: str, times: int) -> Row | None:
    counts = {name: row.get(name) for name in (kind, "activities_14d", "activities_30d")}
    if counts[kind] is None:
        return None
    more = {name: count + times for name, count in counts.items() if count is not None}
    return {**row, **more, "days_since_contact": 0.0}


def _answered(row: Row) -> Row | None:
    return {**row, "unanswered_objections": 0.0} if row.get("unanswered_objections") else None


def _next_step(row: Row) -> Row | None:
    return {**row, "next_step": 1.0} if row.get("next_step") == 0 else None


def _reply(row: Row) -> Row | None:
    waited = row.get("days_since_inbound")
    return {**row, "days_since_inbound": 0.0, "days_since_contact": 0.0} if waited and waited >= 3 else None


def _advanced(row: Row) -> Row | None:
    stage = row.get("stage")
    if stage is None or stage >= _LAST_STAGE:
        return None
    return {**row, "stage": stage + 1, "days_in_stage": 0.0, "stage_moves": (row.get("stage_moves") or 0.0) + 1}


def _dated(row: Row) -> Row | None:
    days = row.get("days_to_expected_close")
    return {**row, "days_to_expected_close": 30.0} if days is None or days < 0 else None


ACTIONS: tuple[Action, ...] = (
    Action("meeting", lambda row: _met(row, "meetings", 1)),
    Action("two_meetings", lambda row: _met(row, "meetings", 2), less="meeting"),
    Action("call", lambda row: _met(row, "calls", 1)),
    Action("answer_objections", _answered),
    Action("agree_next_step", _next_step),
    Action("customer_reply", _reply),
    Action("advance_stage", _advanced),
    Action("set_date", _dated),
)


def possible(row: Row) -> list[tuple[Action, Row]]:
    """The actions that would change this row, with what it would be."""
    found = [(action, action.change(row)) for action in ACTIONS]
    return [(action, changed) for action, changed in found if changed is not None]


def advice(now: float, tried: Sequence[tuple[Action, float]], *, better: int = 1) -> tuple[WhatIf, ...]:
    """`tried`: actions with the probability that each leads to, which shall rise (`better` 1) or fall (−1)."""
    said = {action.name: probability for action, probability in tried}
    helpful = []
    for action, probability in tried:
        less = said.get(action.less, now) if action.less else now
        if better * (probability - now) >= LEAST_GAIN and better * (probability - less) >= 0:
            helpful.append(WhatIf(action.name, probability))
    return tuple(sorted(helpful, key=lambda what: -better * what.probability))
