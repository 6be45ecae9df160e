"""What somebody tries who holds a directory's token, or wants one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.kit.clock import VirtualClock
from tests.core.identity.scim.directory import BIA, found, group, made, operations, user
from tests.support import Api, Client, member, new_directory, sign_up


@pytest.fixture
async def directory(api: Api, ana: Client) -> Client:
    return await new_directory(api, ana)


async def test_a_directory_knows_nobody_of_another_tenant(api: Api, ana: Client, directory: Client) -> None:
    """The same address may be a user of both; neither side learns of it."""
    eve = Client(api, (await sign_up(api, "evil", "eve@evil.example"))["access_token"])
    theirs = await new_directory(api, eve)
    bia, north = await made(directory, user()), await made(directory, group("North"))
    assert await found(theirs, f'userName eq "{BIA}"') == []
    assert (await made(theirs, user()))["id"] != bia["id"]
    smuggled = await theirs.post("/scim/v2/Groups", json=group("North", bia["id"]))
    assert (smuggled.status_code, smuggled.json()["scimType"]) == (400, "invalidValue")
    for path in (f"Users/{bia['id']}", f"Groups/{north['id']}"):
        for method in ("GET", "DELETE"):
            assert (await theirs.request(method, f"/scim/v2/{path}")).status_code == 404
    off = operations({"op": "replace", "path": "active", "value": False})
    assert (await theirs.patch(f"/scim/v2/Users/{bia['id']}", json=off)).status_code == 404
    assert (await directory.get(f"/scim/v2/Users/{bia['id']}")).json()["active"] is True


async def test_a_stolen_directory_token_opens_nothing_else(api: Api, directory: Client) -> None:
    for path in ("/v1/me", "/v1/users", "/v1/deals", "/v1/audit", "/v1/scim/tokens", "/v1/sso/settings"):
        assert (await directory.get(path)).status_code == 403, path
    assert (await directory.post("/v1/scim/tokens", json={"name": "another"})).status_code == 403


async def test_a_deleted_directory_token_is_worthless_at_once(ana: Client, directory: Client) -> None:
    (token,) = (await ana.get("/v1/scim/tokens")).json()["items"]
    assert (await directory.get("/scim/v2/Users")).status_code == 200
    assert "token" not in token
    assert (await ana.request("DELETE", f"/v1/scim/tokens/{token['id']}")).status_code == 204
    answer = await directory.get("/scim/v2/Users")
    assert (answer.status_code, answer.json()["status"], answer.headers["www-authenticate"]) == (401, "401", "Bearer")


async def test_a_forged_directory_token_is_refused(api: Api, directory: Client) -> None:
    head, _, secret = directory.token.rpartition("_")
    other = head[:-1] + ("0" if head[-1] != "0" else "1")
    cut, turned, strange = f"{head}_{secret[:-2]}", f"{other}_{secret}", f"sek{head[4:]}_{secret}"
    for forged in (cut, turned, strange, f"{head}_", head, "scim_", "scim_zz_x"):
        assert (await api.get("/scim/v2/Users", token=forged)).status_code == 401, forged


async def test_nobody_makes_a_token_without_fresh_proof_or_below_administrator(
    api: Api, ana: Client, clock: VirtualClock
) -> None:
    manager = await member(api, ana, "MANAGER")
    assert (await manager.post("/v1/scim/tokens", json={"name": "x"})).status_code == 403
    clock.advance(timedelta(minutes=11))
    stale = await ana.post("/v1/scim/tokens", json={"name": "x"})
    assert (stale.status_code, stale.json()["errorType"]) == (403, "ReauthenticationNeeded")


async def test_a_persons_token_is_no_directory(ana: Client) -> None:
    assert (await ana.get("/scim/v2/Users")).status_code == 403


SMUGGLED: dict[str, Any] = {
    "roles": [{"value": "SUPER_ADMIN"}], "groups": [{"value": "x", "display": "Admins"}], "password": "letmein now 1",
    "password_hash": "x", "tenant_id": "01a2", "id": "01a21104-054a-7097-b838-c79bee9b7d70", "is_sso": False,
    "meta": {"resourceType": "Group", "location": "https://evil.example"}, "entitlements": [{"value": "all"}],
}  # fmt: skip


@pytest.mark.parametrize("field", sorted(SMUGGLED))
async def test_mass_assignment_by_the_directory_gives_nothing(api: Api, directory: Client, field: str) -> None:
    """It may send attributes that nobody keeps, as the standard has it: they change nothing."""
    answer = await directory.post("/scim/v2/Users", json=user(displayName="Bia", **{field: SMUGGLED[field]}))
    assert answer.status_code == 201, answer.text
    bia = answer.json()
    assert (bia["roles"], bia.get("groups")) == ([{"value": "SDR"}], None)
    assert "evil" not in str(bia)
    assert bia["id"] != SMUGGLED["id"]
    await directory.request("PUT", f"/scim/v2/Users/{bia['id']}", json=user(**{field: SMUGGLED[field]}))
    change = operations({"op": "add", "value": {field: SMUGGLED[field]}})
    assert (await directory.patch(f"/scim/v2/Users/{bia['id']}", json=change)).status_code in (200, 400)
    assert (await directory.get(f"/scim/v2/Users/{bia['id']}")).json()["roles"] == [{"value": "SDR"}]
    login = {"email": BIA, "password": SMUGGLED["password"]}
    assert (await api.post("/v1/login", json=login)).status_code == 401


async def test_the_directory_takes_over_nobody_who_stands_above_it(api: Api, ana: Client, directory: Client) -> None:
    """A new address would let its holder set a new password."""
    await member(api, ana, "ADMIN", email="adm@acme.example")
    await member(api, ana, "SUPER_ADMIN", email="root@acme.example")
    address = operations({"op": "replace", "path": 'emails[type eq "work"].value', "value": "eve@evil.example"})
    off = operations({"op": "replace", "path": "active", "value": False})
    (adm,) = await found(directory, 'userName eq "adm@acme.example"')
    (root,) = await found(directory, 'userName eq "root@acme.example"')
    for resource, change in ((adm, address), (root, address), (root, off)):
        answer = await directory.patch(f"/scim/v2/Users/{resource['id']}", json=change)
        assert (answer.status_code, answer.json()["status"]) == (403, "403")
    assert (await directory.patch(f"/scim/v2/Users/{adm['id']}", json=off)).status_code == 200, "one is left"


async def test_a_changed_address_ends_the_sessions_of_its_user(api: Api, ana: Client, directory: Client) -> None:
    rep = await member(api, ana, "REP", email=BIA)
    (bia,) = await found(directory, f'userName eq "{BIA}"')
    change = operations({"op": "replace", "path": "emails", "value": [{"value": "new@acme.example"}]})
    assert (await directory.patch(f"/scim/v2/Users/{bia['id']}", json=change)).status_code == 200
    assert (await rep.get("/v1/me")).status_code == 401


async def test_no_group_gives_what_no_group_may_give(api: Api, ana: Client) -> None:
    for role in ("SUPER_ADMIN", "SYSTEM"):
        answer = await ana.request("PUT", "/v1/sso/settings", json={"group_roles": {"Everybody": role}})
        assert answer.status_code == 403


INJECTIONS = ("' OR '1'='1", "'; DROP TABLE users; --", "%", "_", "\\", '\\" or active eq true or userName eq \\"')


@pytest.mark.parametrize("text", INJECTIONS)
async def test_sql_through_a_filter_is_only_text(directory: Client, text: str) -> None:
    await made(directory, user())
    quoted = text if text.startswith('\\"') else text.replace("\\", "\\\\")
    for attribute in ("userName", "displayName", "externalId", "id", "emails.value", "groups.value", "roles.value"):
        assert await found(directory, f'{attribute} eq "{quoted}"') == [], attribute
    for attribute in ("displayName", "members.value"):
        assert await found(directory, f'{attribute} eq "{quoted}"', "Groups") == [], attribute
    assert len(await found(directory, f'userName eq "{BIA}"')) == 1, "nothing was dropped"
    nul = await directory.get("/scim/v2/Users", params={"filter": 'userName eq "a\u0000b"'})
    assert nul.status_code == 400


async def test_two_of_one_name_at_once_are_one(directory: Client) -> None:
    answers = await asyncio.gather(*(directory.post("/scim/v2/Users", json=user()) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert len(await found(directory, f'userName eq "{BIA}"')) == 1
