"""Teams and regions as a whole: seen by everybody as far as he sees, renamed by an administrator."""

from __future__ import annotations

import pytest

from tests.core.identity.scim.directory import group, made
from tests.support import Api, Client, member, new_deal, new_directory, sign_up


async def test_teams_are_listed_with_their_people_and_deals(api: Api, ana: Client) -> None:
    rep = await member(api, ana, "REP", team="North")
    await member(api, ana, "REP", team="South")
    mine = await new_deal(rep, team="North", region="Sul")
    await new_deal(ana, team="North")
    await ana.patch(f"/v1/deals/{mine['id']}", json={"stage": "closed_won"})
    assert (await ana.get("/v1/teams")).json() == [
        {"name": "North", "people": 1, "deals": 2, "open_deals": 1, "provisioned": False},
        {"name": "South", "people": 1, "deals": 0, "open_deals": 0, "provisioned": False},
    ]
    assert [(one["name"], one["deals"]) for one in (await rep.get("/v1/teams")).json()] == [("North", 1), ("South", 0)]
    assert [one["name"] for one in (await ana.get("/v1/regions")).json()] == ["Sul"]


async def test_a_team_is_renamed_wherever_it_stands(api: Api, ana: Client) -> None:
    leader = await member(api, ana, "LEADER", team="North")
    deal = await new_deal(ana, team="South")
    await ana.patch(f"/v1/deals/{deal['id']}", json={"team": "North"})
    await ana.post("/v1/invitations", json={"email": "new@acme.example", "roles": ["REP"], "team": "North"})
    answer = await ana.post("/v1/teams/rename", json={"old": "North", "new": "Far North"})
    assert answer.json() == {"people": 1, "invitations": 1, "deals": 1, "accounts": 0, "calls": 0}
    assert (await leader.get(f"/v1/deals/{deal['id']}")).json()["team"] == "Far North", "his team's still"
    change = (await ana.get(f"/v1/deals/{deal['id']}/history")).json()[-1]
    assert (change["field"], change["before"], change["after"]) == ("team", "South", "Far North")
    entry = (await ana.get("/v1/audit", params={"action": "team.renamed"})).json()["items"][0]
    assert (entry["before"], entry["after"]) == ({"team": "North"}, {"team": "Far North"})


async def test_two_regions_become_one_only_where_that_is_meant(ana: Client) -> None:
    await new_deal(ana, region="Sul")
    await new_deal(ana, region="South")
    body = {"old": "South", "new": "Sul"}
    assert (await ana.post("/v1/regions/rename", json=body)).status_code == 409
    assert (await ana.post("/v1/regions/rename", json={**body, "merge": True})).json()["deals"] == 1
    assert [(one["name"], one["deals"]) for one in (await ana.get("/v1/regions")).json()] == [("Sul", 2)]
    assert (await ana.post("/v1/regions/rename", json=body)).status_code == 404


async def test_a_team_of_the_directory_is_renamed_there(api: Api, ana: Client) -> None:
    directory = await new_directory(api, ana)
    await made(directory, group("North"))
    await new_deal(ana, team="North")
    answer = await ana.post("/v1/teams/rename", json={"old": "North", "new": "South"})
    assert (answer.status_code, "directory" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize("path", ["/v1/teams/rename", "/v1/regions/rename"])
async def test_nobody_else_renames_and_no_other_tenant_is_touched(api: Api, ana: Client, path: str) -> None:
    eve = Client(api, (await sign_up(api, "evil", "eve@evil.example"))["access_token"])
    await new_deal(eve, team="North", region="North")
    await new_deal(ana, team="North", region="North")
    manager = await member(api, ana, "MANAGER")
    body = {"old": "North", "new": "South"}
    assert (await manager.post(path, json=body)).status_code == 403
    assert (await ana.post(path, json=body)).status_code == 200
    theirs = (await eve.get("/v1/deals")).json()["items"][0]
    assert (theirs["team"], theirs["region"]) == ("North", "North")
