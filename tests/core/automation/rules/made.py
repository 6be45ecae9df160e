"""A company with rules, and what happens to its deals."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.flows import REACTIONS
from core.kit.clock import VirtualClock
from core.kit.relay import Relay
from core.kit.timers import Ticker
from tests.support import Api, Client, new_deal

_SESSION = timedelta(days=5)
"""Unused for seven it ends."""


@dataclass
class Company:
    api: Api
    admin: Client
    clock: VirtualClock
    slug: str = "acme"
    logged_in_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.logged_in_at = self.clock.now()

    @property
    def tenant_id(self) -> UUID:
        return self.api.services.tokens.check(self.admin.token).tenant_id

    @property
    def user_id(self) -> str:
        return str(self.api.services.tokens.check(self.admin.token).user_id)

    async def deal(self, **fields: Any) -> str:
        """With a contact who can be written to, and an owner."""
        account = (await self.admin.post("/v1/accounts", json={"name": "Horizonte"})).json()
        contact = {"account_id": account["id"], "name": "Maria", "email": "maria@example.com", "language": "en"}
        contact_id = (await self.admin.post("/v1/contacts", json=contact)).json()["id"]
        people = {"account_id": account["id"], "contact_id": contact_id, "owner_id": self.user_id}
        return str((await new_deal(self.admin, **{**people, **fields}))["id"])

    async def touch(self, deal_id: str, direction: str, kind: str = "email") -> None:
        body = {"kind": kind, "direction": direction}
        answer = await self.admin.post(f"/v1/deals/{deal_id}/activities", json=body)
        assert answer.status_code == 201, answer.text

    async def rule(self, **says: Any) -> dict[str, Any]:
        answer = await self.admin.post("/v1/automation/rules", json=rule(**says))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def settle(self) -> None:
        """All that is due has happened, and what follows from it."""
        relay = Relay(self.api.services.db, REACTIONS, self.api.services)
        await relay.drain()
        while await Ticker(self.api.services.db).fire_due():
            await relay.drain()

    async def until(self, at: datetime) -> None:
        await self.settle()
        tokens = self.api.services.tokens
        she = tokens.check(self.admin.token)
        self.clock.advance(at - self.clock.now())
        self.admin.token = tokens.issue(she)
        if at - self.logged_in_at > _SESSION:
            who = {"email": "ana@example.com", "password": Api.PASSWORD, "tenant": self.slug}
            again = await self.admin.post("/v1/login", json=who)
            assert again.status_code == 200, again.text
            self.admin.token, self.logged_in_at = again.json()["access_token"], at
        await self.settle()

    async def later(self, **span: float) -> None:
        await self.until(self.clock.now() + timedelta(**span))

    async def firings(self, rule_id: str) -> list[dict[str, Any]]:
        answer = await self.admin.get(f"/v1/automation/rules/{rule_id}/firings")
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def tasks(self, deal_id: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.admin.get(f"/v1/tasks?deal_id={deal_id}")).json()["items"]
        return items


def rule(**says: Any) -> dict[str, Any]:
    return {"name": "A rule", "on": "deal_changed", "actions": [{"kind": "create_crm_task"}], **says}
