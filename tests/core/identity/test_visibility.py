"""A seller sees his own, a leader the team's, a manager the tenant's: in lists, by id, and what hangs on a deal."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from core.kit.events import Event, EventType
from tests.support import Api, Client, member, new_deal


@dataclass(frozen=True)
class House:
    ana: Client
    rita: Client  # north
    raul: Client  # north
    sara: Client  # south
    leader: Client  # of north
    manager: Client
    deals: dict[str, str]  # whose → id

    def seen_by(self, name: str) -> set[str]:
        return {
            "rita": {"rita"}, "raul": {"raul"}, "sara": {"sara"}, "leader": {"rita", "raul", "leader"},
            "manager": set(self.deals), "ana": set(self.deals),
        }[name]  # fmt: skip


@pytest.fixture
async def house(api: Api, ana: Client) -> House:
    people = {
        "rita": await member(api, ana, "REP", team="north"),
        "raul": await member(api, ana, "SDR", team="north"),
        "sara": await member(api, ana, "REP", team="south"),
        "leader": await member(api, ana, "LEADER", team="north"),
        "manager": await member(api, ana, "MANAGER"),
    }
    deals = {name: (await new_deal(client))["id"] for name, client in people.items()}
    return House(ana, **people, deals=deals)


PEOPLE = ["ana", "rita", "raul", "sara", "leader", "manager"]


@pytest.mark.parametrize("name", PEOPLE)
async def test_a_list_holds_what_one_may_see(house: House, name: str) -> None:
    listed = {deal["id"] for deal in (await getattr(house, name).get("/v1/deals")).json()["items"]}
    assert listed == {house.deals[whose] for whose in house.seen_by(name)}


@pytest.mark.parametrize("name", PEOPLE)
async def test_by_id_the_others_are_not_there(house: House, name: str) -> None:
    for whose, deal_id in house.deals.items():
        wanted = 200 if whose in house.seen_by(name) else 404
        client: Client = getattr(house, name)
        for path in ("", "/history", "/activities"):
            assert (await client.get(f"/v1/deals/{deal_id}{path}")).status_code == wanted, (whose, path)
        assert (await client.patch(f"/v1/deals/{deal_id}", json={"name": "Mine"})).status_code == wanted


async def test_what_hangs_on_a_deal_is_seen_with_it(api: Api, house: House) -> None:
    for whose, deal_id in house.deals.items():
        answer = await house.ana.post(f"/v1/deals/{deal_id}/forecast")
        assert answer.status_code == 201, whose
    for name in ("rita", "raul", "sara", "leader", "manager"):
        client: Client = getattr(house, name)
        listed = {row["deal_id"] for row in (await client.get("/v1/forecasts")).json()["items"]}
        assert listed == {house.deals[whose] for whose in house.seen_by(name)}
    assert (await house.rita.get(f"/v1/deals/{house.deals['raul']}/forecast")).status_code == 404


async def test_a_deal_given_to_the_team_is_seen_by_its_leader(house: House) -> None:
    orphan = await new_deal(house.ana, team="north")
    assert (await house.leader.get(f"/v1/deals/{orphan['id']}")).status_code == 200
    assert (await house.rita.get(f"/v1/deals/{orphan['id']}")).status_code == 404


async def test_a_seller_gives_nothing_away_that_he_would_not_see(house: House, api: Api) -> None:
    raul = (await house.raul.get("/v1/me")).json()["id"]
    answer = await house.rita.patch(f"/v1/deals/{house.deals['rita']}", json={"owner_id": raul})
    assert answer.status_code == 403
    assert (await house.rita.get(f"/v1/deals/{house.deals['rita']}")).json()["owner_id"] != raul
    handed = await house.leader.patch(f"/v1/deals/{house.deals['rita']}", json={"owner_id": raul})
    assert handed.status_code == 200
    assert (await house.rita.get(f"/v1/deals/{house.deals['rita']}")).status_code == 404


async def test_the_machinery_sees_the_whole_tenant(api: Api, house: House) -> None:
    from uuid import UUID

    from core.deals import repository as deals

    tenant_id = UUID((await house.ana.get("/v1/me")).json()["tenant_id"])
    async with api.services.db.tenant(tenant_id) as tx:
        assert len(await deals.open_deals(tx)) == len(house.deals)
        await tx.emit(Event(EventType.DEAL_CHANGED, tenant_id, UUID(house.deals["sara"]), {"fields": ["stage"]}))


async def test_a_role_that_was_taken_away_counts_at_once(api: Api, house: House) -> None:
    from uuid import UUID

    from sqlalchemy import update

    from core.tenants.model import User

    me = (await house.manager.get("/v1/me")).json()
    async with api.services.db.tenant(UUID(me["tenant_id"])) as tx:
        await tx.session.execute(update(User).where(User.id == UUID(me["id"])).values(roles=["REP"]))
    listed = (await house.manager.get("/v1/deals")).json()["items"]
    assert [deal["id"] for deal in listed] == [house.deals["manager"]]
    assert (await house.manager.post("/v1/competitors", json={"name": "X"})).status_code == 403
