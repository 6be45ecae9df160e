"""The queries about audit trails."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import distinct_on

from core.audit.model import AuditEntry
from core.kit.db import Tx
from core.kit.pages import PageRequest, newest_first


async def lock(tx: Tx) -> None:
    """One writer at a time for each tenant, until the transaction ends."""
    query = text("SELECT pg_advisory_xact_lock(hashtextextended('audit ' || :tenant, 0))")
    await tx.session.execute(query, {"tenant": str(tx.tenant_id)})


async def last(tx: Tx) -> AuditEntry | None:
    return await tx.session.scalar(select(AuditEntry).order_by(AuditEntry.seq.desc()).limit(1))


async def add(tx: Tx, rows: Sequence[AuditEntry]) -> None:
    tx.session.add_all(rows)
    await tx.session.flush()


async def entries(
    tx: Tx, page: PageRequest, *, action: str | None, subject: str | None, actor_id: UUID | None,
    since: datetime | None, until: datetime | None,
) -> list[AuditEntry]:  # fmt: skip
    """Newest first."""
    query = newest_first(select(AuditEntry), AuditEntry.id, page)
    if action is not None:
        query = query.where(AuditEntry.action == action)
    if subject is not None:
        query = query.where(AuditEntry.subject == subject)
    if actor_id is not None:
        query = query.where(AuditEntry.actor_id == actor_id)
    if since is not None:
        query = query.where(AuditEntry.at >= since)
    if until is not None:
        query = query.where(AuditEntry.at < until)
    return list(await tx.session.scalars(query))


async def after(tx: Tx, seq: int, limit: int, tenant_id: UUID | None = None) -> list[AuditEntry]:
    """In the order of the chain. `tenant_id`: for the machinery, which sees all tenants."""
    query = select(AuditEntry).where(AuditEntry.tenant_id == (tenant_id or tx.tenant_id), AuditEntry.seq > seq)
    return list(await tx.session.scalars(query.order_by(AuditEntry.seq).limit(limit)))


async def heads(tx: Tx) -> list[AuditEntry]:
    """The newest entry of each tenant."""
    query = select(AuditEntry).ext(distinct_on(AuditEntry.tenant_id))
    return list(await tx.session.scalars(query.order_by(AuditEntry.tenant_id, AuditEntry.seq.desc())))
