"""One socket of a live session. It carries frames into the store and events out of it, and knows nothing else: a client
that comes back by another socket, on another server, goes on where it was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from fastapi import WebSocket
from pydantic import BaseModel
from starlette.websockets import WebSocketDisconnect

from core.kit import sockets
from core.kit.db import Actor, Tx
from core.kit.errors import BadInput, Conflict, NotFound, Timeout, TooManyRequests
from core.live import wire
from core.live.begin import PURPOSES, begin
from core.live.facts import Facts
from core.live.store import LiveStore

OPENING_S = 10.0
SLOW_S = 10.0
"""A client that takes nothing for so long is hung up on; it may come back."""
ACK_S = 0.25  # of sound between two acks
LATEST = ("metrics", "mood")
"""Of these only the newest matters."""
_LOOK_S = 1.0
_SEEN_S = 5.0
_CONSENT_S = 30.0


class Conversation:
    """`run` until the session is over or the client is gone."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._services = socket.app.state.services
        self._identity = socket.state.identity
        self._store: LiveStore = self._services.live.store
        self._client_s: float = self._services.live.settings.resumable_s
        self._sending = asyncio.Lock()
        self._unacked_s = 0.0

    async def run(self) -> None:
        await sockets.accept(self._socket)
        self._services.live.wake()
        opening = await self._opening()
        if isinstance(opening, wire.Start):
            async with self._services.db.tenant(self._identity.tenant_id) as tx:
                self._facts = await self._begun(tx, opening)
            after = 0
        else:
            self._facts = await self._resumed(opening)
            after = opening.last_event
        await sockets.run(self._socket, self._take(), self._tell(after), self._consented())

    async def _opening(self) -> wire.Start | wire.Resume:
        try:
            async with asyncio.timeout(OPENING_S):
                message = await self._socket.receive()
        except TimeoutError:
            raise Timeout("Begin with a message of type `start` or `resume`.") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        if message.get("text") is None:
            raise BadInput("Begin with a message of type `start` or `resume`, in JSON; sound follows.")
        opening: wire.Start | wire.Resume = wire.parsed(wire.OPENING, message["text"])
        return opening

    async def _begun(self, tx: Tx, said: wire.Start) -> Facts:
        identity = await self._services.gate.admit(tx, self._identity)
        client = self._socket.client
        tx.actor = Actor(identity.user_id, identity.kind, client.host if client else None, identity.scopes)
        services = self._services
        return await begin(
            tx, said, identity.user_id, door=services.live, find_deal=services.find_deal,
            may_record=services.may_record, limits=services.limits,
        )  # fmt: skip

    async def _resumed(self, said: wire.Resume) -> Facts:
        """Raises `NotFound`, also where it is somebody else's."""
        kept = await self._store.kept(said.session)
        facts = Facts.model_validate(kept.facts)
        if (facts.tenant_id, facts.owner_id) != (self._identity.tenant_id, self._identity.user_id):
            raise NotFound("There is no such session running. Start another.")
        if not kept.closed:
            await self._store.seen(facts.session, client_s=self._client_s)
        await self._send(wire.Resumed(session=facts.session, frame=kept.frame, last_event=said.last_event))
        return facts

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _take(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                if message.get("bytes") is not None:
                    await self._frame(message["bytes"])
                else:
                    await self._said(wire.parsed(wire.SAID, message.get("text") or ""))
            except NotFound:
                continue  # it ended meanwhile: the last event is on its way

    async def _frame(self, message: bytes) -> None:
        number, payload = wire.unframed(message)
        form = self._facts.form
        samples = form.samples(payload)
        try:
            last = await self._store.frame(self._facts.session, number, samples, payload, client_s=self._client_s)
        except Conflict as gap:
            raise Conflict(f"{gap.detail} Come back with `resume`.", **gap.extra) from None
        self._unacked_s += samples / form.sample_rate_hz
        if self._unacked_s >= ACK_S or last > number:
            self._unacked_s = 0.0
            await self._send(wire.Ack(frame=last))

    async def _said(self, said: wire.Ask | wire.Feedback | wire.End | wire.Ping) -> None:
        session = self._facts.session
        if isinstance(said, wire.Ping):
            await self._send(wire.Pong())
        elif isinstance(said, wire.End):
            await self._store.note(session, "end", {"reason": "ended"}, closes=True)
            await self._send(wire.Ack(frame=(await self._store.kept(session)).frame))
        else:
            await self._store.note(session, said.type, said.model_dump(mode="json"))

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _tell(self, after: int) -> None:
        """All events in their order. Who is slow gets fewer that nobody needs; the others wait for him in the store."""
        session, seen_s = self._facts.session, time.monotonic()
        while True:
            events = await self._store.events(session, after, wait_s=_LOOK_S)
            for event in worth_telling(events):
                await self._send(event)
                if event["type"] == "session_ended":
                    await self._socket.close(1000, "the session is over")
                    return
            after = events[-1]["number"] if events else after
            if time.monotonic() - seen_s >= _SEEN_S:
                seen_s = time.monotonic()
                await self._store.seen(session, client_s=self._client_s)

    async def _send(self, message: BaseModel | dict[str, Any]) -> None:
        body = message.model_dump(mode="json") if isinstance(message, BaseModel) else message
        try:
            async with self._sending, asyncio.timeout(SLOW_S):
                await self._socket.send_json(body)
        except TimeoutError:
            raise TooManyRequests("You are too slow. Come back with `resume`.", retryAfter=1) from None

    async def _consented(self) -> None:
        """A consent that is withdrawn in the middle of the talk ends the session."""
        facts = self._facts
        while True:
            await asyncio.sleep(_CONSENT_S)
            async with self._services.db.tenant(facts.tenant_id) as tx:
                try:
                    await self._services.may_record(tx, facts.deal_id, facts.customer_emails, purposes=PURPOSES)
                except Conflict:
                    await self._store.note(facts.session, "end", {"reason": "consent_withdrawn"}, closes=True)


def worth_telling(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of events that wait together: no partial behind which more of its utterance follows; of some kinds the newest."""
    told, later = [], set()
    for event in reversed(events):
        kind = event["type"]
        about = kind if kind in LATEST else (event.get("side"), event.get("utterance"))
        if (kind != "partial" and kind not in LATEST) or about not in later:
            told.append(event)
        if kind in ("partial", "stable", "final", *LATEST):
            later.add(about)
    return told[::-1]
