"""API keys through their life, and what somebody tries who has got hold of one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from core.kit.clock import VirtualClock
from core.kit.errors import Unauthenticated
from tests.support import Api, Client, member, new_deal, sign_up


async def made(client: Client, *scopes: str, **fields: Any) -> dict[str, Any]:
    body = {"name": "CRM", "scopes": list(scopes or ["can_view_deals"]), **fields}
    answer = await client.post("/v1/api-keys", json=body)
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


async def status(api: Api, key: str, path: str = "/v1/deals") -> int:
    return (await api.get(path, token=key)).status_code


async def test_a_key_does_what_it_was_made_for_and_nothing_else(api: Api, ana: Client) -> None:
    deal = await new_deal(ana)
    machine = Client(api, (await made(ana, "can_view_deals", "can_view_all"))["key"])
    assert [item["id"] for item in (await machine.get("/v1/deals")).json()["items"]] == [deal["id"]]
    assert (await machine.get("/v1/calls")).status_code == 403
    assert (await machine.patch(f"/v1/deals/{deal['id']}", json={"name": "X"})).status_code == 403
    assert (await machine.post("/v1/logout")).status_code in (403, 409)


async def test_a_stolen_api_key_is_worthless_after_rotation(api: Api, ana: Client) -> None:
    old = await made(ana)
    assert await status(api, old["key"]) == 200
    new = (await ana.post(f"/v1/api-keys/{old['id']}/rotate")).json()
    assert new["id"] == old["id"]
    assert (await status(api, old["key"]), await status(api, new["key"])) == (401, 200)


async def test_a_deleted_or_expired_key_opens_nothing(api: Api, ana: Client, clock: VirtualClock) -> None:
    deleted = await made(ana)
    assert (await ana.request("DELETE", f"/v1/api-keys/{deleted['id']}")).status_code == 204
    assert await status(api, deleted["key"]) == 401
    ends = (clock.now() + timedelta(minutes=1)).isoformat()
    passing = await made(ana, expires_at=ends)
    assert await status(api, passing["key"]) == 200
    clock.advance(timedelta(minutes=1))
    assert await status(api, passing["key"]) == 401


async def test_a_key_can_never_do_more_than_its_maker_at_this_moment(api: Api, ana: Client) -> None:
    admin = await member(api, ana, "ADMIN")
    assert (await admin.post("/v1/api-keys", json={"name": "X", "scopes": ["can_train"]})).status_code == 403
    key = (await made(admin))["key"]
    assert await status(api, key) == 200
    maker = (await admin.get("/v1/me")).json()
    for change, then in (("roles = '{GUEST}'", 403), ("is_active = false", 401)):
        async with api.services.db.tenant(UUID(maker["tenant_id"])) as tx:
            await tx.session.execute(text(f"UPDATE users SET {change} WHERE id = :id"), {"id": maker["id"]})
        assert await status(api, key) == then


async def test_a_key_makes_no_keys_and_ends_no_sessions(api: Api, ana: Client) -> None:
    machine = Client(api, (await made(ana, "can_manage_keys", "can_view_tenant", "can_manage_tenant"))["key"])
    assert (await machine.get("/v1/api-keys")).status_code == 200
    for path in ("/v1/api-keys", "/v1/me/second-factor", "/v1/logout-everywhere"):
        answer = await machine.post(path, json={"name": "X", "scopes": ["can_view_tenant"]})
        assert (answer.status_code, answer.json()["errorType"]) == (403, "ReauthenticationNeeded"), path


async def test_a_key_is_shown_once_and_stored_nowhere(api: Api, ana: Client) -> None:
    key = (await made(ana))["key"]
    listed = (await ana.get("/v1/api-keys")).json()["items"][0]
    secret = key.rpartition("_")[2]
    assert key.startswith(listed["prefix"])
    assert secret not in str(listed)
    kept = await ana.post(
        "/v1/api-keys", json={"name": "X", "scopes": ["can_view_deals"]}, headers={"Idempotency-Key": "k"}
    )
    assert kept.status_code == 400, "an answer that is kept for a repeat would hold the key"
    async with api.services.db.tenant(api.services.tokens.check(ana.token).tenant_id) as tx:
        for table in ("api_keys", "audit_entries", "events", "idempotency_keys"):
            rows = (await tx.session.execute(text(f"SELECT t::text FROM {table} t"))).scalars()
            assert not [row for row in rows if secret in row], table


async def test_when_a_key_was_used_last_is_noted(api: Api, ana: Client, clock: VirtualClock) -> None:
    key = (await made(ana))["key"]
    assert (await ana.get("/v1/api-keys")).json()["items"][0]["last_used_at"] is None
    await status(api, key, "/v1/calls")
    assert (await ana.get("/v1/api-keys")).json()["items"][0]["last_used_at"] is not None, "also where it was refused"


@pytest.mark.parametrize("change", ["other tenant", "cut", "no secret", "noise", "empty"])
async def test_a_forged_key_opens_nothing(api: Api, ana: Client, change: str) -> None:
    key = (await made(ana))["key"]
    other = (await sign_up(api, "rival", "eve@example.com"))["tenant_id"]
    named, _, secret = key.removeprefix("sek_").partition("_")
    forged = {
        "other tenant": f"sek_{named[:32]}{UUID(other).hex}_{secret}", "cut": key[:-1], "no secret": f"sek_{named}_",
        "noise": "sek_zz_zz", "empty": "sek_",
    }[change]  # fmt: skip
    assert await status(api, forged) == 401


async def test_a_deleted_key_ends_what_it_was_let_into_before(api: Api, ana: Client) -> None:
    """A socket that is open asks again and again; so long-lived is a session's, not a token's."""
    key, gate = await made(ana), api.services.gate
    machine, person = await gate.authenticate(key["key"]), await gate.authenticate(ana.token)
    async with api.services.db.tenant(person.tenant_id) as tx:
        await gate.still(tx, machine, key["key"])
        await gate.still(tx, person, "an access token that has expired since")
    await ana.request("DELETE", f"/v1/api-keys/{key['id']}")
    await ana.post("/v1/logout-everywhere")
    async with api.services.db.tenant(person.tenant_id) as tx:
        for identity, token in ((machine, key["key"]), (person, ana.token)):
            with pytest.raises(Unauthenticated):
                await gate.still(tx, identity, token)
