"""The second factor (RFC 6238) through its life, and what somebody tries who knows the password."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pyotp
import pytest
from sqlalchemy import text

from core.app import create_app
from core.kit.clock import VirtualClock
from core.settings import Settings
from tests.core.identity.mailbox import code as mailed_code
from tests.fakes.services import fake_services
from tests.support import Api, Client, member, sign_up

STEP = timedelta(seconds=30)


class Phone:
    """Somebody's authenticator."""

    def __init__(self, secret: str, clock: VirtualClock) -> None:
        self._totp = pyotp.TOTP(secret)
        self._clock = clock

    def code(self) -> str:
        return self._totp.at(self._clock.now())


async def log_in(api: Api, code: str | None = None) -> httpx2.Response:
    body = {"email": "ana@example.com", "password": api.PASSWORD, **({"code": code} if code else {})}
    return await api.post("/v1/login", json=body)


async def enrolled(client: Client, clock: VirtualClock) -> tuple[Phone, list[str]]:
    begun = (await client.post("/v1/me/second-factor")).json()
    assert begun["otpauth_uri"].startswith("otpauth://totp/SalesEdge:ana%40example.com?secret=")
    phone = Phone(begun["secret"], clock)
    answer = await client.post("/v1/me/second-factor/confirm", json={"code": phone.code()})
    assert answer.status_code == 200, answer.text
    clock.advance(STEP)
    return phone, answer.json()["recovery_codes"]


async def test_the_code_is_asked_for_only_after_the_right_password(api: Api, ana: Client, clock: VirtualClock) -> None:
    phone, _ = await enrolled(ana, clock)
    asked = await log_in(api)
    assert (asked.status_code, asked.json()["errorType"]) == (401, "SecondFactorNeeded")
    wrong = await api.post("/v1/login", json={"email": "ana@example.com", "password": "not this one", "code": "000000"})
    assert wrong.json()["errorType"] == "Unauthenticated"
    assert (await log_in(api, phone.code())).status_code == 200


async def test_a_code_is_not_taken_twice(api: Api, ana: Client, clock: VirtualClock) -> None:
    phone, _ = await enrolled(ana, clock)
    code = phone.code()
    answers = await asyncio.gather(*(log_in(api, code) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]
    clock.advance(STEP)
    assert (await log_in(api, code)).status_code == 401, "still within its window, but used"


async def test_a_code_of_long_ago_is_worthless(api: Api, ana: Client, clock: VirtualClock) -> None:
    phone, _ = await enrolled(ana, clock)
    code = phone.code()
    clock.advance(2 * STEP)
    assert (await log_in(api, code)).status_code == 401


async def test_a_recovery_code_is_taken_once(api: Api, ana: Client, clock: VirtualClock) -> None:
    _, codes = await enrolled(ana, clock)
    assert len(set(codes)) == 10
    answers = await asyncio.gather(*(log_in(api, codes[0].lower()) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]
    assert (await ana.get("/v1/me/second-factor")).json() == {"active": True, "recovery_codes_left": 9}
    fresh = (await ana.post("/v1/me/second-factor/recovery-codes")).json()["recovery_codes"]
    assert (await log_in(api, codes[1])).status_code == 401, "new codes end the old ones"
    assert (await log_in(api, fresh[0])).status_code == 200


async def test_an_unconfirmed_factor_locks_nobody_out(api: Api, ana: Client) -> None:
    await ana.post("/v1/me/second-factor")
    assert (await ana.post("/v1/me/second-factor/confirm", json={"code": "000000"})).status_code == 403
    assert (await log_in(api)).status_code == 200


async def test_a_factor_cannot_be_replaced_behind_its_owners_back(api: Api, ana: Client, clock: VirtualClock) -> None:
    phone, _ = await enrolled(ana, clock)
    assert (await ana.post("/v1/me/second-factor")).status_code == 409
    clock.advance(timedelta(minutes=11))
    session = (await log_in(api, phone.code())).json()
    later = Client(api, session["access_token"])
    clock.advance(timedelta(minutes=11))
    assert (await later.request("DELETE", "/v1/me/second-factor")).json()["errorType"] == "ReauthenticationNeeded"
    for code in (None, "000000"):
        proof = {"password": api.PASSWORD, **({"code": code} if code else {})}
        assert (await later.post("/v1/me/reauthenticate", json=proof)).status_code == 403
    proof = {"password": api.PASSWORD, "code": phone.code()}
    assert (await later.post("/v1/me/reauthenticate", json=proof)).status_code == 204
    assert (await later.request("DELETE", "/v1/me/second-factor")).status_code == 204
    assert (await log_in(api)).status_code == 200


async def test_the_secret_is_sealed_at_rest(api: Api, ana: Client) -> None:
    secret = (await ana.post("/v1/me/second-factor")).json()["secret"]
    async with api.services.db.tenant(api.services.tokens.check(ana.token).tenant_id) as tx:
        stored = bytes((await tx.session.execute(text("SELECT secret FROM second_factors"))).scalar_one())
    assert secret.encode() not in stored


@pytest.fixture
async def strict(settings: Settings, clock: VirtualClock) -> AsyncIterator[Api]:
    auth = settings.auth.model_copy(update={"require_second_factor": True})
    services = fake_services(settings.model_copy(update={"auth": auth}), clock)
    transport = httpx2.ASGITransport(app=create_app(services), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Api(client, services)
    await services.db.close()


async def test_where_it_is_required_nothing_is_open_before_it(strict: Api, clock: VirtualClock) -> None:
    ana = Client(strict, (await sign_up(strict, "acme"))["access_token"])
    assert (await ana.get("/v1/deals")).status_code == 403
    me: dict[str, Any] = (await ana.get("/v1/me")).json()
    assert me["permissions"] == ["can_view_tenant"]
    await enrolled(ana, clock)
    assert (await ana.get("/v1/deals")).status_code == 200


async def test_a_new_password_does_not_pass_the_second_factor(api: Api, ana: Client, clock: VirtualClock) -> None:
    await enrolled(ana, clock)
    await api.post("/v1/password/forgot", json={"email": "ana@example.com"})
    fresh = {"token": await mailed_code(api, "ana@example.com"), "password": "quiet zebra lamp 42"}
    assert (await api.post("/v1/password/reset", json=fresh)).status_code == 204
    body = {"email": "ana@example.com", "password": "quiet zebra lamp 42"}
    assert (await api.post("/v1/login", json=body)).json()["errorType"] == "SecondFactorNeeded"


async def test_an_administrator_helps_who_lost_his_telephone(api: Api, ana: Client, clock: VirtualClock) -> None:
    admin = await member(api, ana, "ADMIN")
    await enrolled(ana, clock)
    lost = (await ana.get("/v1/me")).json()["id"]
    manager = await member(api, ana, "MANAGER")
    assert (await manager.request("DELETE", f"/v1/users/{lost}/second-factor")).status_code == 403
    assert (await admin.request("DELETE", f"/v1/users/{lost}/second-factor")).status_code == 204
    assert (await ana.get("/v1/me")).status_code == 401, "whoever is logged in as him proves himself again"
    assert (await log_in(api)).status_code == 200
