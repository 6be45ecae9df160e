"""Single sign-on: the whole flow with a provider that others wrote, and what somebody tries who wants to get in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from oidc_provider_mock import run_server_in_thread

from core.identity.sso.oidc import Oidc
from core.kit.clock import VirtualClock
from tests.core.identity.browser import Browser, add_provider, count, sign_in
from tests.fakes.issuer import FakeIssuer
from tests.support import Api, Client, sign_up


@pytest.fixture
def clock() -> VirtualClock:
    """The real time as it is now: the provider of others looks at its own clock."""
    return VirtualClock(datetime.now(UTC))


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real OpenID provider on loopback; gives its issuer."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with run_server_in_thread(require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def issuer(api: Api, clock: VirtualClock) -> FakeIssuer:
    fake = FakeIssuer(clock)
    api.services.oidc = Oidc(fake, clock)
    return fake


@pytest.fixture
async def outside() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


# ── with the provider of others ──────────────────────────────────────────────────────────────────────────────────────


async def through(browser: Browser, outside: httpx2.AsyncClient, made: dict[str, Any], subject: str) -> httpx2.Response:
    location = await browser.start()
    agreed = await outside.post(location, data={"sub": subject})
    assert agreed.status_code == 302, agreed.text
    back = urlsplit(agreed.headers["location"])
    assert agreed.headers["location"].startswith(made["redirect_uri"] + "?")
    return await browser.come_back(made["id"], **{name: values[0] for name, values in parse_qs(back.query).items()})


async def test_a_person_of_the_company_signs_in_and_becomes_a_user(
    api: Api, ana: Client, provider: str, outside: httpx2.AsyncClient
) -> None:
    made = await add_provider(ana, provider)
    claims = {"email": "bia@acme.example", "email_verified": True, "name": "Bia Souza"}
    await outside.put(f"{provider}/users/bia", json=claims)
    answer = await through(Browser(api), outside, made, "bia")
    assert answer.status_code == 200, answer.text
    bia = Client(api, answer.json()["access_token"])
    me = (await bia.get("/v1/me")).json()
    assert (me["email"], me["name"], me["roles"]) == ("bia@acme.example", "Bia Souza", ["SDR"])
    assert me["tenant_id"] == (await ana.get("/v1/tenant")).json()["id"]
    assert [session["method"] for session in (await bia.get("/v1/me/sessions")).json()] == ["sso"]
    again = await through(Browser(api), outside, made, "bia")
    assert again.json()["user_id"] == me["id"]


async def test_the_request_carries_pkce_state_nonce_and_the_cookie_is_bound_to_host(
    api: Api, ana: Client, provider: str
) -> None:
    made = await add_provider(ana, provider)
    answer = await api.get("/v1/sso/acme/idp/start")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert answer.headers["location"].startswith(f"{provider}/oauth2/authorize?")
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == made["redirect_uri"]
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert "openid" in asked["scope"].split()
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-sso=")
    for attribute in ("Secure", "HttpOnly", "Path=/", "SameSite=lax"):
        assert attribute in cookie
    assert "domain" not in cookie.lower()
    browser = cookie.partition("=")[2].partition(";")[0]
    assert browser not in answer.headers["location"]


async def test_a_person_who_says_no_gets_no_session(
    api: Api, ana: Client, provider: str, outside: httpx2.AsyncClient
) -> None:
    made = await add_provider(ana, provider)
    browser = Browser(api)
    denied = await outside.post(await browser.start(), data={"action": "deny"})
    query = {name: values[0] for name, values in parse_qs(urlsplit(denied.headers["location"]).query).items()}
    query.setdefault("state", "")
    assert (await browser.come_back(made["id"], **query)).status_code == 401


async def test_a_code_of_the_real_provider_works_once(
    api: Api, ana: Client, provider: str, outside: httpx2.AsyncClient
) -> None:
    made = await add_provider(ana, provider)
    await outside.put(f"{provider}/users/bia", json={"email": "bia@acme.example", "email_verified": True})
    browser = Browser(api)
    agreed = await outside.post(await browser.start(), data={"sub": "bia"})
    query = {name: values[0] for name, values in parse_qs(urlsplit(agreed.headers["location"]).query).items()}
    assert (await browser.come_back(made["id"], **query)).status_code == 200
    fresh = Browser(api)
    new_state = parse_qs(urlsplit(await fresh.start()).query)["state"][0]
    assert (await fresh.come_back(made["id"], code=query["code"], state=new_state)).status_code == 401


async def test_an_unverified_address_does_not_take_over_an_account(
    api: Api, ana: Client, provider: str, outside: httpx2.AsyncClient
) -> None:
    made = await add_provider(ana, provider, allowed_domains=["example.com"])
    for verified in ({}, {"email_verified": False}, {"email_verified": "yes"}):
        await outside.put(f"{provider}/users/eve", json={"email": "ana@example.com", **verified})
        assert (await through(Browser(api), outside, made, "eve")).status_code == 403
    assert await count(api, "users") == 1


# ── state ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_state_that_we_did_not_make_is_refused(api: Api, ana: Client, issuer: FakeIssuer) -> None:
    made = await add_provider(ana, issuer.issuer)
    browser = Browser(api)
    code, state = issuer.authorize(await browser.start())
    flipped = state[:40] + ("A" if state[40] != "A" else "B") + state[41:]
    for wrong in ("", "x", "A" * 155, flipped, state[:-4], "é"):
        assert (await browser.come_back(made["id"], code=code, state=wrong)).status_code == 401
    assert (await browser.come_back(made["id"], code=code, state=state)).status_code == 200


async def test_a_state_works_once(api: Api, ana: Client, issuer: FakeIssuer) -> None:
    made = await add_provider(ana, issuer.issuer)
    browser = Browser(api)
    location = await browser.start()
    code, state = issuer.authorize(location)
    assert (await browser.come_back(made["id"], code=code, state=state)).status_code == 200
    second, _ = issuer.authorize(location)
    assert (await browser.come_back(made["id"], code=second, state=state)).status_code == 401


async def test_a_state_that_failed_is_used_up_all_the_same(api: Api, ana: Client, issuer: FakeIssuer) -> None:
    made = await add_provider(ana, issuer.issuer)
    browser = Browser(api)
    code, state = issuer.authorize(await browser.start())
    assert (await browser.come_back(made["id"], code="guess", state=state)).status_code == 401
    assert (await browser.come_back(made["id"], code=code, state=state)).status_code == 401


async def test_a_state_of_another_browser_is_refused(api: Api, ana: Client, issuer: FakeIssuer) -> None:
    """Log-in CSRF: the attacker's own answer, pushed into the victim's browser."""
    made = await add_provider(ana, issuer.issuer)
    attacker, victim, nobody = Browser(api), Browser(api), Browser(api)
    code, state = issuer.authorize(await attacker.start())
    await victim.start()
    assert (await victim.come_back(made["id"], code=code, state=state)).status_code == 401
    assert (await nobody.come_back(made["id"], code=code, state=state)).status_code == 401


async def test_a_code_injected_into_ones_own_sign_in_fails_at_pkce(api: Api, ana: Client, issuer: FakeIssuer) -> None:
    made = await add_provider(ana, issuer.issuer)
    victim, attacker = Browser(api), Browser(api)
    stolen, _ = issuer.authorize(await victim.start())
    _, own_state = issuer.authorize(await attacker.start())
    assert (await attacker.come_back(made["id"], code=stolen, state=own_state)).status_code == 401


async def test_a_state_expires(api: Api, ana: Client, issuer: FakeIssuer, clock: VirtualClock) -> None:
    made = await add_provider(ana, issuer.issuer)
    browser = Browser(api)
    code, state = issuer.authorize(await browser.start())
    clock.advance(timedelta(minutes=10))
    assert (await browser.come_back(made["id"], code=code, state=state)).status_code == 401


# ── the answer's issuer ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_answer_of_another_issuer_is_refused(api: Api, ana: Client, issuer: FakeIssuer) -> None:
    made = await add_provider(ana, issuer.issuer)
    browser = Browser(api)
    code, state = issuer.authorize(await browser.start())
    answer = await browser.come_back(made["id"], code=code, state=state, iss="https://evil.example")
    assert answer.status_code == 401
    code, state = issuer.authorize(await browser.start())
    answer = await browser.come_back(made["id"], code=code, state=state, iss=issuer.issuer)
    assert answer.status_code == 200


async def test_a_provider_that_promises_its_issuer_has_to_send_it(api: Api, ana: Client, clock: VirtualClock) -> None:
    issuer = FakeIssuer(clock, authorization_response_iss_parameter_supported=True)
    api.services.oidc = Oidc(issuer, clock)
    made = await add_provider(ana, issuer.issuer)
    assert (await sign_in(api, issuer, made["id"])).status_code == 401


async def test_an_answer_at_the_address_of_another_provider_is_refused(
    api: Api, ana: Client, issuer: FakeIssuer
) -> None:
    """Mix-up: the code of an honest provider must not travel to the token endpoint of another."""
    await add_provider(ana, issuer.issuer)
    other = await add_provider(ana, issuer.issuer, slug="other")
    browser = Browser(api)
    code, state = issuer.authorize(await browser.start("/v1/sso/acme/idp/start"))
    assert (await browser.come_back(other["id"], code=code, state=state)).status_code == 401


async def test_a_provider_of_one_tenant_opens_no_other(api: Api, ana: Client, issuer: FakeIssuer) -> None:
    rio = Client(api, (await sign_up(api, "rio", "rui@acme.example"))["access_token"])
    mine = await add_provider(rio, issuer.issuer)
    assert (await api.get("/v1/sso/acme/idp/start")).status_code == 404
    theirs = await add_provider(ana, issuer.issuer)
    browser = Browser(api)
    code, state = issuer.authorize(await browser.start("/v1/sso/rio/idp/start"))
    assert (await browser.come_back(theirs["id"], code=code, state=state)).status_code == 401
    issuer.claims = {"email": "rui@acme.example", "sub": "rui"}
    entered = (await sign_in(api, issuer, theirs["id"])).json()
    assert entered["tenant_id"] == (await ana.get("/v1/tenant")).json()["id"]
    assert entered["user_id"] != (await rio.get("/v1/me")).json()["id"]
    assert (await ana.get(f"/v1/sso/providers/{mine['id']}")).status_code == 404
    for method in ("patch", "delete"):
        options = {"json": {"is_enabled": False}} if method == "patch" else {}
        assert (await ana.request(method, f"/v1/sso/providers/{mine['id']}", **options)).status_code == 404


async def test_nobody_is_sent_on_to_another_site(api: Api, ana: Client, issuer: FakeIssuer) -> None:
    made = await add_provider(ana, issuer.issuer)
    evil = "https://evil.example"
    for name in ("redirect_uri", "return_to", "next", "iss"):
        answer = await api.get("/v1/sso/acme/idp/start", params={name: evil}, headers={"Host": "evil.example"})
        assert answer.headers["location"].startswith(f"{issuer.issuer}/authorize?")
        assert "evil.example" not in answer.headers["location"]
    browser = Browser(api)
    code, state = issuer.authorize(await browser.start())
    answer = await browser.come_back(made["id"], code=code, state=state, redirect_uri=evil, next=evil)
    assert answer.status_code == 200
    assert "location" not in answer.headers
