"""What a body must be before it is read: of a known kind, within limits, sent in time, and JSON with one meaning.

Two readers of one body must not see two different things: keys that come twice, NaN and endless nesting are refused
(RFC 8259 leaves them open, RFC 7493 forbids them).
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, NoReturn

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.kit.errors import BadInput, SalesEdgeError, SlowRequest, TooLarge, UnsupportedMediaType
from core.kit.web import problem

_DEEPEST = 64
_MIB = 1024 * 1024
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


class Armour:
    """`most_bytes` of a form, `most_json_bytes` of anything else; `idle_s` without a byte, or `whole_s` for a body of
    JSON in all, end the request. Answers 400, 408, 413 and 415."""

    def __init__(
        self, app: ASGIApp, *, most_bytes: int, most_json_bytes: int, idle_s: float = 10.0, whole_s: float = 30.0
    ) -> None:
        self._next = app
        self._most_bytes = most_bytes
        self._most_json_bytes = most_json_bytes
        self._idle_s = idle_s
        self._whole_s = whole_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._next(scope, receive, send)
            return
        request = Request(scope)
        body = _Body(receive, self._idle_s, self._most(request))
        try:
            body.expect(request.headers.get("content-length", "0"))
            if not _is_form(request):
                async with asyncio.timeout(self._whole_s):
                    await body.read(request)
        except TimeoutError:
            await _refuse(request, _slow(), send)
            return
        except SalesEdgeError as error:
            await _refuse(request, error, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if body.failure is None or started:
                started = True
                await send(message)

        try:
            await self._next(scope, body.receive, sending)
        except SalesEdgeError:
            if body.failure is None or started:
                raise
        # The framework turns what goes wrong while it reads into an answer of its own: ours says what to do.
        if body.failure is not None and not started:
            await _refuse(request, body.failure, send)

    def _most(self, request: Request) -> int:
        return self._most_bytes if _is_form(request) else self._most_json_bytes


class _Body:
    """The body of one request as it comes, counted and timed."""

    def __init__(self, receive: Receive, idle_s: float, most: int) -> None:
        self._receive = receive
        self._idle_s = idle_s
        self._most = most
        self._taken = 0
        self._more = True
        self._read: bytes | None = None
        self.failure: SalesEdgeError | None = None

    def expect(self, declared: str) -> None:
        if declared.isdigit() and int(declared) > self._most:
            raise self._too_large()

    async def read(self, request: Request) -> None:
        """The whole of it, checked."""
        parts = bytearray()
        while self._more:
            message = await self._next_message()
            if message["type"] != "http.request":
                self._read = None
                return
            parts += message.get("body", b"")
        self._read = bytes(parts)
        if parts:
            _check_kind(request)
            check_json(self._read)

    async def receive(self) -> Message:
        if self._read is not None:
            body, self._read = self._read, None
            return {"type": "http.request", "body": body, "more_body": False}
        try:
            return await self._next_message()
        except SalesEdgeError as error:
            self.failure = error
            raise

    async def _next_message(self) -> Message:
        if not self._more:  # the next one can only be the end of the connection, which may be long
            return await self._receive()
        try:
            async with asyncio.timeout(self._idle_s):
                message = await self._receive()
        except TimeoutError:
            raise _slow() from None
        self._taken += len(message.get("body", b""))
        self._more = message["type"] == "http.request" and message.get("more_body", False)
        if self._taken > self._most:
            raise self._too_large()
        return message

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The request is over {self._most // _MIB} MB. Send less, or compress the recording.")


def check_json(body: bytes) -> None:
    """Raises `BadInput` for what parsers read in different ways. What is no JSON at all is left to the route."""
    try:
        value = json.loads(body, object_pairs_hook=_once, parse_constant=_constant)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        return
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise _too_deep()


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadInput("The JSON names a key twice in one object. Send each key once.")
    return found


def _constant(name: str) -> NoReturn:
    raise BadInput(f"{name} is no number of JSON. Send a number, or null.")


def _too_deep() -> BadInput:
    return BadInput(f"The JSON is nested deeper than {_DEEPEST} levels. Send it flatter.")


def _slow() -> SlowRequest:
    return SlowRequest("The request came too slowly. Send it again, in one go.")


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_form(request: Request) -> bool:
    return _kind(request) in _FORMS


def _check_kind(request: Request) -> None:
    kind = _kind(request)
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaType("Send `Content-Type: application/json`, or a file as multipart/form-data.")


async def _refuse(request: Request, error: SalesEdgeError, send: Send) -> None:
    answer = problem(request, error)
    if error.status in (SlowRequest.status, TooLarge.status):
        answer.headers["Connection"] = "close"  # the rest of the body is not waited for
    await answer(request.scope, request.receive, send)
