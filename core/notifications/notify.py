"""Tell people something: a row for each, in the transaction of what happened, and a timer for who does not read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from core.kit import timers
from core.kit.db import Tx
from core.notifications import repository
from core.notifications.model import NotificationSettings
from core.notifications.rules import Wishes, clock_time, send_at
from core.tenants import repository as tenants

TIMER = "notifications.send"


@dataclass(frozen=True, slots=True)
class Notice:
    """What to tell. `key`: the same thing is told once under it. `data`: numbers for the sentence, never names."""

    kind: str
    subject: UUID
    key: str
    deal_id: UUID | None = None
    data: dict[str, Any] = field(default_factory=dict)
    text: str | None = None


async def notify(tx: Tx, notice: Notice, users: Sequence[UUID] | None = None) -> list[UUID]:
    """`users` None: all who work at the tenant. Returns who is told now and was not before."""
    wanted = list(users) if users is not None else await tenants.active_user_ids(tx)
    if not wanted:
        return []
    known = await repository.all_settings(tx, wanted)
    wishes = {user_id: wishes_of(known.get(user_id)) for user_id in wanted}
    told = await repository.add(
        tx, [user_id for user_id in wanted if notice.kind not in wishes[user_id].muted], notice.kind,
        subject=notice.subject, deal_id=notice.deal_id, data=notice.data, key=notice.key, words=notice.text,
    )  # fmt: skip
    tenant = await tenants.tenant(tx)
    now = tx.clock.now()
    due = [
        timers.Timer(user_id, send_at(notice.kind, now, wishes[user_id], tenant.time_zone))
        for user_id in told
        if wishes[user_id].ways
    ]
    await timers.set_timers(tx, TIMER, due, earliest=True)
    return told


def wishes_of(row: NotificationSettings | None) -> Wishes:
    if row is None:
        return Wishes()
    begin, end = clock_time(row.quiet_from), clock_time(row.quiet_until)
    quiet = (begin, end) if begin is not None and end is not None else None
    return Wishes(frozenset(row.muted), tuple(row.ways), quiet, clock_time(row.digest_at))
