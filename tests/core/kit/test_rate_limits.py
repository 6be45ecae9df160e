"""Rate limits over the real store: exact over replicas, told in headers, on every route, and never in the way."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import httpx2
from fastapi import Request

from cluster.local import free_port
from core import bootstrap
from core.app import create_app
from core.gateways.rate_limits import RedisRateLimiter
from core.kit import rate_limits
from core.ports import Rate
from core.settings import Settings
from tests.routes import endpoints
from tests.support import Api, Client

UNLIMITED = ("/healthz", "/readyz")


def limiter(settings: Settings, **per_minute: int) -> RedisRateLimiter:
    most = {"address": 10_000, "user": 10_000, "key": 10_000, "tenant": 10_000, **per_minute}
    return RedisRateLimiter(bootstrap.redis_url(settings), {kind: (count, 60) for kind, count in most.items()})


async def test_two_replicas_share_one_count(settings: Settings) -> None:
    replicas = [limiter(settings, user=20), limiter(settings, user=20)]
    who = str(uuid4())
    for replica in replicas:
        await replica.take(("user", str(uuid4())))  # connects
    taken = await asyncio.gather(*(replicas[n % 2].take(("user", who)) for n in range(50)))
    assert sum(rates[0].allowed for rates in taken) == 20
    assert all(1 <= rates[0].reset_s <= 60 for rates in taken)


async def test_subjects_are_counted_apart(settings: Settings) -> None:
    one = limiter(settings, user=1)
    first, second = str(uuid4()), str(uuid4())
    assert [rate.allowed for rate in await one.take(("user", first), ("tenant", first))] == [True, True]
    assert [rate.allowed for rate in await one.take(("user", first), ("tenant", first))] == [False, True]
    assert [rate.allowed for rate in await one.take(("user", second))] == [True]


async def test_while_the_store_is_away_each_replica_counts_for_itself() -> None:
    away = RedisRateLimiter(f"redis://127.0.0.1:{free_port()}/0", {"user": (2, 60)})
    assert [rate.allowed for _ in range(3) for rate in await away.take(("user", "a"))] == [True, True, False]


async def test_a_person_who_asks_too_much_is_told_when_to_come_back(api: Api, ana: Client) -> None:
    api.services.rate_limiter = limiter(api.services.settings, user=2)
    answers = [await ana.get("/v1/me") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"user";q=2;w=60, "tenant";q=10000;w=60'
    assert [answer.headers["ratelimit"].split(";t=")[0] for answer in answers] == [f'"user";r={n}' for n in (1, 0, 0)]
    refused = answers[2].json()
    assert refused["errorType"] == "TooManyRequests"
    assert answers[2].headers["retry-after"] == str(refused["retryAfter"])
    assert 1 <= refused["retryAfter"] <= 60


async def test_guessing_tokens_is_limited_by_the_address(api: Api, ana: Client) -> None:
    api.services.rate_limiter = limiter(api.services.settings, address=3)
    mine = f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"  # counts of other tests lie in the same store
    transport = httpx2.ASGITransport(app=api.app, client=(mine, 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        asked = [await client.get("/v1/me", headers={"Authorization": f"Bearer guess{n}"}) for n in range(4)]
    guesses = [answer.status_code for answer in asked]
    assert guesses == [401, 401, 401, 429]
    assert (await ana.get("/v1/me")).status_code == 200, "who is logged in is not counted by the address"


class Refuses:
    """A limiter whose every subject has spent everything."""

    async def take(self, *subjects: tuple[str, str]) -> list[Rate]:
        return [Rate(kind, 1, 60, 0, 60, False) for kind, _ in subjects]


async def test_no_route_is_without_a_limit(api: Api, ana: Client) -> None:
    api.services.rate_limiter = Refuses()
    for endpoint in endpoints(create_app(api.services)):
        path = endpoint.path
        for name in endpoint.parameters:
            path = path.replace(f"{{{name}}}", str(uuid4()))
        answer = await ana.request(endpoint.method, path, json={})
        assert (answer.status_code == 429) == (endpoint.path not in UNLIMITED), (endpoint.method, endpoint.path)


def test_a_household_of_ipv6_is_one_address() -> None:
    def of(host: str) -> str:
        return rate_limits.address(Request({"type": "http", "client": (host, 1), "headers": []}))[1]

    assert of("2001:db8:1:2:3::1") == of("2001:db8:1:2:ffff::2") != of("2001:db8:1:3::1")
    assert of("203.0.113.7") != of("203.0.113.8")


async def test_only_a_trusted_proxy_says_who_asked(api: Api, ana: Client) -> None:
    """Otherwise everybody could choose the address that he is counted by."""
    settings = api.services.settings
    believed = settings.http.model_copy(update={"trusted_proxies": ["10.0.0.0/8"]})
    api.services.settings = settings.model_copy(update={"http": believed})
    api.services.rate_limiter = limiter(settings, address=4)
    app = create_app(api.services)

    async def ask(peer: str, says: str) -> int:
        transport = httpx2.ASGITransport(app=app, client=(peer, 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            return (await client.get("/v1/me", headers={"X-Forwarded-For": says})).status_code

    assert [await ask("203.0.113.9", f"198.51.100.{n}") for n in range(5)] == [401] * 4 + [429]
    assert [await ask("10.1.1.1", f"198.51.100.{n}") for n in range(5)] == [401] * 5
