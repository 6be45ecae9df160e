"""What the directory's groups make of people: a team, or roles where the tenant says so."""

from __future__ import annotations

import pytest

from tests.core.identity.scim.directory import BIA, found, group, made, patch, user
from tests.support import Api, Client, new_directory


@pytest.fixture
async def directory(api: Api, ana: Client) -> Client:
    return await new_directory(api, ana)


async def say(ana: Client, **group_roles: str) -> None:
    body = {"group_roles": {name.replace("_", " "): role for name, role in group_roles.items()}}
    assert (await ana.request("PUT", "/v1/sso/settings", json=body)).status_code == 200


async def standing(ana: Client, resource: dict[str, str]) -> tuple[list[str], str | None]:
    shown = (await ana.get(f"/v1/users/{resource['id']}")).json()
    return shown["roles"], shown["team"]


async def test_a_group_is_a_team_unless_the_settings_make_it_a_role(ana: Client, directory: Client) -> None:
    await say(ana, Sales_leads="LEADER")
    bia = await made(directory, user())
    await made(directory, group("North", bia["id"]))
    leads = await made(directory, group("Sales leads", bia["id"]))
    assert await standing(ana, bia) == (["SDR", "LEADER"], "North")
    shown = (await directory.get(f"/scim/v2/Users/{bia['id']}")).json()
    assert [one["display"] for one in shown["groups"]] == ["North", "Sales leads"]
    assert shown["groups"][0]["$ref"].endswith(shown["groups"][0]["value"])
    await patch(directory, leads, {"op": "remove", "path": f'members[value eq "{bia["id"]}"]'})
    assert await standing(ana, bia) == (["SDR"], "North")


async def test_entra_takes_members_away_by_value(ana: Client, directory: Client) -> None:
    bia, leo = await made(directory, user()), await made(directory, user("leo@acme.example"))
    north = await made(directory, group("North", bia["id"], leo["id"]))
    after = await patch(directory, north, {"op": "Remove", "path": "members", "value": [{"value": bia["id"]}]})
    assert [one["value"] for one in after["members"]] == [leo["id"]]
    assert [(await standing(ana, one))[1] for one in (bia, leo)] == [None, "North"]


async def test_a_team_is_renamed_and_dissolved_with_its_group(ana: Client, directory: Client) -> None:
    bia = await made(directory, user())
    north = await made(directory, group("North", bia["id"]))
    await patch(directory, north, {"op": "replace", "value": {"id": north["id"], "displayName": "Far North"}})
    assert await standing(ana, bia) == (["SDR"], "Far North")
    assert (await directory.request("DELETE", f"/scim/v2/Groups/{north['id']}")).status_code == 204
    assert await standing(ana, bia) == (["SDR"], None)


async def test_a_team_that_a_person_gave_stays_where_groups_name_none(ana: Client, directory: Client) -> None:
    bia = await made(directory, user())
    await ana.patch(f"/v1/users/{bia['id']}", json={"team": "Partners", "roles": ["REP"]})
    await say(ana, Leads="LEADER")
    leads = await made(directory, group("Leads", bia["id"]))
    assert await standing(ana, bia) == (["REP", "LEADER"], "Partners")
    await directory.request("DELETE", f"/scim/v2/Groups/{leads['id']}")
    assert await standing(ana, bia) == (["REP"], "Partners")


async def test_settings_that_change_count_for_who_is_in_already(ana: Client, directory: Client) -> None:
    bia = await made(directory, user())
    await made(directory, group("Leads", bia["id"]))
    assert await standing(ana, bia) == (["SDR"], "Leads")
    await say(ana, Leads="MANAGER")
    assert await standing(ana, bia) == (["SDR", "MANAGER"], None)
    await say(ana, Leads="LEADER")
    assert await standing(ana, bia) == (["SDR", "LEADER"], None)
    await say(ana)
    assert await standing(ana, bia) == (["SDR"], "Leads")


async def test_who_is_deleted_leaves_his_groups_and_their_roles(ana: Client, directory: Client) -> None:
    await say(ana, Admins="ADMIN")
    bia = await made(directory, user())
    await made(directory, group("Admins", bia["id"]))
    assert (await standing(ana, bia))[0] == ["SDR", "ADMIN"]
    await directory.request("DELETE", f"/scim/v2/Users/{bia['id']}")
    back = await made(directory, user())
    assert (back["id"], back["roles"]) == (bia["id"], [{"value": "SDR"}])


async def test_a_group_that_empties_leaves_the_last_administrator(ana: Client, directory: Client) -> None:
    await say(ana, Admins="ADMIN")
    (admin,) = await found(directory, 'roles.value eq "ADMIN"')
    admins = await made(directory, group("Admins", admin["id"]))
    await patch(directory, admins, {"op": "replace", "path": "members", "value": []})
    assert "ADMIN" in (await ana.get("/v1/me")).json()["roles"]


async def test_groups_are_found_by_name_and_by_member(directory: Client) -> None:
    bia = await made(directory, user())
    north, south = await made(directory, group("North", bia["id"])), await made(directory, group("South"))
    twice = await directory.post("/scim/v2/Groups", json=group("NORTH"))
    assert (twice.status_code, twice.json()["scimType"]) == (409, "uniqueness")
    for text, expected in (
        ('displayName eq "north"', [north]),
        (f'members[value eq "{bia["id"]}"]', [north]),
        (f'id eq "{south["id"]}" and members eq "{bia["id"]}"', []),
        ("not (members pr)", [south]),
        ('displayName co "th"', [north, south]),
    ):
        assert [one["id"] for one in await found(directory, text, "Groups")] == [one["id"] for one in expected], text
    slim = (await directory.get("/scim/v2/Groups", params={"excludedAttributes": "members"})).json()["Resources"]
    assert all("members" not in one for one in slim)
    assert [one["userName"] for one in await found(directory, f'groups.value eq "{north["id"]}"')] == [BIA]
