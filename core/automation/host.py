"""Holds the agents of many tenants in one process: each restored from the database when first needed, one event at a
time per tenant, all tenants side by side."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from uuid import UUID

from core.automation.agent import FollowUpAgent
from core.automation.follow_up import follow_up, restore
from core.kit.db import Database
from core.kit.events import Event

MOST_AWAKE = 5_000


class AgentHost:
    """`Agents` in this process: what the tenant-host actor wraps, and what runs without Ray as it is."""

    def __init__(self, db: Database, *, most_awake: int = MOST_AWAKE) -> None:
        self._db = db
        self._most_awake = most_awake
        self._agents: OrderedDict[UUID, FollowUpAgent] = OrderedDict()
        self._turns: dict[UUID, asyncio.Lock] = {}

    async def handle(self, event: Event) -> None:
        """Let the tenant's agent take the event, after all those that came before it."""
        async with self._turns.setdefault(event.tenant_id, asyncio.Lock()):
            try:
                async with self._db.tenant(event.tenant_id) as tx:
                    agent = self._agents.get(event.tenant_id) or await restore(tx)
                    self._agents[event.tenant_id] = agent
                    await follow_up(tx, agent, event)
            except BaseException:
                # What the agent remembers may be ahead of what was committed: it starts again from the database.
                self._agents.pop(event.tenant_id, None)
                raise
        self._agents.move_to_end(event.tenant_id)
        self._put_to_sleep()

    def awake(self) -> list[UUID]:
        return list(self._agents)

    def _put_to_sleep(self) -> None:
        """Forget the tenants that were idle longest; the database knows all that they knew."""
        while len(self._agents) > self._most_awake:
            self._agents.popitem(last=False)
