"""Holds many tenants in one process: each tenant's residents restored from the database when first needed, one event
at a time per tenant, tenants in turns, and asleep again once idle.

Two hosts may think that they hold the same tenant, after the number of hosts has changed. Each turn is counted in a row
of the database, whose lock it holds until it commits: so turns come one after another wherever they are taken, and a
host whose memory is not of the turn before restores it first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from core.automation import repository
from core.automation.hosting import AGENT, Resident, Residents
from core.automation.mailboxes import Mailboxes
from core.automation.prune import REMEMBERED
from core.kit.db import Database
from core.kit.events import Event

MOST_AWAKE = 5_000
IDLE_S = 1_800.0
AT_ONCE = 8


@dataclass(slots=True)
class Awake:
    """A tenant in memory: residents by name, each with the turn that it remembers."""

    used_at: datetime
    residents: dict[str, tuple[Resident, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Counts:
    """Since the start: `turns` taken, `repeats` of events that had been, memories `restored`, of them `overtaken` by a
    turn that another host took."""

    turns: int = 0
    repeats: int = 0
    restored: int = 0
    overtaken: int = 0


class AgentHost:
    """`Agents` in this process: what the tenant-host actor wraps, and what runs without Ray as it is."""

    def __init__(
        self, db: Database, residents: Residents, *, most_awake: int = MOST_AWAKE, idle_s: float = IDLE_S,
        at_once: int = AT_ONCE,
    ) -> None:  # fmt: skip
        self._db = db
        self._residents = residents
        self._most_awake = most_awake
        self._idle = timedelta(seconds=idle_s)
        self._awake: OrderedDict[UUID, Awake] = OrderedDict()  # longest unused first
        self._mail: Mailboxes[UUID, tuple[Event, str]] = Mailboxes(self._turn, at_once=at_once)
        self.counts = Counts()

    async def handle(self, event: Event, resident: str = AGENT) -> None:
        """Let one of the tenant's residents take the event, after all that came for the tenant before it."""
        await self._mail.send(event.tenant_id, (event, resident))

    def awake(self) -> list[UUID]:
        return list(self._awake)

    def waiting(self) -> int:
        """Events that are in a mailbox."""
        return self._mail.waiting()

    async def finish(self) -> None:
        """Until every mailbox is empty."""
        await self._mail.empty()

    def put_to_sleep(self) -> int:
        """Forget who was idle for long, and beyond the number that may be awake who was so longest: the database knows
        all that they knew. Returns how many."""
        latest = self._db.clock.now() - self._idle
        before = len(self._awake)
        while self._awake:
            longest = next(iter(self._awake.values()))
            if longest.used_at > latest and len(self._awake) <= self._most_awake:
                break
            self._awake.popitem(last=False)
        return before - len(self._awake)

    async def _turn(self, tenant_id: UUID, letter: tuple[Event, str]) -> None:
        event, name = letter
        if event.at < self._db.clock.now() - REMEMBERED:
            # The inbox has forgotten whether it was taken; what happened so long ago leads to nothing new.
            self.counts.repeats += 1
            return
        try:
            async with self._db.tenant(tenant_id) as tx:
                turn = await repository.take_turn(tx, event.id, name)
                if turn is None:
                    self.counts.repeats += 1
                    return
                tx.trace = event.trace
                known = self._remembered(tenant_id, name, turn - 1)
                resident = known or self._residents[name]()
                if known is None:
                    await resident.restore(tx)
                    self.counts.restored += 1
                await resident.handle(tx, event)
        except BaseException:
            # What it remembers may be ahead of what was committed: it starts again from the database.
            self._forget(tenant_id, name)
            raise
        self._remember(tenant_id, name, resident, turn)

    def _remembered(self, tenant_id: UUID, name: str, turn: int) -> Resident | None:
        awake = self._awake.get(tenant_id)
        if awake is None or name not in awake.residents:
            return None
        resident, known = awake.residents[name]
        if known == turn:
            return resident
        self.counts.overtaken += 1
        return None

    def _remember(self, tenant_id: UUID, name: str, resident: Resident, turn: int) -> None:
        now = self._db.clock.now()
        awake = self._awake.setdefault(tenant_id, Awake(now))
        awake.used_at = now
        awake.residents[name] = (resident, turn)
        self._awake.move_to_end(tenant_id)
        self.counts.turns += 1
        self.put_to_sleep()

    def _forget(self, tenant_id: UUID, name: str) -> None:
        awake = self._awake.get(tenant_id)
        if awake is not None:
            awake.residents.pop(name, None)
