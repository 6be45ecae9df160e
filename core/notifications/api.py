from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, WebSocket

from core.deals import repository as deals
from core.kit import sockets
from core.kit.errors import BadInput, Conflict, NotFound, TooManyRequests
from core.kit.ids import new_id
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentIdentity, CurrentTx, TenantRoute, allow
from core.notifications import repository
from core.notifications.hub import MOST_BEHIND, message
from core.notifications.model import Notification
from core.notifications.notify import Notice, notify, wishes_of
from core.notifications.schemas import (
    Announcement,
    Counted,
    NotificationOut,
    PushIn,
    PushKey,
    PushOut,
    Read,
    SlackIn,
    SlackOut,
    Told,
    Wanted,
)
from core.tenants import repository as tenants

router = APIRouter(prefix="/v1/notifications", tags=["notifications"], route_class=TenantRoute)
MINE, MANAGE = allow("can_view_tenant"), allow("can_manage_tenant")
_MOST_SUBSCRIPTIONS = 20
_MOST_TEXT = 16_384  # characters of one message from a client


@router.get("", dependencies=[MINE], summary="Mine, newest first")
async def list_notifications(
    tx: CurrentTx, identity: CurrentIdentity, page: Paging, unread: bool = False
) -> Page[NotificationOut]:
    rows = await repository.of_user(tx, identity.user_id, page, unread=unread)
    items = [NotificationOut.model_validate(shown) for shown in await _shown(tx, rows)]
    return Page(items=items, next_cursor=next_cursor(rows, page))


@router.get("/unread", dependencies=[MINE], summary="How many I have not read")
async def count_unread(tx: CurrentTx, identity: CurrentIdentity) -> Counted:
    return Counted(unread=await repository.count_unread(tx, identity.user_id))


@router.post("/read", dependencies=[MINE], summary="I have read these")
async def read(body: Read, tx: CurrentTx, identity: CurrentIdentity) -> Counted:
    await repository.mark_read(tx, identity.user_id, ids=body.ids, up_to=body.up_to)
    return Counted(unread=await repository.count_unread(tx, identity.user_id))


@router.post("/announce", status_code=201, dependencies=[MANAGE], summary="Tell one person, or everybody here")
async def announce(body: Announcement, tx: CurrentTx) -> Told:
    if body.user_id is not None and body.user_id not in await tenants.active_user_ids(tx):
        raise NotFound("There is no such user.")
    notice = Notice("announcement", tx.tenant_id, str(new_id()), text=body.text)
    return Told(told=len(await notify(tx, notice, [body.user_id] if body.user_id else None)))


@router.get("/settings", dependencies=[MINE], summary="How I want to be told")
async def read_settings(tx: CurrentTx, identity: CurrentIdentity) -> Wanted:
    row = await repository.settings(tx, identity.user_id)
    return Wanted.model_validate(row) if row else Wanted(ways=list(wishes_of(None).ways))


@router.put("/settings", dependencies=[MINE])
async def change_settings(body: Wanted, tx: CurrentTx, identity: CurrentIdentity) -> Wanted:
    values = {**body.model_dump(), "ways": sorted(set(body.ways))}
    return Wanted.model_validate(await repository.keep_settings(tx, identity.user_id, values))


@router.get("/push-key", dependencies=[MINE], summary="The key that browsers subscribe with")
async def push_key(request: Request) -> PushKey:
    return PushKey(public_key=request.app.state.services.sender.ways.public_key)


@router.post("/push-subscriptions", status_code=201, dependencies=[MINE], summary="Tell this browser by Web Push")
async def subscribe(body: PushIn, tx: CurrentTx, identity: CurrentIdentity) -> PushOut:
    known = await repository.subscriptions(tx, identity.user_id)
    if len(known) >= _MOST_SUBSCRIPTIONS and body.endpoint not in {row.endpoint for row in known}:
        raise Conflict(f"You have {_MOST_SUBSCRIPTIONS} browsers subscribed. Take one away first.")
    keys = body.keys
    return PushOut(id=await repository.subscribe(tx, identity.user_id, body.endpoint, keys.p256dh, keys.auth))


@router.delete("/push-subscriptions/{subscription_id}", status_code=204, dependencies=[MINE])
async def unsubscribe(subscription_id: UUID, tx: CurrentTx, identity: CurrentIdentity) -> Response:
    await repository.unsubscribe(tx, identity.user_id, subscription_id)
    return Response(status_code=204)


@router.get("/slack", dependencies=[MANAGE], summary="Is a Slack channel connected")
async def read_slack(tx: CurrentTx) -> SlackOut:
    return SlackOut(connected=await repository.slack_hook(tx) is not None)


@router.put("/slack", dependencies=[MANAGE], summary="Connect a Slack channel by its incoming webhook")
async def connect_slack(body: SlackIn, tx: CurrentTx, identity: CurrentIdentity, request: Request) -> SlackOut:
    sealed = request.app.state.services.sender.seal_hook(tx.tenant_id, body.url)
    await repository.keep_slack_hook(tx, sealed, identity.user_id)
    tx.audit("slack.connected", f"tenant:{tx.tenant_id}")
    return SlackOut(connected=True)


@router.delete("/slack", status_code=204, dependencies=[MANAGE])
async def disconnect_slack(tx: CurrentTx) -> Response:
    if await repository.drop_slack_hook(tx):
        tx.audit("slack.disconnected", f"tenant:{tx.tenant_id}")
    return Response(status_code=204)


async def _shown(tx: CurrentTx, rows: list[Notification]) -> list[dict[str, Any]]:
    language = (await tenants.tenant(tx)).locale[:2]
    names = await deals.names(tx, {row.deal_id for row in rows if row.deal_id})
    return [message(row, language, names) for row in rows]


# ── live ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.websocket("/stream", dependencies=[MINE])
async def stream(socket: WebSocket, after: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None) -> None:
    """Mine as they come, after all since `after`; without it, only new ones. A client may send `{"type": "read",
    "up_to": seq}` and `{"type": "ping"}`. One that falls far behind is told `retry_after_seq` and hung up on."""
    services, identity = socket.app.state.services, socket.state.identity
    async with services.hub.seat(identity.tenant_id, identity.user_id) as seat:
        await sockets.accept(socket)
        seen = await _catch_up(socket, after, seat.since)
        await sockets.run(socket, _hand_on(socket, seat.waiting, seen), _take(socket))


async def _catch_up(socket: WebSocket, after: int | None, newest: int) -> int:
    """What was missed, oldest first; then `ready` with the number from which on all is live."""
    services, identity = socket.app.state.services, socket.state.identity
    seen = newest if after is None else after
    while seen < newest:
        async with services.db.tenant(identity.tenant_id) as tx:
            rows = await repository.after(tx, [identity.user_id], seen, MOST_BEHIND)
            shown = await _shown(tx, rows)
        for told in shown:
            await socket.send_json(told)
        seen = rows[-1].seq if rows else newest  # some may be newer than that
    await socket.send_json({"type": "ready", "seq": seen})
    return seen


async def _hand_on(socket: WebSocket, waiting: asyncio.Queue[dict[str, Any] | None], seen: int) -> None:
    while True:
        told = await waiting.get()
        if told is None:
            raise TooManyRequests(f"You are too slow. Come back with after={seen}.", retryAfter=1, retry_after_seq=seen)
        if told["seq"] > seen:  # it may have been among what was missed
            await socket.send_json(told)
            seen = told["seq"]


async def _take(socket: WebSocket) -> None:
    services, identity = socket.app.state.services, socket.state.identity
    while True:
        said = _parsed(await socket.receive_text())
        if said["type"] == "ping":
            await socket.send_json({"type": "pong"})
        else:
            async with services.db.tenant(identity.tenant_id) as tx:
                await repository.mark_read(tx, identity.user_id, up_to=said["up_to"])


def _parsed(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text) if len(text) <= _MOST_TEXT else None
    except ValueError:
        said = None
    if isinstance(said, dict) and (said.get("type") == "ping" or _reads(said)):
        return said
    raise BadInput('Send {"type": "ping"} or {"type": "read", "up_to": <seq>}.')


def _reads(said: dict[str, Any]) -> bool:
    up_to = said.get("up_to")
    return said.get("type") == "read" and type(up_to) is int and 0 <= up_to < 2**63
