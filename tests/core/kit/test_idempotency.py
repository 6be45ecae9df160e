"""`Idempotency-Key`: what was done once is answered again, and never done twice."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from sqlalchemy import text

from core.kit import idempotency
from tests.support import Api, Client, sign_up

ACCOUNT = {"name": "Horizonte"}
USED = "This Idempotency-Key was already used for another request. Take a new key."


async def post(client: Client, url: str = "/v1/accounts", *, key: str = "k1", **options: object) -> httpx2.Response:
    return await client.post(url, headers={"Idempotency-Key": key}, **options)


async def names(client: Client) -> list[str]:
    return [item["name"] for item in (await client.get("/v1/accounts")).json()["items"]]


async def kept(api: Api, client: Client) -> list[tuple[str, str, int]]:
    """The keys that the tenant's answers are stored under."""
    async with api.services.db.tenant(api.services.tokens.check(client.token).tenant_id) as tx:
        rows = await tx.session.execute(
            text("SELECT key, route, status FROM idempotency_keys ORDER BY created_at, key")
        )
        return [(row.key, row.route, row.status) for row in rows]


async def test_a_repeated_request_gets_the_stored_answer(api: Api, ana: Client) -> None:
    first = await post(ana, json=ACCOUNT)
    again = await post(ana, json=ACCOUNT)
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert again.headers["Content-Type"] == first.headers["Content-Type"] == "application/json"
    assert [answer.headers.get("Idempotency-Replayed") for answer in (first, again)] == [None, "true"]
    assert await names(ana) == ["Horizonte"]
    assert await kept(api, ana) == [("k1", "/v1/accounts", 201)]


async def test_the_stored_answer_stays_as_it_was_given(api: Api, ana: Client) -> None:
    account = (await post(ana, json=ACCOUNT)).json()
    body = {"account_id": account["id"], "name": "CRM", "value_cents": 100_00}
    first = (await post(ana, "/v1/deals", key="deal", json=body)).json()
    await ana.patch(f"/v1/deals/{first['id']}", json={"name": "ERP"})
    assert (await post(ana, "/v1/deals", key="deal", json=body)).json() == first


async def test_the_same_key_at_once_takes_effect_once(api: Api, ana: Client) -> None:
    answers = await asyncio.gather(*(post(ana, json=ACCOUNT) for _ in range(10)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert sorted(answer.headers.get("Idempotency-Replayed", "") for answer in answers) == ["", *["true"] * 9]
    assert await names(ana) == ["Horizonte"]


async def test_other_bodies_under_one_key_at_once_let_one_through(api: Api, ana: Client) -> None:
    answers = await asyncio.gather(*(post(ana, json={"name": f"n{number}"}) for number in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    [winner] = [answer.json()["name"] for answer in answers if answer.status_code == 201]
    assert await names(ana) == [winner]


@pytest.mark.parametrize("body", [b'{"name": "Other"}', b'{"name":"Horizonte"} ', b"rubbish"])
async def test_a_key_cannot_be_used_for_another_body(api: Api, ana: Client, body: bytes) -> None:
    options = {"Content-Type": "application/json", "Idempotency-Key": "k1"}
    first = await ana.post("/v1/accounts", content=b'{"name":"Horizonte"}', headers=options)
    assert first.status_code == 201
    answer = await ana.post("/v1/accounts", content=body, headers=options)
    assert (answer.status_code, answer.json()["errorType"], answer.json()["detail"]) == (409, "Conflict", USED)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert await names(ana) == ["Horizonte"]


async def test_a_key_counts_for_its_route_alone(api: Api, ana: Client) -> None:
    assert (await post(ana, json={"name": "Rival"})).status_code == 201
    competitor = await post(ana, "/v1/competitors", json={"name": "Rival"})
    assert (competitor.status_code, "aliases" in competitor.json()) == (201, True)
    assert sorted(await kept(api, ana)) == [("k1", "/v1/accounts", 201), ("k1", "/v1/competitors", 201)]


async def test_keys_are_each_tenants_own(api: Api, ana: Client) -> None:
    eve = Client(api, (await sign_up(api, "rival", email="eve@example.com"))["access_token"])
    ours, theirs = await post(ana, json=ACCOUNT), await post(eve, json=ACCOUNT)
    assert [answer.status_code for answer in (ours, theirs)] == [201, 201]
    assert ours.json()["id"] != theirs.json()["id"]
    assert "Idempotency-Replayed" not in theirs.headers
    assert (await post(eve, json={"name": "Mine"})).status_code == 409
    assert (await names(ana), await names(eve)) == (["Horizonte"], ["Horizonte"])


async def test_a_request_without_a_key_is_done_each_time(api: Api, ana: Client) -> None:
    made = [(await ana.post("/v1/accounts", json=ACCOUNT)).json()["id"] for _ in range(2)]
    assert made[0] != made[1]
    assert await kept(api, ana) == []


async def test_a_refused_request_leaves_its_key_free(api: Api, ana: Client) -> None:
    assert (await post(ana, json={"name": ""})).status_code == 422
    assert await kept(api, ana) == []
    assert (await post(ana, json=ACCOUNT)).status_code == 201


async def test_a_key_beside_another_method_than_post_is_passed_over(api: Api, ana: Client) -> None:
    await post(ana, json=ACCOUNT)
    answer = await ana.get("/v1/accounts", headers={"Idempotency-Key": "k1"})
    assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (200, None)


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb"])
async def test_a_key_of_the_wrong_shape_is_refused(api: Api, ana: Client, key: str) -> None:
    answer = await post(ana, key=key, json=ACCOUNT)
    assert (answer.status_code, answer.json()["errorType"]) == (400, "BadInput")
    assert answer.json()["detail"] == "Idempotency-Key must be 1 to 255 printable characters; a UUID is a good one."
    assert await names(ana) == []


async def test_the_longest_key_is_taken(api: Api, ana: Client) -> None:
    answers = [await post(ana, key="k" * 255, json=ACCOUNT) for _ in range(2)]
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true"]


def test_the_fingerprint_is_sha256_of_the_body() -> None:
    assert idempotency.fingerprint(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
