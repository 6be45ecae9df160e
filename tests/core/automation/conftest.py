"""A deal with a contact, and tasks of each kind for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from sqlalchemy import text

from core.automation import repository
from core.automation.execution import repository as executions
from core.automation.execution.carry_out import Executor
from core.automation.execution.destinations import destinations
from core.content import repository as content
from core.content.model import Draft
from core.flows import REACTIONS
from core.kit.clock import VirtualClock
from core.kit.errors import Unavailable
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.relay import Relay
from core.kit.timers import Ticker
from core.ports import Mail
from tests.support import Api, Client, new_deal


@dataclass
class Post:
    """A mail server that does as it is told."""

    sent: list[Mail] = field(default_factory=list)
    down: bool = False
    knows_nobody: bool = False
    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def send(self, mail: Mail) -> bool:
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.down:
            raise Unavailable("The mail server does not take the mail just now.")
        if self.knows_nobody:
            return False
        self.sent.append(mail)
        return True


@dataclass
class Office:
    """All that a test asks for: a company, its deal, and the machinery at the test's pace."""

    api: Api
    ana: Client
    clock: VirtualClock
    tenant_id: UUID
    user_id: UUID
    deal_id: UUID
    contact_id: UUID
    post: Post

    async def task(self, kind: str = "send_email", *, status: str = "waiting", in_days: int = 0) -> UUID:
        """One with a text for the customer, where it writes to him."""
        async with self.api.services.db.tenant(self.tenant_id) as tx:
            now = tx.clock.now()
            row = {
                "id": new_id(), "tenant_id": tx.tenant_id, "deal_id": self.deal_id, "call_id": None,
                "event_id": new_id(), "kind": kind, "template": None, "status": status, "priority": 2,
                "title": "Write to Maria", "due_at": now + timedelta(days=in_days), "reasons": [], "created_at": now,
            }  # fmt: skip
            [task_id] = await repository.add_new(tx, [row])
            if kind in ("send_email", "schedule_meeting"):
                await content.add(
                    tx,
                    Draft(
                        id=new_id(), tenant_id=tx.tenant_id, task_id=task_id, deal_id=self.deal_id, kind="follow_up",
                        language="en", subject="Our talk\r\nBcc: all@example.com", body="Dear Maria, …", facts=[],
                        written_by="test", status="draft", created_at=now,
                    ),
                )  # fmt: skip
            data = {"deal_id": str(self.deal_id), "kind": kind}
            await tx.emit(Event(EventType.TASK_CREATED, tx.tenant_id, task_id, data, at=now))
        return task_id

    async def approved(self, kind: str = "send_email", *, in_days: int = 0) -> UUID:
        task_id = await self.task(kind, in_days=in_days)
        answer = await self.ana.post(f"/v1/tasks/{task_id}/approve")
        assert answer.status_code == 200, answer.text
        await self.work()
        return task_id

    async def work(self) -> None:
        """All that is due now."""
        db = self.api.services.db
        relay = Relay(db, REACTIONS, self.api.services)
        while await relay.drain() + await Ticker(db).fire_due():
            pass

    async def after(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        await self.work()

    async def status(self, task_id: UUID) -> str:
        async with self.api.services.db.tenant(self.tenant_id) as tx:
            return (await repository.task(tx, task_id)).status

    async def outcomes(self, task_id: UUID) -> list[str]:
        async with self.api.services.db.tenant(self.tenant_id) as tx:
            return [one.outcome for one in await executions.attempts(tx, task_id)]

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.api.services.db.tenant(self.tenant_id) as tx:
            return [tuple(row) for row in await tx.session.execute(text(query), values)]


@pytest.fixture
async def office(api: Api, ana: Client, clock: VirtualClock) -> Office:
    claims = jwt.decode(ana.token, options={"verify_signature": False})
    account = (await ana.post("/v1/accounts", json={"name": "Horizonte"})).json()
    contact = {"account_id": account["id"], "name": "Maria Souza", "email": "maria@example.com", "language": "en"}
    contact_id = (await ana.post("/v1/contacts", json=contact)).json()["id"]
    deal = await new_deal(
        ana, name="CRM roll-out", account_id=account["id"], contact_id=contact_id, owner_id=claims["sub"]
    )
    post = Post()
    db, consents = api.services.db, api.services.consents
    api.services.executor = Executor(db, destinations(post, consents), most_tries=3, breaker_failures=4)
    found = Office(
        api, ana, clock, UUID(claims["tenant_id"]), UUID(claims["sub"]), UUID(deal["id"]), UUID(contact_id), post
    )
    await found.work()
    return found
