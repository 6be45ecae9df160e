"""Sign up, log in, and what a token lets one do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.kit.clock import VirtualClock
from tests.support import Api, Client, member, sign_up


async def test_sign_up_gives_an_administrator_of_a_new_tenant(api: Api) -> None:
    session = await sign_up(api, "acme")
    me = (await api.get("/v1/me", token=session["access_token"])).json()
    tenant = (await api.get("/v1/tenant", token=session["access_token"])).json()
    assert me["roles"] == ["ADMIN"]
    assert "can_upload_call" in me["permissions"]
    assert (tenant["slug"], tenant["plan"], tenant["autonomy"]) == ("acme", "STARTER", "approve")


async def test_a_slug_is_taken_once(api: Api) -> None:
    await sign_up(api, "acme")
    answer = await api.post("/v1/signup", json=api.company("acme", email="b@example.com"))
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "statusCode",
        "message",
        "errorType",
        "timestamp",
        "requestId",
    } <= set(body)
    assert body["errorType"] == "Conflict"


async def test_log_in_and_its_refusals_look_alike(api: Api) -> None:
    await sign_up(api, "acme", email="ana@example.com")
    good = await api.post("/v1/login", json={"email": "ANA@example.com", "password": api.PASSWORD})
    assert good.status_code == 200
    wrong = await api.post("/v1/login", json={"email": "ana@example.com", "password": "wrong-password"})
    unknown = await api.post("/v1/login", json={"email": "nobody@example.com", "password": "wrong-password"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["detail"] == unknown.json()["detail"]


async def test_one_address_in_two_tenants_must_say_which(api: Api) -> None:
    await sign_up(api, "one", email="ana@example.com")
    second = await sign_up(api, "two", email="ana@example.com")
    body = {"email": "ana@example.com", "password": api.PASSWORD}
    assert (await api.post("/v1/login", json=body)).status_code == 409
    chosen = await api.post("/v1/login", json={**body, "tenant": "two"})
    assert chosen.json()["tenant_id"] == second["tenant_id"]


async def test_fields_are_named_in_a_refusal(api: Api) -> None:
    answer = await api.post("/v1/signup", json={**api.company("x"), "email": "no", "password": "short", "extra": 1})
    assert answer.status_code == 422
    assert {e["field"] for e in answer.json()["errors"]} == {"body.email", "body.password", "body.extra"}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x.y.z", "Basic abc"])
async def test_without_a_good_token_nothing_opens(api: Api, header: str) -> None:
    answer = await api.client.get("/v1/deals", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_token_ends(api: Api, clock: VirtualClock) -> None:
    session = await sign_up(api, "acme")
    clock.advance(timedelta(seconds=session["expires_in_s"] + 1))
    assert (await api.get("/v1/me", token=session["access_token"])).status_code == 401


async def test_a_role_without_the_permission_is_refused(api: Api, ana: Client) -> None:
    guest = await member(api, ana, "GUEST")
    answer = await guest.get("/v1/deals")
    assert answer.status_code == 403
    assert "can_view_deals" in answer.json()["detail"]


async def test_unknown_address_and_health(api: Api) -> None:
    assert (await api.client.get("/nowhere")).json()["errorType"] == "NotFound"
    assert (await api.client.get("/healthz")).status_code == 200
    assert (await api.client.get("/readyz")).json() == {"status": "ready", "parts": {"database": True}}
