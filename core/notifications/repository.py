"""The queries about notifications."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.ids import new_id
from core.kit.pages import PageRequest, newest_first
from core.notifications.model import Notification, NotificationSettings, PushSubscription, SlackHook

CHANNEL = "salesedge_notices"

# The same lock as that of events: numbers within a tenant rise in the order of commits.
_ADD = text(f"""
    WITH lock AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended(CAST(:tenant AS text), 0))),
    made AS (
        INSERT INTO notifications (id, tenant_id, user_id, kind, subject, deal_id, data, text, key, created_at)
        SELECT n.id, CAST(:tenant AS uuid), n.user_id, :kind, CAST(:subject AS uuid), CAST(:deal AS uuid),
               CAST(:data AS jsonb), :text, :key, CAST(:now AS timestamptz)
        FROM lock, unnest(CAST(:ids AS uuid[]), CAST(:users AS uuid[])) AS n(id, user_id)
        ON CONFLICT (tenant_id, user_id, key) DO NOTHING RETURNING user_id
    ),
    told AS (SELECT pg_notify('{CHANNEL}', CAST(:tenant AS text)) FROM made LIMIT 1)
    SELECT user_id FROM made LEFT JOIN told ON true
""")  # noqa: S608 - the channel is a constant of ours


async def add(
    tx: Tx, users: Sequence[UUID], kind: str, *, subject: UUID, deal_id: UUID | None, data: dict[str, Any], key: str,
    words: str | None,
) -> list[UUID]:  # fmt: skip
    """One notification for each user; returns those who had not been told under this key before."""
    values = {
        "tenant": str(tx.tenant_id), "ids": [new_id() for _ in users], "users": list(users), "kind": kind,
        "subject": subject, "deal": deal_id, "data": json.dumps(data), "text": words, "key": key,
        "now": tx.clock.now(),
    }  # fmt: skip
    return [row[0] for row in await tx.session.execute(_ADD, values)]


async def of_user(tx: Tx, user_id: UUID, page: PageRequest, *, unread: bool) -> list[Notification]:
    query = select(Notification).where(Notification.user_id == user_id)
    if unread:
        query = query.where(Notification.read_at.is_(None))
    return list((await tx.session.execute(newest_first(query, Notification.id, page))).scalars())


async def after(tx: Tx, users: Collection[UUID], seq: int, most: int) -> list[Notification]:
    """What came after a number, oldest first, for any of the users."""
    query = select(Notification).where(Notification.user_id.in_(users), Notification.seq > seq)
    return list((await tx.session.execute(query.order_by(Notification.seq).limit(most))).scalars())


async def newest_seq(tx: Tx) -> int:
    newest = select(Notification.seq).order_by(Notification.seq.desc()).limit(1)
    return (await tx.session.execute(newest)).scalar_one_or_none() or 0


async def count_unread(tx: Tx, user_id: UUID) -> int:
    query = select(func.count()).where(Notification.user_id == user_id, Notification.read_at.is_(None))
    return int((await tx.session.execute(query)).scalar_one())


async def mark_read(tx: Tx, user_id: UUID, *, ids: Sequence[UUID] = (), up_to: int | None = None) -> int:
    """These, or all up to a number; returns how many were unread."""
    which = Notification.id.in_(ids) if up_to is None else Notification.seq <= up_to
    query = update(Notification).where(Notification.user_id == user_id, Notification.read_at.is_(None), which)
    done = await tx.session.execute(query.values(read_at=tx.clock.now()).returning(Notification.id))
    return len(done.all())


async def unsent(tx: Tx, user_id: UUID) -> list[Notification]:
    """Neither read nor sent, oldest first, locked until the transaction ends."""
    query = select(Notification).where(
        Notification.user_id == user_id, Notification.read_at.is_(None), Notification.sent_at.is_(None)
    )
    return list((await tx.session.execute(query.order_by(Notification.seq).with_for_update())).scalars())


async def settings(tx: Tx, user_id: UUID) -> NotificationSettings | None:
    return await tx.session.get(NotificationSettings, user_id)


async def all_settings(tx: Tx, users: Collection[UUID]) -> dict[UUID, NotificationSettings]:
    query = select(NotificationSettings).where(NotificationSettings.id.in_(users))
    return {row.id: row for row in (await tx.session.execute(query)).scalars()}


async def keep_settings(tx: Tx, user_id: UUID, values: dict[str, Any]) -> NotificationSettings:
    row = {"id": user_id, "tenant_id": tx.tenant_id, **values}
    query = insert(NotificationSettings).values(row).on_conflict_do_update(index_elements=["id"], set_=values)
    kept = await tx.session.execute(
        query.returning(NotificationSettings), execution_options={"populate_existing": True}
    )
    return kept.scalar_one()


async def subscriptions(tx: Tx, user_id: UUID) -> list[PushSubscription]:
    query = select(PushSubscription).where(PushSubscription.user_id == user_id).order_by(PushSubscription.id)
    return list((await tx.session.execute(query)).scalars())


async def subscribe(tx: Tx, user_id: UUID, endpoint: str, p256dh: str, auth: str) -> UUID:
    """A browser that is known already gets its new keys."""
    keys = {"p256dh": p256dh, "auth": auth}
    row = {"id": new_id(), "tenant_id": tx.tenant_id, "user_id": user_id, "endpoint": endpoint, **keys}
    query = insert(PushSubscription).values(**row, created_at=tx.clock.now())
    unique = ["tenant_id", "user_id", "endpoint"]
    made = await tx.session.execute(
        query.on_conflict_do_update(index_elements=unique, set_=keys).returning(PushSubscription.id)
    )
    return made.scalar_one()


async def unsubscribe(tx: Tx, user_id: UUID, subscription_id: UUID) -> None:
    query = delete(PushSubscription).where(PushSubscription.user_id == user_id, PushSubscription.id == subscription_id)
    if not (await tx.session.execute(query.returning(PushSubscription.id))).all():
        raise NotFound("There is no such subscription.")


async def slack_hook(tx: Tx) -> SlackHook | None:
    return (await tx.session.execute(select(SlackHook))).scalar_one_or_none()


async def keep_slack_hook(tx: Tx, sealed: bytes, by: UUID) -> None:
    await drop_slack_hook(tx)
    row = {"id": new_id(), "tenant_id": tx.tenant_id, "url_sealed": sealed, "created_by": by}
    await tx.session.execute(insert(SlackHook).values(**row, created_at=tx.clock.now()))


async def drop_slack_hook(tx: Tx) -> bool:
    return bool((await tx.session.execute(delete(SlackHook).returning(SlackHook.id))).all())
