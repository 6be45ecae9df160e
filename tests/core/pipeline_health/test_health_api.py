"""Health over HTTP and from events, on a real database."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any, get_args
from uuid import UUID

import pytest
from sqlalchemy import text

from core.automation.hosting import HEALTH
from core.deals import change as changing
from core.deals.rules import OPEN_STAGES, STAGES
from core.deals.schemas import ActivityIn, DealChangeIn, DealIn
from core.flows import REACTIONS
from core.kit.clock import VirtualClock
from core.kit.db import Tx
from core.kit.events import Event, EventType
from core.kit.relay import Relay
from core.kit.timers import Ticker
from core.pipeline_health import repository
from core.pipeline_health.keep import recomputed
from core.pipeline_health.repository import Dimension, Only
from tests.support import Api, Client, member, new_deal

FOLLOW = [reaction for reaction in REACTIONS if reaction.name.startswith("health.") or reaction.name == "timers.due"]


async def settle(api: Api) -> None:
    """All events reach the resident."""
    relay = Relay(api.services.db, FOLLOW, api.services)
    while await relay.drain():
        pass


async def tenant_of(client: Client) -> UUID:
    return UUID((await client.get("/v1/me")).json()["tenant_id"])


async def health(client: Client, query: str = "") -> dict[str, Any]:
    answer = await client.get(f"/v1/pipeline-health{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_after_any_history_the_sums_are_those_added_up_anew(
    api: Api, ana: Client, clock: VirtualClock, seed: int
) -> None:
    chance = random.Random(seed)
    me = (await ana.get("/v1/me")).json()
    tenant_id, user_id = UUID(me["tenant_id"]), UUID(me["id"])
    account = UUID((await ana.post("/v1/accounts", json={"name": "Horizonte"})).json()["id"])
    ids: list[UUID] = []
    for _ in range(5):
        for _ in range(10):
            clock.advance(timedelta(hours=chance.randint(1, 90)))
            async with api.services.db.tenant(tenant_id) as tx:
                await _something(tx, chance, account, user_id, ids)
        await settle(api)
        async with api.services.db.tenant(tenant_id) as tx:
            anew = await recomputed(tx, "America/Sao_Paulo")
            assert await repository.all_marks(tx) == anew
            for by in get_args(Dimension):
                told = repository.grouped(anew, by, Only(), date(2026, 1, 1))
                kept = await repository.groups(tx, by, Only(), date(2026, 1, 1))
                assert {group: sorted(cells) for group, cells in kept.items()} == {
                    group: sorted(cells) for group, cells in told.items()
                }
    assert len(ids) > 5


async def _something(tx: Tx, chance: random.Random, account: UUID, user_id: UUID, ids: list[UUID]) -> None:
    if not ids or chance.random() < 0.25:
        wanted = DealIn(
            account_id=account, name="CRM", value_cents=chance.randint(1, 10**7), stage=chance.choice(OPEN_STAGES),
            team=chance.choice(["North", "South", None]),
            opened_at=tx.clock.now() - timedelta(days=chance.randint(0, 60)),
        )  # fmt: skip
        ids.append((await changing.create(tx, wanted, currency="BRL", user_id=user_id)).id)
    elif chance.random() < 0.3:
        await changing.add_activity(tx, chance.choice(ids), ActivityIn(kind="email", direction="in"))
    else:
        day = tx.clock.today() + timedelta(days=chance.randint(-10, 60))
        change: dict[str, Any] = chance.choice(
            [
                {"stage": chance.choice(STAGES)}, {"value_cents": chance.randint(1, 10**7)},
                {"team": chance.choice(["North", None])}, {"expected_close_on": day}, {"owner_id": None},
            ]
        )  # fmt: skip
        await changing.change(tx, chance.choice(ids), DealChangeIn(**change), user_id=user_id)


async def test_before_the_first_event_came_it_is_added_up_for_the_answer(api: Api, ana: Client) -> None:
    await new_deal(ana, value_cents=7_000_00, stage="proposal")
    before = await health(ana)
    await settle(api)
    after = await health(ana)
    assert (before["kept"], after["kept"]) == (False, True)
    assert before["groups"] == after["groups"]
    [group] = after["groups"]
    assert (group["open_deals"], group["open_cents"], group["name"]) == (1, 7_000_00, "todos os negócios")


async def test_a_seller_sees_his_own_a_leader_the_teams(api: Api, ana: Client) -> None:
    leader = await member(api, ana, "LEADER", team="North", email="lea@example.com")
    seller = await member(api, ana, "REP", team="North", email="rep@example.com")
    seller_id = (await seller.get("/v1/me")).json()["id"]
    await new_deal(ana, value_cents=1_00, team="South")
    await new_deal(ana, value_cents=2_00, team="North")
    await new_deal(ana, value_cents=4_00, owner_id=seller_id)
    for kept in (False, True):
        seen = {}
        for who, client in (("all", ana), ("team", leader), ("own", seller)):
            found = await health(client)
            assert found["kept"] is kept
            seen[who] = sum(group["open_cents"] for group in found["groups"])
        assert seen == {"all": 7_00, "team": 6_00, "own": 4_00}
        await settle(api)
    by_seller = await health(seller, "?by=seller&language=en")
    assert [group["key"] for group in by_seller["groups"]] == [seller_id]


async def test_targets_are_set_and_covered_and_each_sees_his(api: Api, ana: Client, clock: VirtualClock) -> None:
    seller = await member(api, ana, "REP", team="North", email="rep@example.com")
    seller_id = (await seller.get("/v1/me")).json()["id"]
    due = (clock.today() + timedelta(days=10)).isoformat()
    await new_deal(ana, value_cents=600_00, owner_id=seller_id, expected_close_on=due)
    await settle(api)
    for by, key, cents in (("all", "", 300_00), ("seller", seller_id, 200_00)):
        body = {"by": by, "key": key, "currency": "BRL", "month": "2026-12", "value_cents": cents}
        assert (await ana.request("PUT", "/v1/pipeline-health/targets", json=body)).status_code == 200
        assert (await seller.request("PUT", "/v1/pipeline-health/targets", json=body)).status_code == 403
    assert [group["coverage"]["times"] for group in (await health(ana))["groups"]] == [2.0]
    assert [group["coverage"]["times"] for group in (await health(seller))["groups"]] == [3.0]
    seen = (await seller.get("/v1/pipeline-health/targets")).json()["targets"]
    assert [target["key"] for target in seen] == [seller_id]
    assert len((await ana.get("/v1/pipeline-health/targets")).json()["targets"]) == 2
    no_group = {"by": "team", "key": "", "currency": "BRL", "month": "2026-12", "value_cents": 1}
    assert (await ana.request("PUT", "/v1/pipeline-health/targets", json=no_group)).status_code == 422


async def test_days_are_put_down_and_managers_told_once_that_it_turned(
    api: Api, ana: Client, clock: VirtualClock
) -> None:
    for number in range(6):
        await new_deal(ana, name=f"Deal {number}", team="North")
    await settle(api)
    for _ in range(18):
        clock.advance(timedelta(days=1))
        await Ticker(api.services.db).fire_due()
        await settle(api)
    again = await api.post("/v1/login", json={"email": "ana@example.com", "password": Api.PASSWORD, "tenant": "acme"})
    ana = Client(api, again.json()["access_token"])
    points = (await ana.get("/v1/pipeline-health/history")).json()["points"]
    assert len(points) == 18
    assert [point["figures"]["stalled_share"] for point in points] == [0.0] * 14 + [1.0] * 4
    told = (await ana.get("/v1/notifications")).json()["items"]
    [turn] = [notice for notice in told if notice["kind"] == "health_turned"]
    assert "todos os negócios: 100 % do valor aberto está parado" in turn["text"]
    query = text("SELECT data->>'dimension', data->>'key', data->>'level' FROM events WHERE type = 'HEALTH_TURNED'")
    async with api.services.db.tenant(await tenant_of(ana)) as tx:
        said = sorted(tuple(row) for row in await tx.session.execute(query))
    assert said == [("all", "", "bad"), ("team", "North", "bad")]
    by_team = (await ana.get("/v1/pipeline-health/history?by=team&key=North")).json()
    assert (by_team["key"], len(by_team["points"])) == ("North", 18)


async def test_history_of_the_whole_is_a_sellers_own(api: Api, ana: Client, clock: VirtualClock) -> None:
    seller = await member(api, ana, "REP", email="rep@example.com")
    seller_id = (await seller.get("/v1/me")).json()["id"]
    await new_deal(ana, value_cents=1_00)
    await new_deal(ana, value_cents=2_00, owner_id=seller_id)
    await settle(api)
    clock.advance(timedelta(minutes=11))
    await Ticker(api.services.db).fire_due()
    await settle(api)
    for client, cents in ((ana, 3_00), (seller, 2_00)):
        [point] = (await client.get("/v1/pipeline-health/history")).json()["points"]
        assert point["figures"]["open_cents"] == cents
    assert (await seller.get("/v1/pipeline-health/history?by=region")).json()["points"] == []


async def test_another_time_zone_counts_all_anew(api: Api, ana: Client, clock: VirtualClock) -> None:
    tenant_id = await tenant_of(ana)
    deal = await new_deal(ana, opened_at="2026-11-01T01:00:00Z")
    await settle(api)
    answer = await ana.patch("/v1/tenant", json={"time_zone": "Europe/Lisbon"})
    assert answer.status_code == 200, answer.text
    assert not (await health(ana))["kept"]
    changed = Event(EventType.DEAL_CHANGED, tenant_id, UUID(deal["id"]), {"fields": ["name"]}, at=clock.now())
    await api.services.agents.handle(changed, HEALTH)
    async with api.services.db.tenant(tenant_id) as tx:
        assert await repository.all_marks(tx) == await recomputed(tx, "Europe/Lisbon")
    assert (await health(ana))["kept"]
