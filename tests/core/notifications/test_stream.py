"""Notifications on open sockets: at once, over any process, and nothing lost between two connections."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from core.kit.ids import new_id
from core.notifications.notify import Notice, notify
from tests.core.notifications.conftest import stream
from tests.support import Api, Client, member, sign_up


async def say(api: Api, client: Client, text: str, user: Client | None = None) -> None:
    body = {"text": text}
    if user is not None:
        body["user_id"] = (await user.get("/v1/me")).json()["id"]
    assert (await client.post("/v1/notifications/announce", json=body)).status_code == 201


async def heard(socket: ClientConnection) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 20))
    return told


async def ready(socket: ClientConnection) -> int:
    told = await heard(socket)
    assert told["type"] == "ready"
    return int(told["seq"])


async def test_what_happens_is_heard_at_once_on_every_process(
    api: Api, ana: Client, port: int, other_port: int
) -> None:
    rep = await member(api, ana, "REP")
    async with stream(port, ana.token) as one, stream(other_port, rep.token) as other:
        await ready(one)
        await ready(other)
        await say(api, ana, "Lunch is at noon")
        assert (await heard(one))["text"] == (await heard(other))["text"] == "Lunch is at noon"
        await say(api, ana, "Only you", rep)
        assert (await heard(other))["text"] == "Only you"
        await say(api, ana, "All again")
        assert (await heard(one))["text"] == "All again"  # what was for one alone did not come here


async def test_nothing_is_lost_between_two_connections_and_nothing_comes_twice(
    api: Api, ana: Client, port: int, other_port: int
) -> None:
    async with stream(port, ana.token) as socket:
        await ready(socket)
        await say(api, ana, "one")
        last = (await heard(socket))["seq"]
    for word in ("two", "three"):
        await say(api, ana, word)
    async with stream(other_port, ana.token, f"?after={last}") as socket:
        found = [await heard(socket) for _ in range(3)]
        assert [told.get("text") for told in found] == ["two", "three", None]
        assert found[2] == {"type": "ready", "seq": found[1]["seq"]}
        await say(api, ana, "four")
        assert (await heard(socket))["text"] == "four"


async def test_many_at_once_come_in_order_to_a_socket_that_opens_among_them(api: Api, ana: Client, port: int) -> None:
    tenant_id = UUID((await ana.get("/v1/me")).json()["tenant_id"])
    user_id = UUID((await ana.get("/v1/me")).json()["id"])

    async def tell(number: int) -> None:
        async with api.services.db.tenant(tenant_id) as tx:
            await notify(tx, Notice("announcement", tenant_id, str(new_id()), text=str(number)), [user_id])

    telling = asyncio.gather(*(tell(number) for number in range(60)))
    async with stream(port, ana.token, "?after=0") as socket:
        found: list[dict[str, Any]] = []
        while len(found) < 60:
            told = await heard(socket)
            if told["type"] == "notification":
                found.append(told)
    await telling
    assert {told["text"] for told in found} == {str(number) for number in range(60)}
    numbers = [told["seq"] for told in found]
    assert numbers == sorted(set(numbers))


async def test_reading_on_one_page_counts_on_all(api: Api, ana: Client, port: int) -> None:
    await say(api, ana, "one")
    async with stream(port, ana.token, "?after=0") as socket:
        told = await heard(socket)
        await ready(socket)
        await socket.send(json.dumps({"type": "read", "up_to": told["seq"]}))
        await socket.send(json.dumps({"type": "ping"}))
        assert (await heard(socket))["type"] == "pong"
    assert (await ana.get("/v1/notifications/unread")).json() == {"unread": 0}
    [row] = (await ana.get("/v1/notifications")).json()["items"]
    assert row["read_at"] is not None
    assert (await ana.get("/v1/notifications?unread=true")).json()["items"] == []


async def closed(socket: ClientConnection) -> tuple[int, dict[str, Any]]:
    told = await heard(socket)
    with pytest.raises(ConnectionClosed) as end:
        await heard(socket)
    assert end.value.rcvd is not None
    return end.value.rcvd.code, told


async def test_a_refusal_says_why(api: Api, ana: Client, port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/v1/notifications/stream") as socket:
        code, told = await closed(socket)
        assert (code, told["type"], told["status"]) == (4401, "error", 401)
    async with stream(port, "nonsense") as socket:
        assert (await closed(socket))[0] == 4401
    async with stream(port, ana.token, "?after=-1") as socket:
        assert (await closed(socket))[0] == 4422


@pytest.mark.parametrize(
    "rubbish", ["", "[]", "null", '{"type": "read"}', '{"type": "read", "up_to": true}', "x" * 20_000]
)
async def test_rubbish_is_refused_with_what_to_send(ana: Client, port: int, rubbish: str) -> None:
    async with stream(port, ana.token) as socket:
        await ready(socket)
        await socket.send(rubbish)
        code, told = await closed(socket)
        assert code == 4400
        assert "ping" in told["detail"]


async def test_another_tenant_hears_nothing(api: Api, ana: Client, port: int) -> None:
    bea = Client(api, (await sign_up(api, "rival", email="bea@rival.example"))["access_token"])
    async with stream(port, bea.token, "?after=0") as socket:
        await ready(socket)
        await say(api, ana, "secret")
        await say(api, bea, "hers")
        assert (await heard(socket))["text"] == "hers"


async def test_the_list_pages_and_a_muted_kind_is_not_told(api: Api, ana: Client) -> None:
    for number in range(3):
        await say(api, ana, str(number))
    first = (await ana.get("/v1/notifications?limit=2")).json()
    rest = (await ana.get(f"/v1/notifications?limit=2&cursor={first['next_cursor']}")).json()
    assert [row["text"] for row in first["items"] + rest["items"]] == ["2", "1", "0"]
    assert (await ana.request("put", "/v1/notifications/settings", json={"muted": ["announcement"]})).status_code == 200
    await say(api, ana, "unheard")
    assert (await ana.get("/v1/notifications/unread")).json() == {"unread": 3}
    wrong = await ana.request("put", "/v1/notifications/settings", json={"muted": ["gossip"]})
    assert wrong.status_code == 422
    assert "task_waiting" in wrong.json()["errors"][0]["message"]
