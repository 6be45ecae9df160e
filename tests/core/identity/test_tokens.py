"""Access tokens as an attacker would have them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.kit.clock import VirtualClock
from core.kit.errors import Unauthenticated
from core.kit.ids import new_id
from core.kit.security import Identity, SigningKey, Tokens
from tests.support import Api, sign_up

NOW = datetime(2026, 11, 24, tzinfo=UTC)
WHO = Identity(new_id(), new_id(), ("REP",), frozenset({"can_view_deals"}), new_id())


def tokens(*secrets: str, clock: VirtualClock | None = None) -> Tokens:
    return Tokens([SigningKey(secret) for secret in secrets], lifetime_s=900, clock=clock or VirtualClock(NOW))


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_what_was_issued_is_what_is_read() -> None:
    mine = tokens("a" * 32)
    token = mine.issue(WHO)
    assert mine.check(token) == WHO
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"


def test_an_old_key_checks_until_it_is_taken_away() -> None:
    token = tokens("old" * 16).issue(WHO)
    both = tokens("new" * 16, "old" * 16)
    assert both.check(token) == WHO
    assert jwt.get_unverified_header(both.issue(WHO))["kid"] != jwt.get_unverified_header(token)["kid"]
    with pytest.raises(Unauthenticated):
        tokens("new" * 16).check(token)


def test_a_key_in_pem_is_the_same_key_everywhere() -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert tokens(pem.decode()).check(tokens(pem.decode()).issue(WHO)) == WHO


async def test_the_published_keys_check_our_tokens_and_hold_nothing_private(api: Api) -> None:
    session = await sign_up(api, "acme")
    published = (await api.get("/.well-known/jwks.json")).json()
    assert all("d" not in key for key in published["keys"])
    keys = jwt.PyJWKSet.from_dict(published)
    header = jwt.get_unverified_header(session["access_token"])
    claims = jwt.decode(
        session["access_token"], keys[header["kid"]], algorithms=["EdDSA"], audience="salesedge-api",
        options={"verify_exp": False, "verify_iat": False},
    )  # fmt: skip
    assert {"sub", "tenant_id", "roles", "scopes", "exp", "jti"} <= claims.keys()


def forgeries() -> dict[str, str]:
    mine = tokens("a" * 32)
    good = mine.issue(WHO)
    head, body, signature = good.split(".")
    header = jwt.get_unverified_header(good)
    claims = jwt.decode(good, options={"verify_signature": False})
    public = mine.jwks()["keys"][0]["x"]
    confused = f"{part({**header, 'alg': 'HS256'})}.{body}"
    mac = hmac.new(base64.urlsafe_b64decode(public + "="), confused.encode(), hashlib.sha256).digest()
    other = Ed25519PrivateKey.generate()
    return {
        "alg none": f"{part({**header, 'alg': 'none'})}.{body}.",
        "alg none, signature kept": f"{part({**header, 'alg': 'none'})}.{body}.{signature}",
        "public key as HMAC secret": f"{confused}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}",
        "another key under our kid": jwt.encode(claims, other, algorithm="EdDSA", headers={"kid": header["kid"]}),
        "unknown kid": jwt.encode(claims, other, algorithm="EdDSA", headers={"kid": "x"}),
        "key in the header": jwt.encode(claims, other, algorithm="EdDSA", headers={"jwk": {"kty": "OKP"}}),
        "more scopes, old signature": f"{head}.{part({**claims, 'scopes': ['can_manage_tenant']})}.{signature}",
        "another tenant, old signature": f"{head}.{part({**claims, 'tenant_id': str(new_id())})}.{signature}",
        "signature cut": f"{head}.{body}.{signature[:-4]}",
        "no signature": f"{head}.{body}",
        "nothing": "..",
    }


@pytest.mark.parametrize("forged", list(forgeries().values()), ids=list(forgeries()))
def test_a_forged_token_is_refused(forged: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens("a" * 32).check(forged)


@pytest.mark.parametrize("missing", ["sub", "tenant_id", "sid", "exp", "jti", "aud", "iss"])
def test_a_token_that_lacks_a_claim_is_refused(missing: str) -> None:
    key = SigningKey("a" * 32)
    claims = jwt.decode(tokens("a" * 32).issue(WHO), options={"verify_signature": False})
    del claims[missing]
    with pytest.raises(Unauthenticated):
        tokens("a" * 32).check(jwt.encode(claims, key.private, algorithm="EdDSA", headers={"kid": key.kid}))


def test_a_token_ends_to_the_second() -> None:
    clock = VirtualClock(NOW)
    mine = tokens("a" * 32, clock=clock)
    token = mine.issue(WHO)
    clock.advance(timedelta(seconds=899))
    assert mine.check(token) == WHO
    clock.advance(timedelta(seconds=1))
    with pytest.raises(Unauthenticated, match="expired"):
        mine.check(token)


def test_a_token_that_was_checked_before_expires_all_the_same_and_opens_no_other() -> None:
    clock = VirtualClock(NOW)
    desk = tokens("a" * 32, clock=clock)
    token = desk.issue(WHO)
    assert desk.check(token) == desk.check(token)
    head, body, signature = token.split(".")
    for forged in (f"{head}.{body}.{signature[::-1]}", f"{head}.{body}.", token[:-1], f"{token} "):
        with pytest.raises(Unauthenticated):
            desk.check(forged)
    clock.advance(timedelta(seconds=901))
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="expired"):
            desk.check(token)
