"""The follow-up agent of one tenant: what it remembers and how it decides. A cache of the database."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from core.automation.signals import Signal, Situation, Weights, action, default_weights, next_working_morning, signals

REMEMBERED_EVENTS = 50  # of each tenant, in memory; the host's inbox knows all

_TITLES = {
    "pt": {
        "send_email": "Enviar e-mail de acompanhamento: {deal}",
        "create_crm_task": "Registrar contato a fazer (sem e-mail do cliente): {deal}",
        "schedule_meeting": "Propor uma conversa: {deal}",
        "notify_user": "Veja o que mudou: {deal}",
    },
    "en": {
        "send_email": "Send a follow-up e-mail: {deal}",
        "create_crm_task": "Plan a contact (the customer's e-mail is not known): {deal}",
        "schedule_meeting": "Propose a conversation: {deal}",
        "notify_user": "See what changed: {deal}",
    },
}


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing to be done. `template` names the draft that it needs; `status` follows from the tenant's autonomy."""

    kind: str
    template: str | None
    status: str
    priority: int
    title: str
    due_at: datetime
    reasons: tuple[Signal, ...]


@dataclass(slots=True)
class AgentState:
    """What the database knows and the agent keeps at hand. `open_tasks`: kinds of unfinished tasks by deal."""

    autonomy: str
    language: str
    time_zone: str
    open_tasks: dict[UUID, set[str]] = field(default_factory=dict)
    handled: OrderedDict[UUID, None] = field(default_factory=OrderedDict)

    @classmethod
    def restore(
        cls, *, autonomy: str, language: str, time_zone: str, open_tasks: Iterable[tuple[UUID, str]],
        handled: Iterable[UUID],
    ) -> AgentState:  # fmt: skip
        state = cls(autonomy, language, time_zone)
        for deal_id, kind in open_tasks:
            state.open_tasks.setdefault(deal_id, set()).add(kind)
        for event_id in sorted(handled):
            state.handled[event_id] = None
        return state


class FollowUpAgent:
    """Deterministic: the same state and situation give the same decision."""

    def __init__(self, state: AgentState, weights: Weights | None = None) -> None:
        self.state = state
        self._weights = weights or default_weights()

    def knows(self, event_id: UUID) -> bool:
        return event_id in self.state.handled

    def note_task_closed(self, deal_id: UUID, kind: str) -> None:
        waiting = self.state.open_tasks.get(deal_id, set())
        waiting.discard(kind)
        if not waiting:
            self.state.open_tasks.pop(deal_id, None)

    def decide(self, seen: Situation) -> list[Decision]:
        """What to do now; nothing for an event that was handled, or while the same is waiting to be done."""
        if self.knows(seen.event_id):
            return []
        self._remember(seen.event_id)
        found = signals(seen, self._weights)
        weight = round(sum(signal.weight for signal in found), 3)
        if weight < self._weights.threshold:
            return []
        kind, template = action(seen, self._weights)
        waiting = self.state.open_tasks.setdefault(seen.deal_id, set())
        if kind in waiting:
            return []
        waiting.add(kind)
        return [
            Decision(
                kind=kind,
                template=template,
                status={"suggest": "suggested", "approve": "waiting", "act": "approved"}[self.state.autonomy],
                priority=_priority(weight),
                title=_TITLES[self.state.language][kind].format(deal=seen.deal_name)[:300],
                due_at=next_working_morning(seen.at, self.state.time_zone),
                reasons=tuple(found),
            )
        ]

    def _remember(self, event_id: UUID) -> None:
        self.state.handled[event_id] = None
        while len(self.state.handled) > REMEMBERED_EVENTS:
            self.state.handled.popitem(last=False)


def _priority(weight: float) -> int:
    """1 is most urgent, 5 least."""
    return max(1, min(5, 5 - int(weight / 0.6)))
