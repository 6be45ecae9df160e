"""What nobody read in time leaves the house, all of one person's in one message a way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID, uuid5

from core.deals import repository as deals
from core.kit.db import Tx
from core.kit.log import logger
from core.kit.sealing import Sealer
from core.notifications import repository, words
from core.notifications.model import Notification, PushSubscription
from core.notifications.notify import wishes_of
from core.notifications.rules import worth_sending
from core.notifications.ways import Message, Ways
from core.tenants import repository as tenants

log = logger("notifications")
_MOST_LINES = 20
_SLACK = b"slack"


def mail_of(newest: UUID) -> UUID:
    """The id of the message about some notifications, of which this is the newest."""
    return uuid5(newest, "sent")


@dataclass(frozen=True, slots=True)
class Sender:
    """`address`: where people read everything."""

    ways: Ways
    sealer: Sealer
    address: str

    async def send(self, tx: Tx, user_id: UUID) -> int:
        """Returns how many notifications went out. Sent again after a crash, each message has the same id."""
        user = await tenants.user(tx, user_id)
        wishes = wishes_of(await repository.settings(tx, user_id))
        rows = await repository.unsent(tx, user_id)
        rows = [row for row in rows if row.kind not in wishes.muted]
        if not rows or not user.is_active or not worth_sending([row.kind for row in rows], wishes):
            return 0
        message = await self._message(tx, rows)
        gone: list[PushSubscription] = []
        if "email" in wishes.ways:
            await self.ways.email(user.email, message)
        if "slack" in wishes.ways and (hook := await repository.slack_hook(tx)) is not None:
            await self.ways.slack(self.sealer.open(hook.url_sealed, _SLACK + tx.tenant_id.bytes).decode(), message)
        if "push" in wishes.ways:
            gone = await self._push(await repository.subscriptions(tx, user_id), message)
        for row in rows:
            row.sent_at = tx.clock.now()
        for subscription in gone:
            await repository.unsubscribe(tx, user_id, subscription.id)
        return len(rows)

    async def _push(self, to: list[PushSubscription], message: Message) -> list[PushSubscription]:
        there = await asyncio.gather(*(self.ways.push(subscription, message) for subscription in to))
        return [subscription for subscription, is_there in zip(to, there, strict=True) if not is_there]

    async def _message(self, tx: Tx, rows: list[Notification]) -> Message:
        language = (await tenants.tenant(tx)).locale[:2]
        names = await deals.names(tx, {row.deal_id for row in rows if row.deal_id})
        lines = [words.said(row, language, names) for row in rows]
        title = lines[0] if len(lines) == 1 else words.subject(len(lines), language)
        shown = (*lines[:_MOST_LINES], words.closing(self.address, language))
        return Message(mail_of(rows[-1].id), title, shown)

    def seal_hook(self, tenant_id: UUID, url: str) -> bytes:
        return self.sealer.seal(url.encode(), _SLACK + tenant_id.bytes)
