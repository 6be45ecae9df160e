"""What the deal's earlier calls left open: a seller who comes back to it by himself is better off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.content.facts import labels
from core.live.suggest.candidates import Cause
from core.live.understand import Situation

CALLS = 3
"""How many calls are looked back on."""
_FROM_S, _UNTIL_S = 15.0, 300.0  # of a call: after the greeting, while there is time
_SURE = 0.8
_SAYS = {
    "pt": "Na última conversa ficou em aberto: {what}. Retome antes que eles voltem ao assunto.",
    "en": "Last time {what} stayed open: come back to it before they do.",
}


@dataclass(frozen=True, slots=True)
class LeftOpen:
    """A kind of objection that the seller has not met, and the call in which it came last."""

    kind: str
    call_id: UUID


def left_open(shown: Sequence[tuple[UUID, Mapping[str, Any]]]) -> tuple[LeftOpen, ...]:
    """`shown`: insights of calls, newest first. What was met later is not open."""
    newest: dict[str, tuple[UUID, bool]] = {}
    for call_id, data in shown:
        met: dict[str, bool] = {}
        for one in data.get("objections", ()):
            met[one["kind"]] = bool(one["met"])
        for kind, was_met in met.items():
            newest.setdefault(kind, (call_id, was_met))
    return tuple(LeftOpen(kind, call_id) for kind, (call_id, was_met) in newest.items() if not was_met)


def reminders(now: Situation, open_: Sequence[LeftOpen], language: str) -> list[Cause]:
    """Those that this call has not come to by itself."""
    came_up = {one.name for one in now.objections} | set(now.answered)
    if now.asked or not _FROM_S <= now.at_s <= _UNTIL_S:
        return []
    table = labels()["objections"]
    return [
        Cause(
            f"earlier:{one.kind}", now.at_s, _SURE,
            _SAYS[language].format(what=table.get(one.kind, table["other"])[language]), source=f"call:{one.call_id}",
        )
        for one in open_
        if one.kind not in came_up
    ]  # fmt: skip
