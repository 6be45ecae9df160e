"""One announcement to 1,000 open sockets of 50 people, against the bare library that tells 1,000 sockets the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Awaitable, Callable

import httpx2
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, broadcast, serve

from core.app import create_app
from core.kit import log
from core.kit.clock import SystemClock
from core.settings import Settings
from tests.bench.harness import line, quantile, servers
from tests.fakes.services import fake_services
from tests.support import Api, Client, member, sign_up

SOCKETS, PEOPLE, TIMES = 1_000, 50, 10
Say = Callable[[str], Awaitable[None]]


def run() -> None:
    log.configure("WARNING", "console")  # a line for each socket would bury the result
    with servers() as settings:
        asyncio.run(_measure(settings))


async def _measure(settings: Settings) -> None:
    ours, peer = await _ours(settings), await _bare()
    line("notify", "fanout_p95_ms", ours, "ms", "websockets broadcast", peer, more_is_better=False)


async def _ours(settings: Settings) -> float:
    services = fake_services(settings, SystemClock())
    app = create_app(services)
    listening = socket.create_server(("127.0.0.1", 0), backlog=SOCKETS)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    running = asyncio.create_task(server.serve([listening]))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://bench") as http:
        api = Api(http, services)
        admin = Client(api, (await sign_up(api, "bench"))["access_token"])
        people = [await member(api, admin, "REP") for _ in range(PEOPLE)]
        url = f"ws://127.0.0.1:{listening.getsockname()[1]}/v1/notifications/stream"
        async with contextlib.AsyncExitStack() as stack:
            sockets = []
            for number in range(SOCKETS):
                headers = {"Authorization": f"Bearer {people[number % PEOPLE].token}"}
                sockets.append(await stack.enter_async_context(connect(url, additional_headers=headers)))
                await sockets[-1].recv()  # ready

            async def say(text: str) -> None:
                answer = await admin.post("/v1/notifications/announce", json={"text": text})
                assert answer.status_code == 201

            took = await _p95(sockets, say)
    server.should_exit = True
    await running
    await services.hub.close()
    await services.db.close()
    return took


async def _bare() -> float:
    there: set[ServerConnection] = set()

    async def hold(connection: ServerConnection) -> None:
        there.add(connection)
        await connection.wait_closed()

    async def say(text: str) -> None:
        broadcast(there, json.dumps({"text": text}))

    async with serve(hold, "127.0.0.1", 0) as server, contextlib.AsyncExitStack() as stack:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        sockets = [await stack.enter_async_context(connect(url)) for _ in range(SOCKETS)]
        return await _p95(sockets, say)


async def _p95(sockets: list[ClientConnection], say: Say) -> float:
    """Milliseconds from saying it to when 95 % of the sockets have it; the median of several times."""

    async def heard(socket: ClientConnection, text: str, begun: float) -> float:
        told = json.loads(await socket.recv())
        assert told["text"] == text
        return (time.perf_counter() - begun) * 1e3

    found = []
    for number in range(TIMES):
        begun = time.perf_counter()
        hearing = asyncio.gather(*(heard(socket, f"news {number}", begun) for socket in sockets))
        await say(f"news {number}")
        found.append(quantile(await hearing, 0.95))
    return quantile(found, 0.5)
