"""How rules run their course over what happens to deals, one thing after another. The same over an event as it comes
and in a dry run: only where waits and firings are remembered differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from jsonlogic import Operator

from core.automation.rules.calendar import WorkingDays, quiet_until
from core.automation.rules.definition import Definition
from core.automation.rules.facts import Known, Moment
from core.automation.rules.operators import compiled, holds


@dataclass(slots=True)
class Live:
    """A rule that is switched on, as its newest version says."""

    id: UUID
    version: int
    says: Definition
    condition: Operator | None = field(init=False)
    asks: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        self.asks = sorted(asked(self.says.condition))
        self.condition = compiled(self.says.condition) if self.says.condition is not None else None

    def due_at(self, at: datetime, calendar: WorkingDays) -> datetime:
        wait = self.says.wait
        assert wait is not None
        if wait.working_days is not None:
            return calendar.after(at, wait.working_days)
        return at + timedelta(hours=wait.hours or 0)

    def quiet_until(self, at: datetime, calendar: WorkingDays) -> datetime | None:
        if self.says.quiet_from is None or self.says.quiet_until is None:
            return None
        return quiet_until(at, time.fromisoformat(self.says.quiet_from), time.fromisoformat(self.says.quiet_until), calendar)  # fmt: skip # noqa: E501


@dataclass(frozen=True, slots=True)
class Wait:
    """A rule that goes on with a deal once it is due."""

    rule_id: UUID
    moment: Moment
    due_at: datetime
    until_answered: bool


@dataclass(frozen=True, slots=True)
class Firing:
    """`event_id`: the event that came, which is a timer's where the rule had waited. `seen`: what it asked of, by
    field."""

    rule: Live
    event_id: UUID
    at: datetime
    moment: Moment
    seen: Mapping[str, Any]


class Verdict(StrEnum):
    WAITS = "waits"
    DIFFERS = "differs"  # the condition does not hold
    QUIET = "quiet"  # it waits until the quiet hours are over
    CAPPED = "capped"
    CLOSED = "closed"  # the deal was closed while the rule waited
    FIRES = "fires"


class Memory(Protocol):
    """What rules remember between events."""

    async def known(self, moment: Moment) -> Known: ...

    async def wait(self, wait: Wait) -> None:
        """One wait for each rule and deal: a later one takes its place."""
        ...

    async def answered(self, deal_id: UUID) -> None:
        """Forget what waited for the customer."""
        ...

    async def fired_since(self, rule_id: UUID, deal_id: UUID | None, since: datetime) -> int:
        """How often it fired after that, for this deal or for any."""
        ...

    async def fire(self, firing: Firing) -> None: ...


async def take(
    memory: Memory, rules: Sequence[Live], moment: Moment, calendar: WorkingDays
) -> list[tuple[Live, Verdict]]:
    """Something happened: what each rule that listens for it makes of it."""
    if moment.answers:
        await memory.answered(moment.deal_id)
    verdicts = []
    for rule in rules:
        if rule.says.on != moment.trigger:
            continue
        if rule.says.wait is not None:
            await memory.wait(Wait(rule.id, moment, rule.due_at(moment.at, calendar), until_answered=True))
            verdicts.append((rule, Verdict.WAITS))
        else:
            verdicts.append((rule, await _consider(memory, rule, moment, moment.event_id, moment.at, calendar)))
    return verdicts


async def resume(
    memory: Memory, rule: Live, wait: Wait, event_id: UUID, at: datetime, calendar: WorkingDays
) -> Verdict:
    """Its time has come, and nobody has answered."""
    if wait.until_answered and not (await memory.known(wait.moment)).is_open(at):
        return Verdict.CLOSED
    return await _consider(memory, rule, wait.moment, event_id, at, calendar, until_answered=wait.until_answered)


async def _consider(
    memory: Memory, rule: Live, moment: Moment, event_id: UUID, at: datetime, calendar: WorkingDays, *,
    until_answered: bool = False,
) -> Verdict:  # fmt: skip
    facts = (await memory.known(moment)).facts(moment, at, calendar, rule.asks)
    if rule.condition is not None and not holds(rule.condition, facts):
        return Verdict.DIFFERS
    quiet = rule.quiet_until(at, calendar)
    if quiet is not None:
        await memory.wait(Wait(rule.id, moment, quiet, until_answered))
        return Verdict.QUIET
    most = rule.says.at_most
    about = moment.deal_id if most.per == "deal" else None
    if await memory.fired_since(rule.id, about, at - timedelta(days=most.days)) >= most.times:
        return Verdict.CAPPED
    await memory.fire(Firing(rule, event_id, at, moment, seen=facts))
    return Verdict.FIRES


def asked(condition: Any) -> set[str]:
    """The fields of which a condition asks."""
    if isinstance(condition, dict):
        (name, given), *_ = condition.items()
        if name == "var":
            return {given[0] if isinstance(given, list) else given}
        return asked(given)
    if isinstance(condition, list):
        return set().union(*(asked(one) for one in condition))
    return set()
