"""What an administrator says of single sign-on."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from sqlalchemy import text

from core.identity.sso.oidc import Oidc
from core.kit.clock import VirtualClock
from tests.core.identity.browser import Browser, add_provider, sign_in
from tests.fakes.issuer import FakeIssuer
from tests.support import Api, Client, member


@pytest.fixture
def issuer(api: Api, clock: VirtualClock) -> FakeIssuer:
    fake = FakeIssuer(clock)
    api.services.oidc = Oidc(fake, clock)
    return fake


async def test_only_administrators_manage_providers(api: Api, ana: Client, issuer: FakeIssuer) -> None:
    made = await add_provider(ana, issuer.issuer)
    boss = await member(api, ana, "MANAGER")
    assert (await boss.get("/v1/sso/providers")).status_code == 403
    assert (await boss.patch(f"/v1/sso/providers/{made['id']}", json={"is_enabled": False})).status_code == 403
    assert (await boss.get("/v1/sso/settings")).status_code == 403


async def test_the_client_secret_is_sealed_and_never_shown(api: Api, ana: Client, issuer: FakeIssuer) -> None:
    made = await add_provider(ana, issuer.issuer)
    path = f"/v1/sso/providers/{made['id']}"
    await ana.patch(path, json={"client_secret": "a newer secret"})
    seen = json.dumps([made, (await ana.get(path)).json(), (await ana.get("/v1/sso/providers")).json()])
    async with api.services.db.tenant(UUID((await ana.get("/v1/tenant")).json()["id"])) as tx:
        stored = bytes((await tx.session.execute(text("SELECT client_secret FROM sso_providers"))).scalar_one())
    assert "secret of theirs" not in seen
    assert "newer" not in seen
    assert b"newer" not in stored


@pytest.mark.parametrize(("role", "status"), [("SUPER_ADMIN", 403), ("SYSTEM", 403), ("KING", 422), ("LEADER", 201)])
async def test_groups_cannot_be_named_for_more_than_an_administrator_may_give(
    ana: Client, issuer: FakeIssuer, role: str, status: int
) -> None:
    body = {
        "slug": "idp", "issuer": issuer.issuer, "client_id": "c", "allowed_domains": ["acme.example"],
        "group_roles": {"everybody": role},
    }  # fmt: skip
    assert (await ana.post("/v1/sso/providers", json=body)).status_code == status
    settings = await ana.request("put", "/v1/sso/settings", json={"group_roles": {"everybody": role}})
    assert settings.status_code == (200 if status == 201 else status)


async def test_nobody_is_an_administrator_by_default(ana: Client) -> None:
    answer = await ana.request("put", "/v1/sso/settings", json={"default_role": "ADMIN"})
    assert answer.status_code == 422


async def test_an_issuer_without_https_is_refused(api: Api, ana: Client, issuer: FakeIssuer) -> None:
    for wrong in ("http://id.example", "https://", "https://[", "file:///etc/passwd", "https://id.example/?a=b"):
        body = {"slug": "idp", "issuer": wrong, "client_id": "c", "allowed_domains": ["acme.example"]}
        assert (await ana.post("/v1/sso/providers", json=body)).status_code == 422


async def test_a_discovery_document_that_lies_is_refused(
    api: Api, ana: Client, issuer: FakeIssuer, clock: VirtualClock
) -> None:
    await add_provider(ana, issuer.issuer)
    for metadata in (
        {"issuer": "https://other.example"},
        {"token_endpoint": "http://id.example/token"},
        {"jwks_uri": 7},
    ):
        issuer = FakeIssuer(clock, **metadata)
        api.services.oidc = Oidc(issuer, clock)
        assert (await api.get("/v1/sso/acme/idp/start")).status_code == 502


async def test_a_provider_that_is_switched_off_or_deleted_lets_nobody_in(
    api: Api, ana: Client, issuer: FakeIssuer
) -> None:
    made = await add_provider(ana, issuer.issuer)
    browser = Browser(api)
    code, state = issuer.authorize(await browser.start())
    await ana.patch(f"/v1/sso/providers/{made['id']}", json={"is_enabled": False})
    assert (await api.get("/v1/sso/acme/idp/start")).status_code == 404
    assert (await browser.come_back(made["id"], code=code, state=state)).status_code == 401
    assert (await ana.request("delete", f"/v1/sso/providers/{made['id']}")).status_code == 204
    assert (await browser.come_back(made["id"], code=code, state=state)).status_code in (401, 404)


async def test_where_the_tenant_says_so_users_of_single_sign_on_have_no_password(
    api: Api, ana: Client, issuer: FakeIssuer
) -> None:
    refused = await ana.request("put", "/v1/sso/settings", json={"sso_only": True})
    assert refused.status_code == 409
    made = await add_provider(ana, issuer.issuer)
    await member(api, ana, "REP", email="bia@acme.example")
    await sign_in(api, issuer, made["id"])
    password = {"email": "bia@acme.example", "password": api.PASSWORD}
    assert (await api.post("/v1/login", json=password)).status_code == 200
    assert (await ana.request("put", "/v1/sso/settings", json={"sso_only": True})).status_code == 200
    assert (await api.post("/v1/login", json=password)).status_code == 401
    own = {"email": "ana@example.com", "password": api.PASSWORD}
    assert (await api.post("/v1/login", json=own)).status_code == 200
