"""Predictions over one WebSocket: JSON messages as POST /v1/insights/predict takes them, each with an `id` of the
caller's, answered as they are ready.

    → {"id": "1", "rows": [{"deal_id": "…"}]}
    ← {"type": "predictions", "id": "1", "predictions": […]}
    ← {"type": "error", "id": "2", "status": 422, "detail": "…", …}        for a message that cannot be answered

Each message is a transaction of its own, and asks anew what the caller may do. While `MOST_AT_ONCE` are in work nothing
more is read, so a caller who is too fast is slowed down by his own connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from fastapi import WebSocket
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.websockets import WebSocketDisconnect

from core.datascience.predictions import answer
from core.datascience.predictions.schemas import StreamIn
from core.kit import rate_limits, sockets
from core.kit.db import Actor
from core.kit.errors import BadInput, Forbidden, SalesEdgeError, Timeout, TooLarge
from core.kit.log import logger
from core.kit.web import told_of, translate

log = logger("predictions")
MOST_AT_ONCE = 8
MOST_MESSAGE_BYTES = 256 << 10
IDLE_S = 300.0


async def serve(socket: WebSocket) -> None:
    await sockets.accept(socket)
    await sockets.run(socket, _Conversation(socket).run())


class _Conversation:
    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._services = socket.app.state.services
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Until the caller hangs up, is silent for long, or may not ask any more."""
        async with asyncio.TaskGroup() as group:
            while (message := await self._read()) is not None:
                await self._slots.acquire()
                group.create_task(self._take(message))

    async def _read(self) -> str | None:
        try:
            async with asyncio.timeout(IDLE_S):
                message = await self._socket.receive()
        except TimeoutError:
            await self._socket.close(1000, "nothing was asked for a long time")
            return None
        if message["type"] == "websocket.disconnect":
            return None
        text: str = message.get("text") or (message.get("bytes") or b"").decode("utf-8", "replace")
        return text

    async def _take(self, message: str) -> None:
        """Answers one message; what is wrong with it is told, and the conversation goes on."""
        given: Any = None
        try:
            given = self._parsed(message)
            asked = StreamIn.model_validate(given)
            async with asyncio.timeout(self._services.settings.http.request_timeout_s):
                await self._send({"type": "predictions", "id": asked.id, "predictions": await self._answers(asked)})
        except Exception as error:
            await self._send(self._told(error, given))
        finally:
            self._slots.release()

    @staticmethod
    def _parsed(message: str) -> Any:
        if len(message) > MOST_MESSAGE_BYTES:
            raise TooLarge(f"A message has at most {MOST_MESSAGE_BYTES >> 10} KiB. Send fewer rows at once.")
        try:
            return json.loads(message)
        except (ValueError, RecursionError):
            raise BadInput("The message is no JSON.") from None

    async def _answers(self, asked: StreamIn) -> list[dict[str, Any]]:
        services, identity = self._services, self._socket.state.identity
        await rate_limits.count(self._socket, *rate_limits.members(identity))
        async with services.db.tenant(identity.tenant_id) as tx:
            now = await services.gate.admit(tx, identity)
            if "can_predict" not in now.scopes:
                raise Forbidden("This needs the permission can_predict, which you no longer have.")
            client = self._socket.client
            tx.actor = Actor(now.user_id, "user", client.host if client else None, now.scopes)
            found = await answer.predictions(tx, asked, services.predictor, services.inputs, source="stream")
        return [row.model_dump(mode="json") for row in found]

    def _told(self, error: Exception, given: Any) -> dict[str, Any]:
        if isinstance(error, ValidationError):
            error = RequestValidationError(error.errors(include_url=False, include_context=False))
        elif isinstance(error, TimeoutError):
            error = Timeout("The message took too long and was undone. Try again.")
        elif not isinstance(error, SalesEdgeError):
            log.error("stream_failed", error=type(error).__name__, exc_info=error)
        told = told_of(self._socket, translate(error))
        id_ = given.get("id") if isinstance(given, dict) else None
        return {**told, "type": "error", "problem": told["type"], "id": id_ if isinstance(id_, str) else None}

    async def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # gone before it could be told
            async with self._sending:
                await self._socket.send_json(message)
