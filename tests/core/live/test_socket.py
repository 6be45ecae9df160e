"""The socket on a real server, by the client that users have: refusals, resuming on another server, slow clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from core.bootstrap import Services
from core.kit.clock import VirtualClock
from core.kit.errors import BadInput
from core.kit.ids import new_id
from core.live import wire
from core.live.client import LiveClient
from core.live.conversation import worth_telling
from core.live.suggest import repository as suggestions
from core.live.suggest.model import SuggestionRow
from core.settings import Settings
from tests.core.live.made import frames, pcm, talk
from tests.core.notifications.conftest import served
from tests.fakes.services import fake_services
from tests.support import Api, Client, member, new_deal, sign_up

START = wire.Start(type="start", channels=["seller", "customer"], sample_rate_hz=16_000)
FRAME = 2 * 2 * 1_600  # bytes of 100 ms
SELLER, CUSTOMER = "#" * 20 + "." * 20 + "#" * 15, "." * 25 + "#" * 15 + "." * 15
SOUND = frames(pcm(talk(SELLER), talk(CUSTOMER)), FRAME)


@contextlib.asynccontextmanager
async def house(services: Services) -> AsyncIterator[int]:
    async with served(services) as port:
        yield port
    await services.live.close()


@pytest.fixture
async def port(api: Api) -> AsyncIterator[int]:
    async with house(api.services) as at:
        yield at


@pytest.fixture
async def other_port(settings: Settings, clock: VirtualClock) -> AsyncIterator[int]:
    """A second process of the ingress: nothing shared but the servers."""
    services: Any = fake_services(settings, clock)
    async with house(services) as at:
        yield at
    await services.db.close()


def opened(port: int, token: str) -> contextlib.AbstractAsyncContextManager[ClientConnection]:
    """As a browser opens it."""
    url = f"ws://127.0.0.1:{port}/v1/live"
    return connect(url, subprotocols=["salesedge", f"bearer.{token}"])  # type: ignore[list-item]


async def said(socket: ClientConnection, message: Any) -> None:
    await socket.send(message if isinstance(message, bytes | str) else json.dumps(message))


async def told(socket: ClientConnection, *, until: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while not found or found[-1]["type"] != until:
            found.append(json.loads(await socket.recv()))
    return found


async def refused(socket: ClientConnection) -> tuple[int, dict[str, Any]]:
    error = (await told(socket, until="error"))[-1]
    with pytest.raises(ConnectionClosed) as end:
        await socket.recv()
    assert end.value.rcvd is not None
    return end.value.rcvd.code, error


async def test_a_whole_session_by_the_client(api: Api, ana: Client, port: int) -> None:
    deal = await new_deal(ana)
    start = wire.Start.model_validate({**START.model_dump(), "deal_id": deal["id"], "title": "Weekly"})
    async with LiveClient(f"ws://127.0.0.1:{port}", ana.token, start) as live:
        for sound in SOUND:
            await live.send(sound)
        await live.ask("the price")
        await live.end()
        events = [event async for event in live.events()]
    texts = [(event.side, event.text) for event in events if isinstance(event, wire.Final)]
    assert texts == [("seller", "w0 w5 w10 w15"), ("customer", "w25 w30 w35"), ("seller", "w40 w45 w50")]
    asked = [event for event in events if isinstance(event, wire.Suggestion) and event.asked]
    assert [event.text for event in asked] == ["about the price"]
    over = events[-1]
    assert isinstance(over, wire.SessionEnded)
    call = (await ana.get(f"/v1/calls/{over.call_id}")).json()
    assert (call["deal_id"], call["title"], call["status"]) == (deal["id"], "Weekly", "uploaded")
    started = events[0]
    assert isinstance(started, wire.SessionStarted)
    row = (await ana.get(f"/v1/live/sessions/{started.session}")).json()
    assert (row["status"], row["reason"], row["call_id"]) == ("ended", "ended", str(over.call_id))
    assert row["metrics"]["talk_share"] == {"customer": 0.3, "seller": 0.7}
    listed = (await ana.get(f"/v1/live/sessions?deal_id={deal['id']}")).json()["items"]
    assert [item["id"] for item in listed] == [row["id"]]


async def test_a_client_that_is_cut_off_again_and_again_loses_nothing(api: Api, ana: Client, port: int) -> None:
    async with LiveClient(f"ws://127.0.0.1:{port}", ana.token, START) as live:
        for number, sound in enumerate(SOUND):
            await live.send(sound)
            if number % 13 == 12:
                await live.drop()
                await live.ask(f"{number}")
        await live.end()
        events = [event async for event in live.events()]
    asked = [event.text for event in events if isinstance(event, wire.Suggestion) and event.asked]
    drops = range(12, len(SOUND), 13)
    assert list(dict.fromkeys(asked)) == [f"about {number}" for number in drops]
    texts = [(event.side, event.text) for event in events if isinstance(event, wire.Final)]
    assert texts == [("seller", "w0 w5 w10 w15"), ("customer", "w25 w30 w35"), ("seller", "w40 w45 w50")]
    numbers = [event.number for event in events]
    assert numbers == sorted(set(numbers))


async def test_another_server_goes_on_where_the_first_was(api: Api, ana: Client, port: int, other_port: int) -> None:
    async with opened(port, ana.token) as socket:
        await said(socket, START.model_dump_json())
        [started] = await told(socket, until="session_started")
        for number, sound in enumerate(SOUND[:20], start=1):
            await said(socket, wire.frame(number, sound))
        seen = (await told(socket, until="stable"))[-1]
    async with opened(other_port, ana.token) as socket:
        await said(socket, {"type": "resume", "session": started["session"], "last_event": seen["number"]})
        [resumed] = await told(socket, until="resumed")
        assert 0 < resumed["frame"] <= 20
        for number, sound in enumerate(SOUND, start=1):  # those that are known are passed over
            await said(socket, wire.frame(number, sound))
        await said(socket, {"type": "end"})
        events = [e for e in await told(socket, until="session_ended") if "number" in e]
    assert min(event["number"] for event in events) > seen["number"]
    assert [e["text"] for e in events if e["type"] == "final"] == ["w0 w5 w10 w15", "w25 w30 w35", "w40 w45 w50"]


async def test_a_session_is_its_owner_s_alone(api: Api, ana: Client, port: int) -> None:
    bea = Client(api, (await sign_up(api, "rival", email="bea@rival.example"))["access_token"])
    rob = await member(api, ana, "REP")
    deal = await new_deal(ana)
    async with opened(port, ana.token) as socket:
        await said(socket, START.model_dump_json())
        [started] = await told(socket, until="session_started")
        for other in (bea, rob):
            async with opened(port, other.token) as theirs:
                await said(theirs, {"type": "resume", "session": started["session"]})
                assert (await refused(theirs))[0] == 4404
        async with opened(port, bea.token) as theirs:
            await said(theirs, {**START.model_dump(mode="json"), "deal_id": deal["id"]})
            assert (await refused(theirs))[0] == 4404
    assert (await bea.get(f"/v1/live/sessions/{started['session']}")).status_code == 404
    assert (await rob.get(f"/v1/live/sessions/{started['session']}")).status_code == 404


async def test_without_a_basis_nothing_begins(api: Api, ana: Client, port: int) -> None:
    deal = await new_deal(ana)
    for purpose in ("recording", "analysis"):
        basis = {f"{purpose}_basis": "consent"}
        assert (await ana.request("PUT", "/v1/privacy/bases", json=await with_basis(ana, basis))).status_code == 200
        async with opened(port, ana.token) as socket:
            await said(socket, {**START.model_dump(mode="json"), "deal_id": deal["id"]})
            code, error = await refused(socket)
        assert code == 4409
        assert "consent" in error["detail"]
        back = {f"{purpose}_basis": "legitimate_interest"}
        assert (await ana.request("PUT", "/v1/privacy/bases", json=await with_basis(ana, back))).status_code == 200
    assert (await ana.get("/v1/live/sessions")).json()["items"] == []


async def with_basis(ana: Client, basis: dict[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = (await ana.get("/v1/privacy/bases")).json()
    return {**settings, **basis}


@pytest.mark.parametrize(
    ("message", "code", "says"),
    [
        ("{}", 4422, "errors"),
        ("no JSON", 4422, "errors"),
        (b"\0\0\0\1sound", 4400, "start"),
        ({"type": "start", "sample_rate_hz": 44_100}, 4422, "sample_rate_hz"),
        ({"type": "start", "channels": ["seller", "seller"]}, 4422, "two channels"),
        ({"type": "start", "encoding": "opus"}, 4422, "48000"),
        ({"type": "resume", "session": "01a21be2-0000-7000-8000-000000000000"}, 4404, "no such session"),
        ("x" * 20_000, 4400, "at most"),
    ],
)
async def test_a_wrong_opening_is_refused_with_what_to_send(
    ana: Client, port: int, message: Any, code: int, says: str
) -> None:
    async with opened(port, ana.token) as socket:
        await said(socket, message)
        closed, error = await refused(socket)
    assert closed == code
    assert says in json.dumps(error)


@pytest.mark.parametrize(
    ("message", "code", "says"),
    [
        (b"\0\0", 4400, "four bytes"),
        (wire.frame(1, b"")[:3] + b"\0" + b"xx", 4400, "counted from 1"),
        (wire.frame(3, b"\0" * FRAME), 4409, "Frame 1 is missing"),
        (wire.frame(1, b"\0" * 7), 4422, "PCM16"),
        (wire.frame(1, b"\0" * 4 * 16_000), 4422, "500 ms"),
        ({"type": "shout"}, 4422, "errors"),
        ({"type": "feedback", "suggestion": "01a21be2-0000-7000-8000-000000000000", "verdict": "rate"}, 4422, "rating"),
    ],
)
async def test_a_wrong_message_is_refused_and_the_session_waits(
    ana: Client, port: int, message: Any, code: int, says: str
) -> None:
    async with opened(port, ana.token) as socket:
        await said(socket, START.model_dump_json())
        [started] = await told(socket, until="session_started")
        await said(socket, message)
        closed, error = await refused(socket)
    assert (closed, says in json.dumps(error)) == (code, True), error
    async with opened(port, ana.token) as socket:
        await said(socket, {"type": "resume", "session": started["session"], "last_event": started["number"]})
        assert (await told(socket, until="resumed"))[-1]["frame"] == 0


async def test_a_full_house_says_so(api: Api, ana: Client, port: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(api.services.live.settings.sessions_per_host):
            socket = await stack.enter_async_context(opened(port, ana.token))
            await said(socket, START.model_dump_json())
            await told(socket, until="session_started")
        with pytest.raises(BadInput, match="as can be heard in time"):
            async with LiveClient(f"ws://127.0.0.1:{port}", ana.token, START) as live:
                [_ async for _ in live.events()]


def test_who_is_behind_gets_fewer_partials_and_all_else() -> None:
    def one(kind: str, number: int, utterance: int = 0, side: str = "seller") -> dict[str, Any]:
        return {"type": kind, "number": number, "side": side, "utterance": utterance}

    waiting = [
        one("partial", 1), one("partial", 2, side="customer"), one("partial", 3), one("stable", 4), one("metrics", 5),
        one("partial", 6), one("suggestion", 7), one("final", 8), one("metrics", 9), one("partial", 10, 1),
    ]  # fmt: skip
    assert [event["number"] for event in worth_telling(waiting)] == [2, 4, 7, 8, 9, 10]


async def test_the_socket_is_described_by_its_own_shapes(api: Api) -> None:
    told = (await api.get("/asyncapi.json")).json()
    channel = told["channels"]["live"]
    assert channel["address"] == "/v1/live"
    names = {told["components"]["messages"][name]["name"] for name in channel["messages"]}
    assert names >= {"start", "audio", "resume", "ask", "feedback", "end", "ping", "ack", "error"}
    assert names >= {
        "session_started", "speech_started", "partial", "stable", "final", "intent", "objection", "suggestion",
        "battlecard", "metrics", "warning", "session_ended",
    }  # fmt: skip
    refs = {part.split('"')[0] for part in json.dumps(told).split('"$ref": "')[1:]}
    for ref in refs:
        place: Any = told
        for step in ref.removeprefix("#/").split("/"):
            place = place[step]


async def test_a_suggestion_can_be_judged_after_the_call(api: Api, ana: Client, port: int) -> None:
    async with LiveClient(f"ws://127.0.0.1:{port}", ana.token, START) as live:
        await live.end()
        started, *_ = [event async for event in live.events()]
    assert isinstance(started, wire.SessionStarted)
    tenant_id = api.services.tokens.check(ana.token).tenant_id
    async with api.services.db.tenant(tenant_id) as tx:
        row = SuggestionRow(
            id=new_id(), tenant_id=tenant_id, session_id=started.session, kind="technique", entry="one", features={},
            confidence=0.5, asked=False, at=tx.clock.now(),
        )  # fmt: skip
        await suggestions.add(tx, row)
    url = f"/v1/live/suggestions/{row.id}/feedback"
    rob = await member(api, ana, "REP")
    assert (await rob.post(url, json={"verdict": "accepted"})).status_code == 404
    assert (await ana.post(url, json={})).status_code == 422
    assert (await ana.post(url, json={"verdict": "accepted", "rating": 4})).status_code == 204
    async with api.services.db.tenant(tenant_id) as tx:
        kept = await suggestions.suggestion(tx, row.id)
        assert (kept.verdict, kept.rating) == ("accepted", 4)
