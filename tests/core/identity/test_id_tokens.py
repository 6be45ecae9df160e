"""ID tokens: which are taken, and whom they mean."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import text

from core.identity.sso.oidc import Oidc
from core.kit.clock import VirtualClock
from tests.core.identity.browser import add_provider, count, sign_in
from tests.fakes.issuer import FakeIssuer
from tests.support import Api, Client, member


@pytest.fixture
def issuer(api: Api, clock: VirtualClock) -> FakeIssuer:
    fake = FakeIssuer(clock)
    api.services.oidc = Oidc(fake, clock)
    return fake


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_an_id_token_without_signature_is_refused(api: Api, ana: Client, issuer: FakeIssuer) -> None:
    made = await add_provider(ana, issuer.issuer)
    for algorithm in ("none", "None", "NONE"):
        issuer.sign = lambda claims, a=algorithm: f"{part({'alg': a, 'kid': 'one'})}.{part(dict(claims))}."  # type: ignore[method-assign]
        assert (await sign_in(api, issuer, made["id"])).status_code == 401


async def test_an_id_token_signed_with_the_public_key_as_secret_is_refused(
    api: Api, ana: Client, issuer: FakeIssuer
) -> None:
    made = await add_provider(ana, issuer.issuer)

    def sign(claims: Any) -> str:
        signed = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(dict(claims))}"
        mac = hmac.new(issuer.public_pem, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    issuer.sign = sign  # type: ignore[method-assign]
    assert (await sign_in(api, issuer, made["id"])).status_code == 401


async def test_an_id_token_of_another_key_is_refused(api: Api, ana: Client, issuer: FakeIssuer) -> None:
    made = await add_provider(ana, issuer.issuer)
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key()))
    for headers in ({"kid": "one"}, {"kid": "two"}, {"kid": "one", "jwk": jwk}, {"kid": "one", "jku": "https://evil"}):
        issuer.sign = lambda claims, h=headers: jwt.encode(dict(claims), stranger, "RS256", headers=h)  # type: ignore[method-assign]
        assert (await sign_in(api, issuer, made["id"])).status_code == 401
    assert "https://evil" not in issuer.asked


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://evil.example"}, {"iss": None}, {"aud": "another client"}, {"aud": None}, {"aud": []},
        {"aud": ["salesedge", "another client"]}, {"azp": "another client"}, {"nonce": "guessed"}, {"nonce": None},
        {"exp": 0}, {"exp": None}, {"exp": "2099"}, {"iat": 0}, {"iat": None}, {"sub": ""}, {"sub": None},
        {"sub": "x" * 256}, {"sub": "\x00"},
    ],
    ids=str,
)  # fmt: skip
async def test_an_id_token_that_says_something_else_is_refused(
    api: Api, ana: Client, issuer: FakeIssuer, wrong: dict[str, Any]
) -> None:
    made = await add_provider(ana, issuer.issuer)
    issuer.claims = wrong
    assert (await sign_in(api, issuer, made["id"])).status_code == 401
    issuer.claims = {}
    assert (await sign_in(api, issuer, made["id"])).status_code == 200


async def test_an_id_token_expires_and_is_not_of_the_future(
    api: Api, ana: Client, issuer: FakeIssuer, clock: VirtualClock
) -> None:
    made = await add_provider(ana, issuer.issuer)
    now = int(clock.now().timestamp())
    for wrong in ({"exp": now - 61}, {"iat": now + 120}, {"iat": now - 700}):
        issuer.claims = wrong
        assert (await sign_in(api, issuer, made["id"])).status_code == 401
    issuer.claims = {"exp": now - 30, "iat": now - 330}  # clocks that differ a little
    assert (await sign_in(api, issuer, made["id"])).status_code == 200


async def test_new_keys_are_found_and_asked_for_at_most_once_a_minute(
    api: Api, ana: Client, issuer: FakeIssuer, clock: VirtualClock
) -> None:
    made = await add_provider(ana, issuer.issuer)
    assert (await sign_in(api, issuer, made["id"])).status_code == 200
    issuer.key, issuer.kid = rsa.generate_private_key(public_exponent=65537, key_size=2048), "two"
    keys = f"{issuer.issuer}/keys"
    for _ in range(3):
        assert (await sign_in(api, issuer, made["id"])).status_code == 401
    assert issuer.asked.count(keys) == 1
    clock.advance(timedelta(minutes=1))
    assert (await sign_in(api, issuer, made["id"])).status_code == 200
    assert issuer.asked.count(keys) == 2


# ── who it is ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_verified_address_of_the_company_is_linked_to_its_user(
    api: Api, ana: Client, issuer: FakeIssuer
) -> None:
    made = await add_provider(ana, issuer.issuer)
    bia = await member(api, ana, "REP", email="bia@acme.example")
    entered = (await sign_in(api, issuer, made["id"])).json()
    assert entered["user_id"] == (await bia.get("/v1/me")).json()["id"]
    issuer.claims = {"email": "ana@example.com"}  # the subject counts from now on, not the address
    assert (await sign_in(api, issuer, made["id"])).json()["user_id"] == entered["user_id"]


@pytest.mark.parametrize(
    "email",
    ["bia@other.example", "bia@evil.acme.example", "bia@acme.example.evil.example", "bia@acme.example@evil.example",
     "\u212aia@acme.example", "b\u0131a@acme.example", "bia", "", ["bia@acme.example"], None],
    ids=str,
)  # fmt: skip
async def test_an_address_that_is_not_of_the_company_comes_in_nowhere(
    api: Api, ana: Client, issuer: FakeIssuer, email: Any
) -> None:
    made = await add_provider(ana, issuer.issuer)
    issuer.claims = {"email": email}
    assert (await sign_in(api, issuer, made["id"])).status_code == 403
    assert await count(api, "users") == 1


async def test_a_suspended_user_stays_out(api: Api, ana: Client, issuer: FakeIssuer) -> None:
    made = await add_provider(ana, issuer.issuer)
    entered = (await sign_in(api, issuer, made["id"])).json()
    async with api.services.db.tenant(UUID(entered["tenant_id"])) as tx:
        await tx.session.execute(text("UPDATE users SET is_active = false WHERE id = :id"), {"id": entered["user_id"]})
    assert (await sign_in(api, issuer, made["id"])).status_code == 403


async def test_without_just_in_time_provisioning_a_stranger_stays_out(
    api: Api, ana: Client, issuer: FakeIssuer
) -> None:
    made = await add_provider(ana, issuer.issuer, creates_users=False)
    assert (await sign_in(api, issuer, made["id"])).status_code == 403


async def test_groups_give_and_take_the_roles_that_the_administrator_named(
    api: Api, ana: Client, issuer: FakeIssuer
) -> None:
    mapping = {"sales-leads": "LEADER", "bosses": "ADMIN"}
    made = await add_provider(ana, issuer.issuer, groups_claim="groups", group_roles=mapping)
    for groups, roles in (
        (["ADMIN", "SUPER_ADMIN", "x"], ["SDR"]), (["sales-leads"], ["SDR", "LEADER"]), ("bosses", ["SDR", "ADMIN"]),
        ({"bosses": 1}, ["SDR"]), (None, ["SDR"]),
    ):  # fmt: skip
        issuer.claims = {"groups": groups, "roles": ["ADMIN"]}
        entered = Client(api, (await sign_in(api, issuer, made["id"])).json()["access_token"])
        assert (await entered.get("/v1/me")).json()["roles"] == roles


async def test_the_last_administrator_stays_one_whatever_his_groups_say(
    api: Api, ana: Client, issuer: FakeIssuer
) -> None:
    fields = {"allowed_domains": ["example.com"], "groups_claim": "groups", "group_roles": {"bosses": "ADMIN"}}
    made = await add_provider(ana, issuer.issuer, **fields)
    issuer.claims = {"email": "ana@example.com"}
    assert (await sign_in(api, issuer, made["id"])).status_code == 200
    assert "ADMIN" in (await ana.get("/v1/me")).json()["roles"]
