"""What happens to deals and calls is in the store, with when, why and by what; a repeated event adds nothing."""

from __future__ import annotations

import io
from datetime import timedelta
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import select

from core.datascience.features import definitions
from core.datascience.features.model import FeatureRow
from core.deals import repository as deals
from core.flows import REACTIONS, remember_deal
from core.forecasting import remember
from core.forecasting.features import build
from core.forecasting.history import history
from core.kit.clock import VirtualClock
from core.kit.events import Event, EventType
from core.kit.outbox import EventRow
from core.kit.relay import Relay
from tests.conftest import NOW
from tests.fakes.speech import encoded, silence, tone
from tests.support import Api, Client

STEP = timedelta(minutes=5)


class Pipeline:
    """One tenant's deal, and its features."""

    def __init__(self, api: Api, client: Client, clock: VirtualClock) -> None:
        self.api, self.client, self.clock = api, client, clock
        self.tenant_id, self.deal_id, self.contact_id = UUID(int=0), "", ""

    async def begin(self) -> None:
        self.tenant_id = UUID((await self.client.get("/v1/me")).json()["tenant_id"])
        made = await self.client.post("/v1/accounts", json={"name": "Acme", "segment": "smb", "region": "south"})
        account = made.json()["id"]
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
        return str(answer.json()["id"])

    async def rows(self, feature_set: str = "") -> list[FeatureRow]:
        async with self.api.services.db.tenant(self.tenant_id) as tx:
            query = select(FeatureRow).order_by(FeatureRow.id)
            if feature_set:
                query = query.where(FeatureRow.feature_set == feature_set)
            return list((await tx.session.execute(query)).scalars())

    async def events(self) -> dict[UUID, EventRow]:
        async with self.api.services.db.tenant(self.tenant_id) as tx:
            return {row.id: row for row in (await tx.session.execute(select(EventRow))).scalars()}


@pytest.fixture
async def pipeline(api: Api, ana: Client, clock: VirtualClock) -> Pipeline:
    made = Pipeline(api, ana, clock)
    await made.begin()
    return made


async def test_each_definition_is_computed_by_something(pipeline: Pipeline, clock: VirtualClock) -> None:
    await pipeline.call()
    clock.advance(STEP)
    url = f"/v1/deals/{pipeline.deal_id}"
    await pipeline.client.post(f"{url}/activities", json={"kind": "email", "direction": "in"})
    await pipeline.call(660.0)
    await pipeline.client.patch(url, json={"stage": "closed_won", "expected_close_on": "2027-01-10"})
    await pipeline.settle()
    rows = await pipeline.rows()
    known = {(r.feature_set, name) for r in rows for name, value in r.values.items() if value is not None}
    # The fake's words come without a pause, and nobody answers anybody: those are counted in test_behaviour.
    never = {("call_behaviour", name) for name in ("seller_mean_pause_s", "customer_mean_pause_s", "patience_s")}
    assert {(one.name, name) for one in definitions.ALL for name in one.names} - known == never


async def test_a_row_says_when_it_was_so_when_it_was_written_and_what_it_follows_from(pipeline: Pipeline) -> None:
    pipeline.clock.advance(STEP)
    await pipeline.settle()
    [row] = await pipeline.rows("deal")
    event = (await pipeline.events())[row.cause or UUID(int=0)]
    assert (event.type, event.subject) == ("DEAL_CREATED", UUID(pipeline.deal_id))
    assert (row.event_at, row.written_at, row.known_at) == (NOW, NOW + STEP, NOW + STEP)
    assert (row.cause_type, row.module, row.version) == ("DEAL_CREATED", "core.forecasting.features", 1)
    assert row.values["days_open"] == 0.0, "as it was, and not as it is when it is written"
    assert row.values["source_inbound"] == 1.0


async def test_values_are_those_that_the_one_pure_function_builds(pipeline: Pipeline, clock: VirtualClock) -> None:
    await pipeline.settle()
    clock.advance(STEP)
    await pipeline.client.patch(f"/v1/deals/{pipeline.deal_id}", json={"stage": "proposal"})
    await pipeline.settle()
    rows = await pipeline.rows("deal")
    async with pipeline.api.services.db.tenant(pipeline.tenant_id) as tx:
        past = history(await deals.story(tx, UUID(pipeline.deal_id)))
    assert [row.values for row in rows] == [build(past, NOW), build(past, NOW + STEP)]


async def test_a_repeated_event_adds_nothing(pipeline: Pipeline) -> None:
    await pipeline.settle()
    before = await pipeline.rows()
    services = pipeline.api.services
    for row in (await pipeline.events()).values():
        if row.type == "DEAL_CREATED":
            event = Event(EventType.DEAL_CREATED, row.tenant_id, row.subject, id=row.id, at=row.at)
            async with services.db.tenant(pipeline.tenant_id) as tx:
                await remember_deal(event, tx, services)
    assert [row.id for row in await pipeline.rows()] == [row.id for row in before]


async def test_sums_of_account_and_seller_follow_each_deal(pipeline: Pipeline, clock: VirtualClock) -> None:
    await pipeline.settle()
    clock.advance(STEP)
    await pipeline.client.patch(f"/v1/deals/{pipeline.deal_id}", json={"stage": "closed_won"})
    await pipeline.settle()
    for name in ("account", "seller"):
        told = [
            (r.values["deals_open"], r.values["deals_won"], r.values["win_share"]) for r in await pipeline.rows(name)
        ]
        assert told == [(1, 0, None), (0, 1, 1.0)]
    [*_, contact] = await pipeline.rows("contact")
    assert (contact.entity_id, contact.values["language"]) == (UUID(pipeline.contact_id), "en")


async def test_what_was_written_down_later_is_not_in_the_past(pipeline: Pipeline, clock: VirtualClock) -> None:
    """An activity that happened before a moment and was noted after it was not known then."""
    then = NOW + STEP
    url = f"/v1/deals/{pipeline.deal_id}"
    clock.advance(2 * STEP)
    early = {"kind": "meeting", "direction": "in", "at": (NOW + STEP / 2).isoformat()}
    assert (await pipeline.client.post(f"{url}/activities", json=early)).status_code == 201
    await pipeline.client.patch(url, json={"segment": "enterprise", "value_cents": 1, "owner_id": None})
    async with pipeline.api.services.db.tenant(pipeline.tenant_id) as tx:
        told = {
            row.feature_set.name: row.values
            for row in await remember.of_deal(tx, UUID(pipeline.deal_id), then, None, "BATCH")
        }
    assert (told["deal"]["meetings"], told["deal"]["segment_smb"], told["contact"]["touches"]) == (0.0, 1.0, 0)
    assert told["deal"]["log_value"] == pytest.approx(np.log1p(50_000))
    assert told["seller"]["deals_open"] == 1
