"""A WebSocket to the application in this process, by the ASGI protocol itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from starlette.types import ASGIApp


class Socket:
    """What a client of an open WebSocket can do. `closed`: the code that it was closed with, once it was."""

    def __init__(self) -> None:
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.closed: int | None = None
        self.protocol: str | None = None
        self.over = asyncio.Event()

    async def send(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        await self._to_app.put({"type": "websocket.receive", "text": text})

    async def read(self) -> Any:
        """The next message, or None where the socket was closed."""
        reading, over = asyncio.ensure_future(self._from_app.get()), asyncio.ensure_future(self.over.wait())
        await asyncio.wait([reading, over], timeout=30, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if not reading.done():
            reading.cancel()
            assert self.over.is_set(), "it says nothing"
            return None
        message = reading.result()
        if message["type"] == "websocket.close":
            self.closed = message.get("code", 1000)
            return None
        return json.loads(message["text"])

    async def hang_up(self) -> None:
        await self._to_app.put({"type": "websocket.disconnect", "code": 1000})


@asynccontextmanager
async def connect(app: ASGIApp, path: str, *, token: str | None = None, query: str = "") -> AsyncIterator[Socket]:
    """Read tells what came of it: a message, or that it was closed."""
    socket = Socket()
    headers = [(b"host", b"test")] + ([(b"authorization", f"Bearer {token}".encode())] if token else [])
    scope = {
        "type": "websocket", "asgi": {"version": "3.0", "spec_version": "2.4"}, "scheme": "ws", "path": path,
        "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("test", 80), "subprotocols": [], "http_version": "1.1",
    }  # fmt: skip

    async def send(message: Any) -> None:
        if message["type"] == "websocket.accept":
            socket.protocol = message.get("subprotocol")
        else:
            await socket._from_app.put(message)

    await socket._to_app.put({"type": "websocket.connect"})
    running = asyncio.ensure_future(app(scope, socket._to_app.get, send))  # type: ignore[arg-type]
    running.add_done_callback(lambda _: socket.over.set())
    try:
        yield socket
    finally:
        await socket.hang_up()
        async with asyncio.timeout(30):
            await running


async def first_answer(app: ASGIApp, path: str, *, token: str | None, message: Any) -> httpx2.Response:
    """What a WebSocket says to one message (None: to being opened), as if it were an answer by HTTP; 101 where it says
    nothing."""
    async with connect(app, path, token=token) as socket:
        if message is None:
            await socket.hang_up()
        else:
            await socket.send(message)
        told = await socket.read()
    if told is None:
        return httpx2.Response(101)
    status = told["status"] if told.get("type") == "error" else 200
    return httpx2.Response(status, text=json.dumps(told))
