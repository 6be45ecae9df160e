"""The queries about versions of models. A tenant sees its own and those that are for all; it writes its own alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, or_, select, text

from core.datascience.models.model import ModelChange, ModelVersion
from core.datascience.models.pointers import Alias, Scope
from core.kit.db import Base, Tx
from core.kit.errors import NotFound
from core.kit.pages import PageRequest, newest_first


async def lock(tx: Tx, context: str, scope: str) -> None:
    """One who changes aliases at a time, until the transaction ends."""
    query = text("SELECT pg_advisory_xact_lock(hashtextextended('models ' || :context || ' ' || :scope, 0))")
    await tx.session.execute(query, {"context": context, "scope": scope})


async def version(tx: Tx, version_id: UUID, *, fresh: bool = False) -> ModelVersion:
    row = await tx.session.get(ModelVersion, version_id, populate_existing=fresh)
    if row is None:
        raise NotFound("There is no such version of a model. GET /v1/insights/models lists them.")
    return row


async def numbered(tx: Tx, name: str, number: int) -> ModelVersion:
    query = select(ModelVersion).where(ModelVersion.name == name, ModelVersion.version == number)
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound(f"There is no version {number} of {name}. `salesedge models list` shows what there is.")
    return row


async def bearer(tx: Tx, context: str, scope: Scope, alias: Alias) -> ModelVersion | None:
    """The version that bears an alias, as it is now."""
    query = select(ModelVersion).where(
        ModelVersion.context == context, ModelVersion.scope == scope.name, ModelVersion.alias == alias
    )
    return (await tx.session.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()


async def bearers(tx: Tx, alias: Alias | None = None) -> list[ModelVersion]:
    """All versions with an alias that this transaction may see."""
    query = select(ModelVersion).where(ModelVersion.alias.is_not(None))
    if alias is not None:
        query = query.where(ModelVersion.alias == alias)
    return list(await tx.session.scalars(query.order_by(ModelVersion.context, ModelVersion.scope, ModelVersion.id)))


async def versions(
    tx: Tx, page: PageRequest, *, context: str | None = None, scope: str | None = None, status: str | None = None
) -> list[ModelVersion]:
    """Newest first."""
    query = newest_first(select(ModelVersion), ModelVersion.id, page)
    if context is not None:
        query = query.where(ModelVersion.context == context)
    if scope is not None:
        query = query.where(ModelVersion.scope == scope)
    if status is not None:
        query = query.where(ModelVersion.status == status)
    return list(await tx.session.scalars(query))


async def unjudged(
    tx: Tx, scope: Scope | None, before: datetime, like: ModelVersion | None = None
) -> list[ModelVersion]:
    """Candidates of before that time, which the gate was never asked about; with `like` those of its context, and of
    the same algorithm and data whenever they came."""
    query = select(ModelVersion).where(ModelVersion.status == "candidate", ModelVersion.verdict.is_(None))
    old = ModelVersion.created_at < before
    if scope is not None:
        query = query.where(ModelVersion.scope == scope.name)
    if like is not None:
        same = and_(ModelVersion.algorithm == like.algorithm, ModelVersion.fingerprint == like.fingerprint)
        query = query.where(ModelVersion.context == like.context, ModelVersion.id != like.id)
        old = or_(old, same)
    return list(await tx.session.scalars(query.where(old).order_by(ModelVersion.id)))


async def changes(tx: Tx, version_id: UUID) -> list[ModelChange]:
    """What happened to a version, oldest first."""
    query = select(ModelChange).where(ModelChange.version_id == version_id).order_by(ModelChange.id)
    return list(await tx.session.scalars(query))


async def add(tx: Tx, rows: Sequence[Base]) -> None:
    tx.session.add_all(rows)
    await tx.session.flush()


async def flush(tx: Tx) -> None:
    await tx.session.flush()
