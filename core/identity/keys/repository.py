"""The queries about API keys."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import or_, select, update

from core.identity.keys.model import ApiKey
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.pages import PageRequest, newest_first
from core.tenants.model import Tenant, User

_USE_IS_NOTED_EVERY = timedelta(minutes=1)


async def add(tx: Tx, row: ApiKey) -> None:
    tx.session.add(row)
    await tx.session.flush()


async def key(tx: Tx, key_id: UUID, *, lock: bool = False) -> ApiKey:
    found = await tx.session.get(ApiKey, key_id, with_for_update=lock)
    if found is None:
        raise NotFound("There is no such API key.")
    return found


async def keys(tx: Tx, page: PageRequest) -> list[ApiKey]:
    query = select(ApiKey)
    return list((await tx.session.execute(newest_first(query, ApiKey.id, page))).scalars())


async def with_maker(tx: Tx, key_id: UUID) -> tuple[ApiKey, User] | None:
    """None also where the tenant is suspended."""
    query = select(ApiKey, User).join(User, User.id == ApiKey.created_by).where(ApiKey.id == key_id)
    query = query.join(Tenant, Tenant.id == ApiKey.tenant_id).where(Tenant.suspended_at.is_(None))
    row = (await tx.session.execute(query)).one_or_none()
    return (row[0], row[1]) if row else None


async def remove(tx: Tx, row: ApiKey) -> None:
    await tx.session.delete(row)
    await tx.session.flush()


async def note_use(tx: Tx, key_id: UUID) -> None:
    """At most once a minute: a key in use is read often and written seldom."""
    now = tx.clock.now()
    unnoted = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - _USE_IS_NOTED_EVERY)
    await tx.session.execute(update(ApiKey).where(ApiKey.id == key_id, unnoted).values(last_used_at=now))
