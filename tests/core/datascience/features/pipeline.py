"""One tenant with a deal, what happens to it, and the features that come of it."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from sqlalchemy import select

from core.datascience.features.model import FeatureRow
from core.deals import repository as deals
from core.deals.model import Deal, DealChange
from core.flows import REACTIONS
from core.kit.clock import VirtualClock
from core.kit.ids import new_id
from core.kit.outbox import EventRow
from core.kit.relay import Relay
from tests.fakes.speech import encoded, silence, tone
from tests.support import Api, Client

STEP = timedelta(minutes=5)


class Pipeline:
    """One tenant's deal, and its features."""

    def __init__(self, api: Api, client: Client, clock: VirtualClock) -> None:
        self.api, self.client, self.clock = api, client, clock
        self.tenant_id, self.deal_id, self.contact_id, self.account_id = UUID(int=0), "", "", ""
        self.calls: list[str] = []

    async def begin(self) -> None:
        self.tenant_id = UUID((await self.client.get("/v1/me")).json()["tenant_id"])
        made = await self.client.post("/v1/accounts", json={"name": "Acme", "segment": "smb", "region": "south"})
        account = self.account_id = made.json()["id"]
        person = {"account_id": account, "name": "Zoe Lima", "email": "zoe@acme.example", "language": "en"}
        self.contact_id = (await self.client.post("/v1/contacts", json=person)).json()["id"]
        body = {"account_id": account, "contact_id": self.contact_id, "name": "CRM", "value_cents": 50_000_00}
        deal = await self.client.post("/v1/deals", json={**body, "source": "inbound"})
        self.deal_id = deal.json()["id"]

    async def settle(self) -> None:
        await Relay(self.api.services.db, REACTIONS, self.api.services).drain()

    async def call(self, hz: float = 880.0) -> str:
        talk = np.concatenate([tone(3.5), silence(5.0)], axis=1)
        other = np.concatenate([silence(4.5), tone(4.0, hz)], axis=1)
        audio = io.BytesIO(encoded(np.concatenate([talk, other]), "flac", "flac"))
        answer = await self.client.post("/v1/calls", files={"audio": ("a.flac", audio)}, data={"deal_id": self.deal_id})
        assert answer.status_code == 202
        await self.settle()
        self.calls.append(answer.json()["id"])
        return self.calls[-1]

    async def imported(self, opened: datetime, stages: dict[str, int]) -> UUID:
        """A deal that was written with its past: stage → days after it opened."""
        deal_id = new_id()
        row = {
            "id": deal_id, "account_id": UUID(self.account_id), "name": "Old", "value_cents": 1, "currency": "BRL",
            "stage": list(stages)[-1], "products": [], "opened_at": opened,
        }  # fmt: skip
        days = {"prospecting": 0, **stages}
        changes = [
            {"deal_id": deal_id, "at": opened + timedelta(days=n), "field": "stage", "before": [None], "after": [stage]}
            for stage, n in days.items()
        ]
        async with self.api.services.db.tenant(self.tenant_id) as tx:
            await deals.add_many(tx, Deal, [row])
            await deals.add_many(tx, DealChange, changes)
        return deal_id

    async def rows(self, feature_set: str = "") -> list[FeatureRow]:
        async with self.api.services.db.tenant(self.tenant_id) as tx:
            query = select(FeatureRow).order_by(FeatureRow.id)
            if feature_set:
                query = query.where(FeatureRow.feature_set == feature_set)
            return list((await tx.session.execute(query)).scalars())

    async def events(self) -> dict[UUID, EventRow]:
        async with self.api.services.db.tenant(self.tenant_id) as tx:
            return {row.id: row for row in (await tx.session.execute(select(EventRow))).scalars()}
