"""Guessing is slowed down, and cannot be used against the owner of the account."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import httpx2
import pytest

from core import bootstrap
from core.app import create_app
from core.gateways.rate_limits import RedisRateLimiter
from tests.support import Api, sign_up


class Internet:
    """The application as it is seen from addresses of one's choice."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._app = create_app(api.services)

    async def log_in(self, address: str, email: str, password: str = "", agent: str = "") -> httpx2.Response:
        transport = httpx2.ASGITransport(app=self._app, client=(address, 1), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            body = {"email": email, "password": password or self._api.PASSWORD}
            return await client.post("/v1/login", json=body, headers={"User-Agent": agent or "Firefox"})


def addresses() -> list[str]:
    """Forty strangers, each in a network of his own that no other test uses."""
    head = uuid4().hex
    return [f"2001:{head[:4]}:{head[4:8]}:{n:x}::1" for n in range(1, 41)]


@pytest.fixture
def internet(api: Api) -> Internet:
    wide = dict.fromkeys(("address", "user", "key", "tenant"), (100000, 60))
    narrow = {"sign_in": (3, 900), "sign_in_address": (8, 900), "sign_in_account": (12, 3600)}
    api.services.rate_limiter = RedisRateLimiter(bootstrap.redis_url(api.services.settings), {**wide, **narrow})
    return Internet(api)


async def account(api: Api) -> str:
    email = f"{uuid4()}@example.com"
    await sign_up(api, f"t{uuid4().hex}", email)
    return email


async def test_guessing_from_one_place_ends_after_a_few(api: Api, internet: Internet) -> None:
    email, (thief, home, *_) = await account(api), addresses()
    guesses = await asyncio.gather(*(internet.log_in(thief, email, f"guess {n}") for n in range(10)))
    assert sorted(answer.status_code for answer in guesses) == [401] * 3 + [429] * 7
    refused = await internet.log_in(thief, email)
    assert refused.status_code == 429, "the right password is not looked at either"
    assert 1 <= int(refused.headers["retry-after"]) <= 900
    assert (await internet.log_in(home, email)).status_code == 200, "the owner is elsewhere"


async def test_one_place_that_tries_many_accounts_ends_too(api: Api, internet: Internet) -> None:
    thief, *_ = addresses()
    tried = [(await internet.log_in(thief, f"{uuid4()}@example.com", "123456")).status_code for _ in range(9)]
    assert tried == [401] * 8 + [429]


async def test_guessing_from_everywhere_does_not_lock_the_owner_out(api: Api, internet: Internet) -> None:
    email, (home, *strangers) = await account(api), addresses()
    assert (await internet.log_in(home, email)).status_code == 200
    guesses = [(await internet.log_in(one, email, "a guess")).status_code for one in strangers[:20]]
    assert guesses == [401] * 11 + [429] * 9
    assert (await internet.log_in(strangers[30], email)).status_code == 429, "a strange network, the right password"
    assert (await internet.log_in(home, email)).status_code == 200


async def test_an_account_that_is_not_there_is_refused_alike(api: Api, internet: Internet) -> None:
    strangers = addresses()
    nobody = f"{uuid4()}@example.com"
    guesses = [(await internet.log_in(one, nobody, "a guess")).status_code for one in strangers[:20]]
    assert guesses == [401] * 12 + [429] * 8


async def test_a_log_in_from_a_new_device_is_told(api: Api, internet: Internet) -> None:
    email, (home, abroad, *_) = await account(api), addresses()
    ana = (await internet.log_in(home, email)).json()["access_token"]

    async def told() -> int:
        page = (await api.get("/v1/audit", token=ana)).json()
        return [entry["action"] for entry in page["items"]].count("session.from_new_device")

    known = await told()  # signing up was from this machine
    await internet.log_in(home, email)
    assert await told() == known
    await internet.log_in(abroad, email)
    assert await told() == known + 1
    await internet.log_in(home, email, agent="curl")
    assert await told() == known + 2
