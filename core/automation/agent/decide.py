"""The follow-up agent of one tenant: what it remembers and how it decides. A cache of the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from core.automation.agent import words
from core.automation.agent.learn import Learned
from core.automation.agent.signals import Signal, Situation, Weights, action, default_weights, signals
from core.automation.rules.calendar import WorkingDays
from core.automation.withdraw import TO_CUSTOMER

MORNING = 9
STATUS = {"suggest": "suggested", "approve": "waiting", "act": "approved"}
"""Autonomy → what becomes of a task."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One thing to be done. `template` names the draft that it needs, `helps` the counterfactual that spoke for it.
    `usual`: the template in whose place that was chosen; `hour` of the company's day, where that was chosen."""

    kind: str
    template: str | None
    status: str
    priority: int
    title: str
    due_at: datetime
    helps: str | None = None
    usual: str | None = None
    hour: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is made of one event. `plan` None: nothing is done, and `why` says why not."""

    plan: Plan | None
    why: str | None
    reasons: tuple[Signal, ...]
    weight: float


@dataclass(slots=True)
class AgentState:
    """What the database knows and the agent keeps at hand. `open_tasks`: kinds of unfinished tasks by deal."""

    open_tasks: dict[UUID, set[str]] = field(default_factory=dict)
    learned: Learned = field(default_factory=Learned)

    @classmethod
    def restore(cls, open_tasks: Iterable[tuple[UUID, str]], learned: Learned | None = None) -> AgentState:
        state = cls(learned=learned or Learned())
        for deal_id, kind in open_tasks:
            state.open_tasks.setdefault(deal_id, set()).add(kind)
        return state


@dataclass(frozen=True, slots=True)
class House:
    """How the company wants its agent, as it stands now."""

    autonomy: str
    language: str
    calendar: WorkingDays


class FollowUpAgent:
    """Deterministic: the same state and situation give the same decision. Chance is seeded by the event's id."""

    def __init__(self, state: AgentState, weights: Weights | None = None) -> None:
        self.state = state
        self.weights = weights or default_weights()

    def note_task_closed(self, deal_id: UUID, kind: str) -> None:
        waiting = self.state.open_tasks.get(deal_id, set())
        waiting.discard(kind)
        if not waiting:
            self.state.open_tasks.pop(deal_id, None)

    def decide(self, seen: Situation, house: House) -> Decision:
        """What to do now, or why nothing."""
        found = tuple(signals(seen, self.weights))
        weight = round(sum(signal.weight for signal in found), 3)
        kind, template, helps = action(seen, self.weights)
        waiting = self.state.open_tasks.get(seen.deal_id, set())
        if (why := self._why_not(seen, found, weight, kind, waiting)) is not None:
            return Decision(None, why, found, weight)
        self.state.open_tasks.setdefault(seen.deal_id, set()).add(kind)
        learned, seed = self.state.learned, seen.event_id
        hour = int(learned.choose("hour", kind, seed)) if kind in TO_CUSTOMER else None
        plan = Plan(
            kind=kind, template=learned.choose("template", template, seed) if template else None,
            status=STATUS[house.autonomy], priority=_priority(weight), helps=helps, usual=template, hour=hour,
            title=words.title(kind, found, seen.deal_name, house.language), due_at=_due(seen, house, hour),
        )  # fmt: skip
        return Decision(plan, None, found, weight)

    def _why_not(
        self, seen: Situation, found: tuple[Signal, ...], weight: float, kind: str, waiting: set[str]
    ) -> str | None:
        if not seen.is_open:
            return "deal_closed"
        if seen.cause != "FORECAST_CHANGED" and seen.cause not in {signal.key for signal in found}:
            return "no_longer_true"
        if not found:
            return "nothing_seen"
        if weight < self.weights.threshold:
            return "below_threshold"
        if kind in waiting:
            return "already_open"
        return "turned_down" if seen.cause != "FORECAST_CHANGED" and kind in seen.turned_down else None


def _due(seen: Situation, house: House, hour: int | None) -> datetime:
    """A promise at once, all else in the next working hour of that name."""
    if seen.promised_on is not None:
        return seen.at
    return house.calendar.next_at(seen.at, MORNING if hour is None else hour)


def _priority(weight: float) -> int:
    """1 is most urgent, 5 least."""
    return max(1, min(5, 5 - int(weight / 0.6)))
