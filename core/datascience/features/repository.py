"""The queries about features."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from core.calls.model import Call
from core.datascience.features.kinds import Entity, FeatureSet
from core.datascience.features.model import FeatureRow
from core.datascience.features.row import Given, Key, Stored, fill
from core.deals.model import Account, Contact, Deal
from core.kit.db import Base, Tx
from core.kit.events import EventType
from core.kit.outbox import EventRow
from core.kit.pages import PageRequest, newest_first
from core.tenants.model import User

_TABLES: dict[Entity, type[Base]] = {
    Entity.DEAL: Deal, Entity.ACCOUNT: Account, Entity.CONTACT: Contact, Entity.SELLER: User, Entity.CALL: Call,
}  # fmt: skip

_LOCK = text(
    "SELECT pg_advisory_xact_lock(n) FROM (SELECT unnest(CAST(:numbers AS bigint[])) AS n ORDER BY 1) AS numbers"
)
_NEWEST = text("""
    SELECT w.n, r.event_at, r.written_at, r."values"
    FROM unnest(CAST(:sets AS text[]), CAST(:versions AS int[]), CAST(:ids AS uuid[]))
         WITH ORDINALITY AS w(feature_set, version, entity_id, n)
    CROSS JOIN LATERAL (
        SELECT event_at, written_at, "values" FROM feature_rows f
        WHERE f.entity_id = w.entity_id AND f.feature_set = w.feature_set AND f.version = w.version
        ORDER BY f.event_at DESC, f.written_at DESC, f.id DESC LIMIT 1) AS r
""")
_BEFORE = text("""
    SELECT w.n, newest.event_at AS newest_at, same."values"
    FROM unnest(CAST(:sets AS text[]), CAST(:versions AS int[]), CAST(:ids AS uuid[]), CAST(:times AS timestamptz[]))
         WITH ORDINALITY AS w(feature_set, version, entity_id, event_at, n)
    LEFT JOIN LATERAL (
        SELECT event_at FROM feature_rows f
        WHERE f.entity_id = w.entity_id AND f.feature_set = w.feature_set AND f.version = w.version
        ORDER BY f.event_at DESC, f.written_at DESC, f.id DESC LIMIT 1) AS newest ON true
    LEFT JOIN LATERAL (
        SELECT "values" FROM feature_rows f
        WHERE f.entity_id = w.entity_id AND f.feature_set = w.feature_set AND f.version = w.version
          AND f.event_at = w.event_at
        ORDER BY f.written_at DESC, f.id DESC LIMIT 1) AS same ON true
    ORDER BY w.n
""")


@dataclass(frozen=True, slots=True)
class Before:
    """What stood there before a write: when the newest values are of, and those of the very moment."""

    newest_at: datetime | None
    same: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the newest values of one set are."""

    entities: int
    newest_event_at: datetime
    newest_written_at: datetime
    stale: int


@dataclass(frozen=True, slots=True)
class Month:
    """The rows of one set whose event lies in one month (UTC). `made_of` changes with every row."""

    feature_set: str
    version: int
    first: date
    made_of: str = ""


def _keys(keys: Sequence[Key]) -> dict[str, Any]:
    return {
        "sets": [key.feature_set.name for key in keys],
        "versions": [key.feature_set.version for key in keys],
        "ids": [key.entity_id for key in keys],
    }


async def lock(tx: Tx, keys: Iterable[Key]) -> None:
    """Nobody else writes these until the transaction ends. In one order, so that two never wait for each other."""
    names = {f"features {tx.tenant_id} {key.feature_set.name} {key.entity_id}" for key in keys}
    numbers = [int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True) for name in names]
    await tx.session.execute(_LOCK, {"numbers": numbers})


async def before(tx: Tx, rows: Sequence[Given]) -> list[Before]:
    """For each row what is there already."""
    given = {**_keys([row.key for row in rows]), "times": [row.at for row in rows]}
    found = (await tx.session.execute(_BEFORE, given)).mappings()
    return [Before(row["newest_at"], row["values"]) for row in found]


async def newest(tx: Tx, keys: Sequence[Key]) -> list[Stored | None]:
    """The newest values of each key; None where there are none."""
    found: list[Stored | None] = [None] * len(keys)
    for row in (await tx.session.execute(_NEWEST, _keys(keys))).mappings():
        place = int(row["n"]) - 1
        values = fill(keys[place].feature_set, row["values"])
        found[place] = Stored(row["event_at"], row["written_at"], values)
    return found


async def add(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    await tx.session.execute(insert(FeatureRow), list(rows))


async def there(tx: Tx, entity: Entity, ids: Iterable[UUID]) -> set[UUID]:
    """Which of these exist, for who asks."""
    table: Any = _TABLES[entity]
    return set((await tx.session.execute(select(table.id).where(table.id.in_(list(ids))))).scalars())


async def entity_of(tx: Tx, entity_id: UUID) -> Entity | None:
    """What there are features of under this id, for who asks."""
    query = select(FeatureRow.entity).where(FeatureRow.entity_id == entity_id).limit(1)
    found = (await tx.session.execute(query)).scalar_one_or_none()
    return Entity(found) if found is not None else None


async def history(
    tx: Tx, entity_id: UUID, page: PageRequest, *, feature_set: str | None, since: datetime | None,
    until: datetime | None, cause: UUID | None,
) -> list[FeatureRow]:  # fmt: skip
    """What was written of one entity, newest writing first. `until` is not in it."""
    query = select(FeatureRow).where(FeatureRow.entity_id == entity_id)
    if feature_set is not None:
        query = query.where(FeatureRow.feature_set == feature_set)
    if since is not None:
        query = query.where(FeatureRow.event_at >= since)
    if until is not None:
        query = query.where(FeatureRow.event_at < until)
    if cause is not None:
        query = query.where(FeatureRow.cause == cause)
    return list((await tx.session.execute(newest_first(query, FeatureRow.id, page))).scalars())


async def freshness(tx: Tx, feature_set: FeatureSet, stale_before: datetime) -> Freshness | None:
    """Over all entities of one set that the reader sees; None where there are none."""
    of_entity = (
        select(func.max(FeatureRow.event_at).label("event_at"), func.max(FeatureRow.written_at).label("written_at"))
        .where(FeatureRow.feature_set == feature_set.name, FeatureRow.version == feature_set.version)
        .group_by(FeatureRow.entity_id)
        .subquery()
    )
    stale = func.count().filter(of_entity.c.event_at < stale_before)
    newest_of = (func.max(of_entity.c.event_at), func.max(of_entity.c.written_at))
    row = (await tx.session.execute(select(func.count(), *newest_of, stale).select_from(of_entity))).one()
    return Freshness(row[0], row[1], row[2], row[3]) if row[0] else None


_KNOWN = text("""
    WITH newest AS (
        SELECT DISTINCT ON (entity_id) event_at, "values" FROM feature_rows
        WHERE feature_set = :name AND version = :version
        ORDER BY entity_id, event_at DESC, written_at DESC, id DESC
    )
    SELECT e.key, count(*), max(newest.event_at) FROM newest, jsonb_each(newest."values") AS e
    WHERE e.value <> 'null'::jsonb GROUP BY e.key
""")


async def feature_freshness(tx: Tx, feature_set: FeatureSet) -> dict[str, tuple[int, datetime]]:
    """Feature → of how many entities it is known now, and since when at the latest."""
    given = {"name": feature_set.name, "version": feature_set.version}
    return {name: (count, at) for name, count, at in await tx.session.execute(_KNOWN, given)}


async def newest_of_set(tx: Tx, feature_set: FeatureSet, limit: int, *, among: Sequence[UUID] = ()) -> list[FeatureRow]:
    """The newest row of each entity, of those with the latest first."""
    of_set = select(FeatureRow.id).where(
        FeatureRow.feature_set == feature_set.name, FeatureRow.version == feature_set.version
    )
    if among:
        of_set = of_set.where(FeatureRow.entity_id.in_(among))
    backwards = (FeatureRow.event_at.desc(), FeatureRow.written_at.desc(), FeatureRow.id.desc())
    newest_rows = of_set.ext(distinct_on(FeatureRow.entity_id)).order_by(FeatureRow.entity_id, *backwards)
    query = select(FeatureRow).where(FeatureRow.id.in_(newest_rows))
    ordered = query.order_by(FeatureRow.event_at.desc(), FeatureRow.id.desc()).limit(limit)
    return list((await tx.session.execute(ordered)).scalars())


# ── history and erasure ──────────────────────────────────────────────────────────────────────────────────────────────

_MONTH = func.date_trunc("month", func.timezone("UTC", FeatureRow.event_at))


async def lock_history(tx: Tx) -> None:
    """Whoever makes or takes away files of the tenant's history comes one after the other."""
    name = hashlib.sha256(f"features history {tx.tenant_id}".encode()).digest()
    await tx.session.execute(_LOCK, {"numbers": [int.from_bytes(name[:8], signed=True)]})


async def months(tx: Tx, feature_set: FeatureSet) -> list[Month]:
    rows = await tx.session.execute(
        select(_MONTH, func.count(), func.max(FeatureRow.written_at))
        .where(FeatureRow.feature_set == feature_set.name, FeatureRow.version == feature_set.version)
        .group_by(_MONTH)
    )
    return [Month(feature_set.name, feature_set.version, at.date(), f"{n} rows, {last}") for at, n, last in rows]


async def of_month(tx: Tx, month: Month) -> list[FeatureRow]:
    """In the order of writing."""
    query = select(FeatureRow).where(
        FeatureRow.feature_set == month.feature_set, FeatureRow.version == month.version, _MONTH.in_([month.first])
    )
    return list((await tx.session.execute(query.order_by(FeatureRow.written_at, FeatureRow.id))).scalars())


async def of_set(tx: Tx, feature_set: FeatureSet) -> list[FeatureRow]:
    """All rows of one set, in the order of writing."""
    query = select(FeatureRow).where(
        FeatureRow.feature_set == feature_set.name, FeatureRow.version == feature_set.version
    )
    return list((await tx.session.execute(query.order_by(FeatureRow.written_at, FeatureRow.id))).scalars())


async def held_of(tx: Tx, entity_ids: Sequence[UUID]) -> tuple[list[tuple[str, int, UUID]], list[Month]]:
    """What there is of these: (set, version, entity) and months."""
    of_them = FeatureRow.entity_id.in_(entity_ids)
    what = (FeatureRow.feature_set, FeatureRow.version)
    keys = await tx.session.execute(select(*what, FeatureRow.entity_id).where(of_them).distinct())
    times = await tx.session.execute(select(*what, _MONTH).where(of_them).distinct())
    return [(name, version, id_) for name, version, id_ in keys], [Month(n, v, at.date()) for n, v, at in times]


async def forget(tx: Tx, entity_ids: Sequence[UUID]) -> int:
    gone = await tx.session.execute(delete(FeatureRow).where(FeatureRow.entity_id.in_(entity_ids)))
    return int(gone.rowcount)  # type: ignore[attr-defined]  # of a delete there is one


async def facts(
    tx: Tx, types: Iterable[EventType], subject: UUID | None = None, deal_id: UUID | None = None
) -> list[EventRow]:
    """Events of these types about one thing, or that name a deal, oldest first."""
    query = select(EventRow).where(EventRow.type.in_([one.value for one in types]))
    about = [EventRow.subject == subject] if subject else []
    about += [EventRow.data["deal_id"].astext == str(deal_id)] if deal_id else []
    return list((await tx.session.execute(query.where(or_(*about)).order_by(EventRow.seq))).scalars())
