"""Predictions over a WebSocket: answers with their ids, errors that do not end it, and who may ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.app import create_app
from core.datascience.predictions import stream
from core.kit.ids import new_id
from core.ports import Prediction, Question
from tests.core.datascience.predictions.test_api import api as api
from tests.core.datascience.predictions.test_api import logged, promote
from tests.fakes.engines import FakePredictor
from tests.sockets import Socket, connect
from tests.support import Api, Client, member, new_deal, sign_up

PATH = "/v1/insights/stream"
ROW = {"features": {"meetings": 2}}


@pytest.fixture
async def socket(api: Api, ana: Client) -> AsyncIterator[Socket]:
    async with connect(create_app(api.services), PATH, token=ana.token) as opened:
        yield opened


async def test_messages_are_answered_with_their_ids(api: Api, ana: Client, socket: Socket) -> None:
    await promote(api)
    deal = await new_deal(ana)
    await socket.send({"id": "a", "rows": [ROW], "language": "en"})
    await socket.send({"id": "b", "rows": [{"deal_id": deal["id"]}, ROW], "what_if": True})
    found = {told["id"]: told for told in [await socket.read(), await socket.read()]}
    by_http = (await ana.post("/v1/insights/predict", json={"rows": [ROW], "language": "en"})).json()
    assert found["a"] == {"type": "predictions", "id": "a", **by_http}
    assert [row["deal_id"] for row in found["b"]["predictions"]] == [deal["id"], None]
    assert {row["source"] for row in await logged(api, ana)} == {"stream", "http"}


WRONG: dict[str, tuple[Any, int, str | None]] = {
    "no JSON": ("{", 400, None),
    "no object": ([], 422, None),
    "nothing asked": ({"id": "a"}, 422, "a"),
    "no id": ({"rows": [ROW]}, 422, None),
    "an unknown feature": ({"id": "a", "rows": [{"features": {"shoe_size": 44}}]}, 422, "a"),
    "a deal that is not there": ({"id": "a", "rows": [{"deal_id": str(new_id())}]}, 404, "a"),
    "an unknown context": ({"id": "a", "rows": [ROW], "context": "weather"}, 422, "a"),
    "too long": ("x" * (stream.MOST_MESSAGE_BYTES + 1), 413, None),
    "deeply nested": ("[" * 100_000, 400, None),
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_is_wrong_with_a_message_is_told_and_the_next_is_answered(socket: Socket, case: str) -> None:
    message, status, id_ = WRONG[case]
    await socket.send(message)
    told = await socket.read()
    assert (told["type"], told["status"], told["id"]) == ("error", status, id_)
    assert told["detail"]
    await socket.send({"id": "next", "rows": [ROW]})
    assert (await socket.read())["id"] == "next"


@pytest.mark.parametrize(("role", "code"), [(None, 4401), ("REP", 4403)])
async def test_who_may_not_ask_is_told_so(api: Api, ana: Client, role: str | None, code: int) -> None:
    token = (await member(api, ana, role)).token if role else None
    async with connect(create_app(api.services), PATH, token=token) as socket:
        told = await socket.read()
        assert (told["type"], told["status"]) == ("error", code - 4000)
        assert await socket.read() is None
        assert socket.closed == code


async def test_who_lost_the_permission_meanwhile_gets_no_answer(api: Api, ana: Client) -> None:
    scientist = await member(api, ana, "DATA_SCIENTIST")
    async with connect(create_app(api.services), PATH, token=scientist.token) as socket:
        await socket.send({"id": "a", "rows": [ROW]})
        assert (await socket.read())["type"] == "predictions"
        assert (await scientist.post("/v1/logout")).status_code < 300
        await socket.send({"id": "b", "rows": [ROW]})
        told = await socket.read()
        assert (told["type"], told["status"], told["id"]) == ("error", 401, "b")


async def test_another_tenants_deal_is_as_if_it_were_not(api: Api, ana: Client, socket: Socket) -> None:
    eve = Client(api, (await sign_up(api, "rival", email="eve@example.com"))["access_token"])
    theirs = await new_deal(eve)
    answers = []
    for deal_id in (theirs["id"], str(new_id())):
        await socket.send({"id": "a", "rows": [{"deal_id": deal_id}]})
        told = await socket.read()
        answers.append({name: told[name] for name in ("type", "status", "detail")})
    assert answers[0] == answers[1]


class Slow(FakePredictor):
    """Answers when it is told to, and counts who waits."""

    def __init__(self) -> None:
        self.waiting = 0
        self.full = asyncio.Event()
        self.go = asyncio.Event()

    async def predict(self, tenant_id: Any, rows: Any, **how: Any) -> list[Prediction]:
        self.waiting += 1
        if self.waiting == stream.MOST_AT_ONCE:
            self.full.set()
        await self.go.wait()
        asked: list[Question] = list(rows)
        return await super().predict(tenant_id, asked)


async def test_nothing_more_is_read_while_many_are_in_work(api: Api, ana: Client) -> None:
    slow = api.services.predictor = Slow()
    async with connect(create_app(api.services), PATH, token=ana.token) as socket:
        for number in range(3 * stream.MOST_AT_ONCE):
            await socket.send({"id": str(number), "rows": [ROW]})
        async with asyncio.timeout(30):
            await slow.full.wait()
        for _ in range(50):
            await asyncio.sleep(0)
        assert slow.waiting == stream.MOST_AT_ONCE
        slow.go.set()
        ids = {(await socket.read())["id"] for _ in range(3 * stream.MOST_AT_ONCE)}
        assert ids == {str(number) for number in range(3 * stream.MOST_AT_ONCE)}
