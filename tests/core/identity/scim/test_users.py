"""Users as the company's directory creates, changes and takes them away."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.identity.scim.directory import BIA, found, made, operations, patch, user
from tests.support import Api, Client, member, new_directory


@pytest.fixture
async def directory(api: Api, ana: Client) -> Client:
    return await new_directory(api, ana)


async def test_entra_looks_first_then_creates_then_switches_off(directory: Client) -> None:
    assert await found(directory, f'userName eq "{BIA}"') == []
    body = user(
        name={"givenName": "Bia", "familyName": "Souza"}, externalId="e-1", active=True, title="AE",
        emails=[{"primary": True, "type": "work", "value": BIA}],
        **{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Sales"}},
    )  # fmt: skip
    bia = await made(directory, body)
    assert (bia["displayName"], bia["roles"], bia["active"]) == ("Bia Souza", [{"value": "SDR"}], True)
    assert [one["id"] for one in await found(directory, f'userName eq "{BIA.upper()}"')] == [bia["id"]]
    off = {"op": "Replace", "path": "active", "value": "False"}
    address = {"op": "Add", "path": 'emails[type eq "work"].value', "value": "bia.souza@acme.example"}
    after = await patch(directory, bia, off, address, {"op": "Replace", "path": "name.familyName", "value": "Lima"})
    assert (after["active"], after["emails"][0]["value"]) == (False, "bia.souza@acme.example")
    assert (after["displayName"], after["userName"]) == ("Bia Lima", BIA)


async def test_okta_replaces_the_whole_and_patches_without_a_path(directory: Client) -> None:
    bia = await made(directory, user(displayName="Bia", externalId="00u1"))
    body = user(displayName="Bia Souza", active=True, externalId="00u1", id=bia["id"], meta={"resourceType": "User"})
    answer = await directory.request("PUT", f"/scim/v2/Users/{bia['id']}", json=body)
    assert (answer.status_code, answer.json()["displayName"]) == (200, "Bia Souza")
    after = await patch(directory, bia, {"op": "replace", "value": {"active": False, "displayName": "B."}})
    assert (after["active"], after["displayName"], after["externalId"]) == (False, "B.", "00u1")


async def test_who_is_switched_off_is_out_at_once(api: Api, ana: Client, directory: Client) -> None:
    rep = await member(api, ana, "REP", email=BIA)
    key = {"name": "k", "scopes": ["can_view_tenant"]}
    (bia,) = await found(directory, f'emails.value eq "{BIA}"')
    assert (await rep.get("/v1/me")).status_code == 200
    await patch(directory, bia, {"op": "replace", "path": "active", "value": False})
    assert (await rep.get("/v1/me")).status_code == 401
    assert (await rep.post("/v1/api-keys", json=key)).status_code == 401
    login = {"email": BIA, "password": api.PASSWORD}
    assert (await api.post("/v1/login", json=login)).status_code == 401
    await patch(directory, bia, {"op": "replace", "path": "active", "value": True})
    assert (await rep.get("/v1/me")).status_code == 401, "the old session does not come back"
    assert (await api.post("/v1/login", json=login)).status_code == 200


async def test_who_is_here_already_is_found_and_not_made_twice(api: Api, ana: Client, directory: Client) -> None:
    await member(api, ana, "REP", email=BIA)
    answer = await directory.post("/scim/v2/Users", json=user(BIA.upper()))
    assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness")
    (bia,) = await found(directory, f'userName eq "{BIA}"')
    after = await patch(directory, bia, {"op": "add", "path": "externalId", "value": "e-7"})
    assert (after["externalId"], after["roles"]) == ("e-7", [{"value": "REP"}])
    assert len(await found(directory, 'externalId eq "e-7"')) == 1


async def test_whom_the_directory_deletes_is_suspended_and_may_come_back(ana: Client, directory: Client) -> None:
    bia = await made(directory, user(displayName="Bia"))
    path = f"/scim/v2/Users/{bia['id']}"
    assert (await directory.request("DELETE", path)).status_code == 204
    assert (await directory.get(path)).status_code == 404
    assert (await directory.request("DELETE", path)).status_code == 404
    assert await found(directory, f'userName eq "{BIA}"') == []
    assert (await ana.get(f"/v1/users/{bia['id']}")).json()["is_active"] is False
    again = await made(directory, user(displayName="Bia S.", active=True))
    assert (again["id"], again["displayName"], again["active"]) == (bia["id"], "Bia S.", True)


async def test_the_last_administrator_stays(ana: Client, directory: Client) -> None:
    (admin,) = await found(directory, 'roles.value eq "ADMIN"')
    path = f"/scim/v2/Users/{admin['id']}"
    off = await directory.patch(path, json=operations({"op": "replace", "path": "active", "value": False}))
    assert (off.status_code, off.json()["status"]) == (409, "409")
    assert (await directory.request("DELETE", path)).status_code == 409
    assert (await ana.get("/v1/me")).status_code == 200


async def test_only_what_was_read_is_changed(directory: Client) -> None:
    bia = await made(directory, user(displayName="Bia"))
    path, change = f"/scim/v2/Users/{bia['id']}", operations({"op": "replace", "path": "displayName", "value": "B"})
    read = await directory.get(path)
    assert read.headers["etag"] == read.json()["meta"]["version"] == bia["meta"]["version"]
    unchanged = await directory.get(path, headers={"If-None-Match": read.headers["etag"]})
    assert unchanged.status_code == 304
    first = await directory.patch(path, json=change, headers={"If-Match": read.headers["etag"]})
    assert first.status_code == 200
    assert first.headers["etag"] != read.headers["etag"]
    late = await directory.patch(path, json=change, headers={"If-Match": read.headers["etag"]})
    assert (late.status_code, late.json()["status"]) == (412, "412")


async def test_lists_come_in_pages_and_show_what_is_asked_for(directory: Client) -> None:
    for number in range(5):
        await made(directory, user(f"u{number}@acme.example"))
    query: dict[str, Any] = {"startIndex": 2, "count": 3, "attributes": "userName"}
    page = (await directory.get("/scim/v2/Users", params=query)).json()
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (6, 2, 3)
    assert [set(one) for one in page["Resources"]] == [{"schemas", "id", "userName"}] * 3
    last = (await directory.get("/scim/v2/Users", params={"startIndex": 5, "count": 3})).json()
    assert [one["userName"] for one in last["Resources"]] == ["u3@acme.example", "u4@acme.example"]
    none = (await directory.get("/scim/v2/Users", params={"count": -3})).json()
    assert (none["totalResults"], none["Resources"]) == (6, [])
    search = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": 'userName sw "u"'}
    answer = await directory.post("/scim/v2/Users/.search", json={**search, "count": 2, "attributes": ["id"]})
    assert (answer.json()["totalResults"], len(answer.json()["Resources"])) == (5, 2)
    whole = (await directory.get(f"/scim/v2/Users/{last['Resources'][0]['id']}?excludedAttributes=emails,roles")).json()
    assert "emails" not in whole
    assert "displayName" in whole


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"schemas": ["urn:x:y"], "userName": BIA}, "invalidSyntax"),
        (user("no address"), "invalidValue"),
        (user(""), "invalidValue"),
        (user(emails=[{"value": "not an address"}]), "invalidValue"),
        (user(active="perhaps"), "invalidValue"),
        (user(displayName="x" * 201), "invalidValue"),
        ([], "invalidSyntax"),
        ("x", "invalidSyntax"),
    ],
)
async def test_a_wrong_user_is_refused_in_the_words_of_the_standard(directory: Client, body: Any, kind: str) -> None:
    answer = await directory.post("/scim/v2/Users", json=body)
    error = answer.json()
    assert (answer.status_code, error["status"], error["scimType"]) == (400, "400", kind)
    assert error["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert answer.headers["content-type"] == "application/scim+json"


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ({"op": "replace", "path": "nothing[", "value": 1}, "invalidPath"),
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
        ({"op": "remove", "path": "userName"}, "mutability"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "leap", "path": "active", "value": True}, "invalidValue"),
    ],
)
async def test_a_wrong_change_is_refused_and_changes_nothing(
    directory: Client, operation: dict[str, Any], kind: str
) -> None:
    bia = await made(directory, user(displayName="Bia"))
    good = {"op": "replace", "path": "displayName", "value": "Changed"}
    answer = await directory.patch(f"/scim/v2/Users/{bia['id']}", json=operations(good, operation))
    assert (answer.status_code, answer.json().get("scimType")) == (400, kind)
    assert (await directory.get(f"/scim/v2/Users/{bia['id']}")).json() == bia


async def test_what_the_directory_did_is_in_the_audit_without_what_is_personal(ana: Client, directory: Client) -> None:
    bia = await made(directory, user(name={"givenName": "Beatriz", "familyName": "Souza"}))
    await patch(directory, bia, {"op": "replace", "path": "active", "value": False})
    entries = (await ana.get("/v1/audit", params={"subject": f"user:{bia['id']}"})).json()["items"]
    assert [(one["action"], one["actor_kind"]) for one in entries] == [
        ("user.changed", "scim"), ("user.provisioned", "scim"),
    ]  # fmt: skip
    assert (entries[0]["before"], entries[0]["after"]) == ({"is_active": True}, {"is_active": False})
    assert not {"Beatriz", "Souza", BIA} & set(str(entries).replace("'", " ").split())
    (token,) = (await ana.get("/v1/scim/tokens")).json()["items"]
    assert entries[0]["actor_id"] == token["id"]
