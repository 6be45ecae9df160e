"""A client of `/v1/live`: numbers frames, holds them until they are acknowledged, and comes back by itself.

async with LiveClient("wss://…", token, wire.Start(type="start", sample_rate_hz=16_000)) as live:
    sending = asyncio.create_task(play(live))       # await live.send(frame) …, then await live.end()
    async for event in live.events():               # until `session_ended`
        ...
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Annotated, Any, TypeAlias

from pydantic import Field, TypeAdapter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from core.kit.errors import BadInput, Unavailable
from core.kit.retry import backoff_s
from core.live import wire

Event: TypeAlias = (
    wire.SessionStarted | wire.SpeechStarted | wire.Partial | wire.Stable | wire.Final | wire.Intent | wire.Objection
    | wire.Suggestion | wire.Battlecard | wire.Metrics | wire.Mood | wire.Warned | wire.SessionEnded
)  # fmt: skip
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
_PING = json.dumps({"type": "ping"})
_REFUSED_FROM = 4_000
_MOST_UNACKED = 500
_TRIES = 8


class LiveClient:
    """`url`: of the API, with the scheme ws or wss. `token` may be a function, asked anew for each connection."""

    def __init__(self, url: str, token: str | Callable[[], str], start: wire.Start) -> None:
        self._url = url.rstrip("/") + "/v1/live"
        self._token = token if callable(token) else lambda: token
        self._start = start
        self._session: str | None = None
        self._last_event = 0
        self._frame = 0
        self._unacked: OrderedDict[int, bytes] = OrderedDict()
        self._unanswered: deque[str] = deque()  # the pong behind each says that it was taken
        self._ended = False  # we said so
        self._events: asyncio.Queue[Event | Exception] = asyncio.Queue()
        self._connected = asyncio.Event()
        self._room = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> LiveClient:
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:  # fmt: skip # noqa: E501
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def send(self, sound: bytes) -> None:
        """One frame. Waits where many are not acknowledged yet; a lost connection is no matter."""
        self._frame += 1
        number = self._frame
        self._unacked[number] = sound
        while len(self._unacked) > _MOST_UNACKED:
            self._room.clear()
            await self._room.wait()
        await self._say(wire.frame(number, sound))

    async def ask(self, text: str | None = None) -> None:
        """A lost connection is no matter, but that the question may be answered twice."""
        await self._surely(json.dumps({"type": "ask", "text": text}))

    async def feedback(self, feedback: wire.Feedback) -> None:
        """A lost connection is no matter."""
        await self._surely(feedback.model_dump_json())

    async def end(self) -> None:
        """All was sent; `session_ended` follows."""
        self._ended = True
        await self._say(json.dumps({"type": "end"}))

    async def events(self) -> AsyncIterator[Event]:
        """Each once, in their order, until `session_ended`. Raises what the server refused, as `BadInput`, and
        `Unavailable` where it cannot be reached."""
        while True:
            event = await self._events.get()
            if isinstance(event, Exception):
                raise event
            yield event
            if isinstance(event, wire.SessionEnded):
                return

    async def drop(self) -> None:
        """Lose the connection, as a network does."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _surely(self, message: str) -> None:
        await self._connected.wait()
        self._unanswered.append(message)
        assert self._socket is not None
        try:
            await self._socket.send(message)
            await self._socket.send(_PING)
        except ConnectionClosed:
            return  # it is sent again

    async def _say(self, message: str | bytes) -> None:
        await self._connected.wait()
        try:
            assert self._socket is not None
            await self._socket.send(message)
        except ConnectionClosed:
            return  # frames and the end are sent again once there is a connection

    async def _read(self) -> None:
        attempt = 0
        while attempt < _TRIES:
            try:
                async with connect(self._url, subprotocols=self._protocols(), max_size=None) as socket:
                    await self._open(socket)
                    async for message in socket:
                        attempt = 0
                        self._take(json.loads(message))
                    code = socket.close_code
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else None
            except (OSError, InvalidHandshake):
                code = None
            finally:
                self._connected.clear()
            if code == 1000 or (code or 0) >= _REFUSED_FROM:
                return
            await asyncio.sleep(backoff_s(attempt, base_s=0.1, most_s=4.0))
            attempt += 1
        self._events.put_nowait(Unavailable("The server cannot be reached. Try again later."))

    def _protocols(self) -> list[Subprotocol]:
        return [Subprotocol("salesedge"), Subprotocol(f"bearer.{self._token()}")]

    async def _open(self, socket: ClientConnection) -> None:
        if self._session is None:
            await socket.send(self._start.model_dump_json())
        else:
            resume = {"type": "resume", "session": self._session, "last_event": self._last_event}
            await socket.send(json.dumps(resume))
        self._socket = socket

    def _take(self, told: dict[str, Any]) -> None:
        kind = told["type"]
        if kind == "ack":
            self._acknowledged(told["frame"])
        elif kind == "resumed":
            self._acknowledged(told["frame"])
            self._resending = asyncio.create_task(self._send_again())
        elif kind == "error":
            self._events.put_nowait(BadInput(told["detail"]))
        elif kind == "pong":
            if self._unanswered:
                self._unanswered.popleft()
        elif told["number"] > self._last_event:
            self._last_event = told["number"]
            if kind == "session_started":
                self._session = told["session"]
                self._connected.set()
            self._events.put_nowait(_EVENT.validate_python(told))

    async def _send_again(self) -> None:
        """What the server does not have, before anything else."""
        assert self._socket is not None
        try:
            for number, sound in list(self._unacked.items()):
                await self._socket.send(wire.frame(number, sound))
            for message in list(self._unanswered):
                await self._socket.send(message)
                await self._socket.send(_PING)
            if self._ended:
                await self._socket.send(json.dumps({"type": "end"}))
            self._connected.set()
        except ConnectionClosed:
            return

    def _acknowledged(self, number: int) -> None:
        while self._unacked and next(iter(self._unacked)) <= number:
            self._unacked.popitem(last=False)
        self._room.set()
