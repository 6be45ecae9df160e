"""Deals over HTTP: their history, paging, idempotency, and the wall between tenants."""

from __future__ import annotations

import asyncio

from tests.support import Api, Client, new_deal, sign_up


async def test_history_holds_every_change(api: Api, ana: Client) -> None:
    deal = await new_deal(ana, stage="discovery", value_cents=100_00)
    url = f"/v1/deals/{deal['id']}"
    await ana.patch(url, json={"stage": "proposal", "value_cents": 120_00})
    await ana.patch(url, json={"stage": "proposal"})
    closed = (await ana.patch(url, json={"stage": "closed_won"})).json()
    assert (closed["outcome"], closed["closed_at"] is not None) == ("won", True)
    history = (await ana.get(f"{url}/history")).json()
    stages = [(h["before"], h["after"]) for h in history if h["field"] == "stage"]
    assert stages == [(None, "discovery"), ("discovery", "proposal"), ("proposal", "closed_won")]
    assert [(h["before"], h["after"]) for h in history if h["field"] == "value_cents"] == [(100_00, 120_00)]


async def test_reopening_clears_the_outcome(api: Api, ana: Client) -> None:
    deal = await new_deal(ana, stage="closed_lost")
    again = (await ana.patch(f"/v1/deals/{deal['id']}", json={"stage": "negotiation"})).json()
    assert (again["outcome"], again["closed_at"]) == (None, None)


async def test_pages_hold_each_deal_once(api: Api, ana: Client) -> None:
    made = [(await new_deal(ana))["id"] for _ in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await ana.get(f"/v1/deals?limit=2{cursor}")).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == list(reversed(made))
    assert (await ana.get("/v1/deals?cursor=rubbish")).json()["errors"][0]["field"] == "query.cursor"


async def test_a_repeated_key_creates_once(api: Api, ana: Client) -> None:
    body = {"name": "Horizonte"}
    headers = {"Idempotency-Key": "k1"}
    answers = await asyncio.gather(*(ana.post("/v1/accounts", json=body, headers=headers) for _ in range(8)))
    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["id"] for a in answers}) == 1
    assert len((await ana.get("/v1/accounts")).json()["items"]) == 1
    other = await ana.post("/v1/accounts", json={"name": "Other"}, headers=headers)
    assert other.status_code == 409


async def test_another_tenant_sees_and_touches_nothing(api: Api, ana: Client) -> None:
    deal = await new_deal(ana)
    session = await sign_up(api, "rival", email="eve@example.com")
    eve = Client(api, session["access_token"])
    assert (await eve.get("/v1/deals")).json()["items"] == []
    for method, url, body in [
        ("get", f"/v1/deals/{deal['id']}", None),
        ("patch", f"/v1/deals/{deal['id']}", {"name": "mine"}),
        ("get", f"/v1/deals/{deal['id']}/history", None),
        ("get", f"/v1/accounts/{deal['account_id']}", None),
        ("post", f"/v1/deals/{deal['id']}/activities", {"kind": "note", "direction": "out"}),
        ("post", "/v1/deals", {"account_id": deal["account_id"], "name": "x", "value_cents": 1}),
    ]:
        answer = await eve.request(method, url, json=body)
        assert answer.status_code == 404, (method, url)


async def test_rubbish_is_refused_by_name(api: Api, ana: Client) -> None:
    deal = await new_deal(ana)
    url = f"/v1/deals/{deal['id']}"
    assert (await ana.patch(url, json={"stage": "dreaming"})).json()["errors"][0]["field"] == "body.stage"
    assert (await ana.patch(url, json={"name": None})).json()["errors"][0]["field"] == "body.name"
    assert (await ana.patch(url, json={"value_cents": -1})).json()["errors"][0]["field"] == "body.value_cents"
    late = {"kind": "email", "direction": "out", "at": "2999-01-01T00:00:00Z"}
    assert (await ana.post(f"{url}/activities", json=late)).json()["errors"][0]["field"] == "body.at"
    assert (await ana.get("/v1/deals/not-a-uuid")).status_code == 422
