"""What identity providers send, in short."""

from __future__ import annotations

from typing import Any

from tests.support import Client

CORE = "urn:ietf:params:scim:schemas:core:2.0:"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BIA = "bia@acme.example"


def user(user_name: str = BIA, **fields: Any) -> dict[str, Any]:
    return {"schemas": [CORE + "User"], "userName": user_name, **fields}


def group(name: str, *members: str) -> dict[str, Any]:
    return {"schemas": [CORE + "Group"], "displayName": name, "members": [{"value": one} for one in members]}


def operations(*of: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": list(of)}


async def made(directory: Client, body: dict[str, Any]) -> dict[str, Any]:
    kind = body["schemas"][0].rpartition(":")[2]
    answer = await directory.post(f"/scim/v2/{kind}s", json=body)
    assert answer.status_code == 201, answer.text
    resource: dict[str, Any] = answer.json()
    return resource


async def patch(directory: Client, resource: dict[str, Any], *of: dict[str, Any]) -> dict[str, Any]:
    path = f"/scim/v2/{resource['meta']['resourceType']}s/{resource['id']}"
    answer = await directory.patch(path, json=operations(*of))
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()
    return changed


async def found(directory: Client, filter_: str, kind: str = "Users") -> list[dict[str, Any]]:
    answer = await directory.get(f"/scim/v2/{kind}", params={"filter": filter_})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["Resources"]
    return items
