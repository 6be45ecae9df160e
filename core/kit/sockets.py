"""WebSockets: who asks, for how long, and how a refusal is told.

A token comes in `Authorization`, or from browsers, which cannot set headers, as a second subprotocol after our own:
`new WebSocket(url, ["salesedge", "bearer." + token])`. A refusal is a message of type `error` with the fields of RFC
9457, then a close with the code 4000 + HTTP status; browsers show neither status nor body of a refused handshake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi import WebSocket
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocketDisconnect, WebSocketState

from core.kit import rate_limits
from core.kit.errors import Unauthenticated
from core.kit.security import Identity

PROTOCOL = "salesedge"
_TOKEN = "bearer."  # noqa: S105 - the name of a subprotocol
_CLOSE_FROM = 4000
_SERVER_ERROR = 1011
_STANDING_S = 30.0
"""How long somebody whose session was ended may go on listening."""


def token_of(connection: HTTPConnection) -> str | None:
    """What the caller shows: a header, or a subprotocol of a WebSocket."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token
    offered = connection.scope.get("subprotocols", [])
    return next((name[len(_TOKEN) :] for name in offered if name.startswith(_TOKEN)), None)


async def admit(socket: HTTPConnection) -> Identity:
    """Who asks, with what he may do now. Raises `Unauthenticated`, `TooManyRequests`."""
    services = socket.app.state.services
    token = token_of(socket)
    try:
        if token is None:
            raise Unauthenticated(
                'Send `Authorization: Bearer <token>`, or the subprotocols "salesedge, bearer.<token>".'
            )
        identity: Identity = await services.gate.authenticate(token)
    except Unauthenticated:
        await rate_limits.count(socket, rate_limits.address(socket))
        raise
    await rate_limits.count(socket, *rate_limits.members(identity))
    async with services.db.tenant(identity.tenant_id) as tx:
        identity = await services.gate.admit(tx, identity)
    socket.state.identity = identity
    return identity


async def accept(socket: WebSocket) -> None:
    await socket.accept(subprotocol=PROTOCOL if PROTOCOL in socket.scope.get("subprotocols", []) else None)


async def refuse(socket: WebSocket, told: dict[str, Any]) -> None:
    """Say why, and hang up. `told`: the body of the problem, as HTTP would have it."""
    if socket.client_state is WebSocketState.DISCONNECTED or socket.application_state is WebSocketState.DISCONNECTED:
        return
    try:
        if socket.application_state is WebSocketState.CONNECTING:
            await accept(socket)
        await socket.send_json({**told, "type": "error", "problem": told["type"]})
        status = int(told["status"])
        await socket.close(_SERVER_ERROR if status >= 500 else _CLOSE_FROM + status)
    except (WebSocketDisconnect, RuntimeError):
        return  # gone before it could be told


async def run(socket: WebSocket, *parts: Coroutine[Any, Any, None], standing_s: float = _STANDING_S) -> None:
    """Until one of the parts ends, the other side hangs up, or the session of the caller does; all others are cancelled
    then. What a part raises is raised here."""
    tasks = [asyncio.ensure_future(part) for part in (*parts, _standing(socket, standing_s))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        error = task.exception()
        if error is not None and not isinstance(error, WebSocketDisconnect):
            raise error


async def _standing(socket: WebSocket, every_s: float) -> None:
    """Looks again and again whether the session that the socket was opened with still stands."""
    services, identity = socket.app.state.services, socket.state.identity
    token = token_of(socket) or ""
    while True:
        await asyncio.sleep(every_s)
        async with services.db.tenant(identity.tenant_id) as tx:
            await services.gate.still(tx, identity, token)
