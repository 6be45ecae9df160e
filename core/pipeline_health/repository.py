"""The queries about the sums, how they stood, and targets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import BigInteger, RowMapping, String, any_, cast, delete, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import insert

from core.kit.db import Tx
from core.kit.ids import new_id
from core.pipeline_health.marks import VERSION, Mark, Marks, Sums, Trail
from core.pipeline_health.measure import Cell
from core.pipeline_health.model import HealthCell, HealthPoint, SalesTarget
from core.tenants.model import User

Dimension = Literal["all", "seller", "team", "segment", "region", "stage"]
Groups = dict[tuple[str, str], list[Cell]]
"""(key, currency) → what its deals add up to."""
_ENDED = ("won", "lost", "ahead", "behind", "back")

_DEAL = """d.id, d.owner_id, d.team, d.segment, d.region, d.currency, d.value_cents, d.stage, d.opened_at, d.closed_at,
           d.expected_close_on"""
_CHANGES = "jsonb_agg(jsonb_build_array(c.field, c.at, c.before -> 0, c.after -> 0) ORDER BY c.at, c.id)"
_OF_STAGE_OR_DAY = "c.field IN ('stage', 'expected_close_on')"
_TRAIL = text(f"""
    SELECT {_DEAL}, (SELECT max(a.at) FROM activities a WHERE a.deal_id = d.id) AS last_activity_at,
           (SELECT {_CHANGES} FROM deal_changes c WHERE c.deal_id = d.id AND {_OF_STAGE_OR_DAY}) AS changes
    FROM deals d WHERE d.id = :deal
""")  # noqa: S608 - of constants above
_ALL_TRAILS = text(f"""
    SELECT {_DEAL}, a.at AS last_activity_at, c.changes FROM deals d
    LEFT JOIN (SELECT deal_id, max(at) AS at FROM activities GROUP BY deal_id) AS a ON a.deal_id = d.id
    LEFT JOIN (SELECT c.deal_id, {_CHANGES} AS changes FROM deal_changes c WHERE {_OF_STAGE_OR_DAY} GROUP BY c.deal_id)
           AS c ON c.deal_id = d.id
""")  # noqa: S608
_KNOWN = text("""
    SELECT t.time_zone, s.version, s.time_zone AS counted_in, s.levels
    FROM tenants t LEFT JOIN health_states s ON s.tenant_id = t.id WHERE t.id = :tenant
""")
_BEGIN = text("""
    INSERT INTO health_states (tenant_id, version, time_zone, levels) VALUES (:tenant, :version, :zone, '{}')
    ON CONFLICT (tenant_id) DO UPDATE SET version = excluded.version, time_zone = excluded.time_zone
""")
_LEVELS = text("UPDATE health_states SET levels = :levels WHERE tenant_id = :tenant").bindparams()
_FORGET = (text("DELETE FROM health_cells"), text("DELETE FROM health_deals"))
_OF_DEAL = text("SELECT marks FROM health_deals WHERE id = :deal")
_KEEP = text("""
    INSERT INTO health_deals (id, tenant_id, marks)
    SELECT n.id, CAST(:tenant AS uuid), n.marks
    FROM unnest(CAST(:ids AS uuid[]), CAST(:marks AS jsonb[])) AS n(id, marks)
    ON CONFLICT (id) DO UPDATE SET marks = excluded.marks
""")
_DROP = text("DELETE FROM health_deals WHERE id = :deal")
_ADD = text("""
    INSERT INTO health_cells AS c (id, tenant_id, owner_id, team, segment, region, currency, stage, kind, day,
                                   length_days, deals, cents, days)
    SELECT n.id, CAST(:tenant AS uuid), n.owner_id, n.team, n.segment, n.region, n.currency, n.stage, n.kind, n.day,
           n.length_days, n.deals, n.cents, n.days
    FROM unnest(CAST(:ids AS uuid[]), CAST(:owners AS uuid[]), CAST(:teams AS text[]), CAST(:segments AS text[]),
                CAST(:regions AS text[]), CAST(:currencies AS text[]), CAST(:stages AS text[]), CAST(:kinds AS text[]),
                CAST(:day_list AS date[]), CAST(:lengths AS int[]), CAST(:deals AS bigint[]), CAST(:cents AS bigint[]),
                CAST(:days AS bigint[]))
         AS n(id, owner_id, team, segment, region, currency, stage, kind, day, length_days, deals, cents, days)
    ON CONFLICT (tenant_id, id) DO UPDATE
    SET deals = c.deals + excluded.deals, cents = c.cents + excluded.cents, days = c.days + excluded.days
""")
_SWEEP = text("DELETE FROM health_cells WHERE tenant_id = :tenant AND id = ANY(:ids) AND deals = 0")
_COLUMNS = (
    "owners", "teams", "segments", "regions", "currencies", "stages", "kinds", "day_list", "lengths", "deals", "cents",
    "days",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Only:
    """Which deals count; None: any. An empty text: those that have none."""

    seller_id: UUID | None = None
    team: str | None = None
    segment: str | None = None
    region: str | None = None
    stage: str | None = None


# ── keeping the sums ─────────────────────────────────────────────────────────────────────────────────────────────────


async def known(tx: Tx) -> RowMapping:
    """All that the resident of a tenant starts from."""
    return (await tx.session.execute(_KNOWN, {"tenant": tx.tenant_id})).mappings().one()


async def begin(tx: Tx, time_zone: str) -> None:
    """Forget all sums, and say of which version and zone those are that follow."""
    for query in _FORGET:
        await tx.session.execute(query)
    await tx.session.execute(_BEGIN, {"tenant": tx.tenant_id, "version": VERSION, "zone": time_zone})


async def trail(tx: Tx, deal_id: UUID) -> Trail | None:
    row = (await tx.session.execute(_TRAIL, {"deal": deal_id})).mappings().first()
    return _trail(row) if row else None


async def trails(tx: Tx) -> AsyncIterator[tuple[UUID, Trail]]:
    """Of all deals that may be seen, a part at a time."""
    result = await tx.session.stream(_ALL_TRAILS)
    async for row in result.mappings():
        yield row["id"], _trail(row)


def _trail(row: RowMapping) -> Trail:
    changes = row["changes"] or ()
    return Trail(
        **{name: row[name] for name in Trail.__dataclass_fields__ if name not in ("stages", "dues")},
        stages=[(datetime.fromisoformat(at), to) for field, at, _, to in changes if field == "stage"],
        dues=[(_day(was), _day(to)) for field, _, was, to in changes if field == "expected_close_on"],
    )


def _day(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None


async def marks_of(tx: Tx, deal_id: UUID) -> Marks:
    """What the deal has added; nothing where it is new."""
    found = (await tx.session.execute(_OF_DEAL, {"deal": deal_id})).scalar_one_or_none()
    return {_mark(row): Sums(*row[9:]) for row in found or ()}


def _mark(row: Sequence[Any]) -> Mark:
    owner = UUID(row[0]) if row[0] else None
    team, segment, region, currency, stage, kind = row[1:7]
    return Mark(owner, team, segment, region, currency, stage, kind, date.fromisoformat(row[7]), row[8])


async def keep(tx: Tx, deals: Mapping[UUID, Marks]) -> None:
    """Write down what each deal has added."""
    if deals:
        packed = [_packed(marks) for marks in deals.values()]
        await tx.session.execute(_KEEP, {"tenant": tx.tenant_id, "ids": list(deals), "marks": packed})


def _packed(marks: Marks) -> str:
    import json

    rows = [
        [str(m.owner_id) if m.owner_id else None, *m[1:7], m.day.isoformat(), m.length_days, *sums]
        for m, sums in marks.items()
    ]
    return json.dumps(rows)


async def drop(tx: Tx, deal_id: UUID) -> None:
    await tx.session.execute(_DROP, {"deal": deal_id})


async def add(tx: Tx, change: Marks) -> None:
    if not change:
        return
    columns = zip(*((*mark, *sums) for mark, sums in change.items()), strict=True)
    ids = [mark.id for mark in change]
    given = {"tenant": tx.tenant_id, "ids": ids, **dict(zip(_COLUMNS, map(list, columns), strict=True))}
    await tx.session.execute(_ADD, given)
    if any(sums.deals < 0 for sums in change.values()):
        await tx.session.execute(_SWEEP, {"tenant": tx.tenant_id, "ids": ids})


async def all_marks(tx: Tx) -> Marks:
    """The whole state, as the sums of all deals are."""
    rows = (await tx.session.execute(select(HealthCell))).scalars()
    return {
        Mark(r.owner_id, r.team, r.segment, r.region, r.currency, r.stage, r.kind, r.day, r.length_days): Sums(  # type: ignore[arg-type]
            r.deals, r.cents, r.days
        )
        for r in rows
    }


# ── reading them ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def groups(tx: Tx, by: Dimension, only: Only, since: date) -> Groups:
    """What is open, and what ended since. Of the deals that may be seen."""
    cell = HealthCell
    mark = (cell.stage, cell.kind, cell.day, cell.length_days)
    keys: dict[str, Any] = {
        "all": literal(""), "seller": func.coalesce(cast(cell.owner_id, String), ""), "team": cell.team,
        "segment": cell.segment, "region": cell.region, "stage": cell.stage,
    }  # fmt: skip
    key = keys[by].label("key")
    sums = (cast(func.sum(column), BigInteger) for column in (cell.deals, cell.cents, cell.days))
    query = select(key, cell.currency, *mark, *sums).where(or_(cell.kind.not_in(_ENDED), cell.day >= since))
    wanted = {
        cell.owner_id: only.seller_id, cell.team: only.team, cell.segment: only.segment, cell.region: only.region,
        cell.stage: only.stage,
    }  # fmt: skip
    for column, value in wanted.items():
        if value is not None:
            query = query.where(column == value)
    if by == "stage":
        query = query.where(cell.stage != "")
    found: Groups = defaultdict(list)
    for row in await tx.session.execute(query.group_by(key, cell.currency, *mark)):
        found[(row[0], row[1])].append(Cell._make(row[2:]))
    return dict(found)


def grouped(marks: Marks, by: Dimension, only: Only, since: date) -> Groups:
    """The same of marks in memory."""
    sums: defaultdict[tuple[str, ...], Any] = defaultdict(lambda: Sums(0, 0, 0))
    for mark, one in marks.items():
        if _counts(mark, by, only, since):
            key = {
                "all": "", "seller": str(mark.owner_id or ""), "team": mark.team, "segment": mark.segment,
                "region": mark.region, "stage": mark.stage,
            }[by]  # fmt: skip
            place: Any = (key, mark.currency, mark.stage, mark.kind, mark.day, mark.length_days)
            sums[place] += one
    found: Groups = {}
    for (key, currency, *rest), total in sums.items():
        found.setdefault((key, currency), []).append(Cell._make((*rest, *total)))
    return found


def _counts(mark: Mark, by: Dimension, only: Only, since: date) -> bool:
    wanted = (only.seller_id, only.team, only.segment, only.region, only.stage)
    there = (mark.owner_id, mark.team, mark.segment, mark.region, mark.stage)
    if any(value is not None and value != own for value, own in zip(wanted, there, strict=True)):
        return False
    return (mark.kind not in _ENDED or mark.day >= since) and (by != "stage" or mark.stage != "")


async def sellers(tx: Tx) -> dict[str, str]:
    return {str(user_id): name for user_id, name in await tx.session.execute(select(User.id, User.name))}


# ── how they stood, and what was told ────────────────────────────────────────────────────────────────────────────────


async def put_points(tx: Tx, rows: Iterable[dict[str, Any]]) -> None:
    """The last look of a day stands."""
    filled = [{"id": new_id(), "tenant_id": tx.tenant_id, **row} for row in rows]
    for start in range(0, len(filled), 500):
        query = insert(HealthPoint).values(filled[start : start + 500])
        newer = {"figures": query.excluded.figures, "at": query.excluded.at}
        place = ["tenant_id", "dimension", "key", "currency", "on"]
        await tx.session.execute(query.on_conflict_do_update(index_elements=place, set_=newer))


async def forget_points(tx: Tx, before: date) -> None:
    await tx.session.execute(delete(HealthPoint).where(HealthPoint.on < before))


async def points(
    tx: Tx, by: Dimension, since: date, until: date, *, key: str | None = None, currency: str | None = None
) -> list[HealthPoint]:
    """Oldest first; of the groups that may be seen."""
    query = select(HealthPoint).where(HealthPoint.dimension == by, HealthPoint.on.between(since, until))
    if key is not None:
        query = query.where(HealthPoint.key == key)
    if currency is not None:
        query = query.where(HealthPoint.currency == currency)
    return list((await tx.session.execute(query.order_by(HealthPoint.on, HealthPoint.id))).scalars())


async def set_levels(tx: Tx, levels: Mapping[str, str]) -> None:
    import json

    await tx.session.execute(_LEVELS, {"levels": json.dumps(dict(levels)), "tenant": tx.tenant_id})


async def who_leads(tx: Tx, team: str | None) -> list[UUID]:
    """Those who answer for a team, or for all teams where none is named."""
    roles = ("MANAGER", "ADMIN", "SUPER_ADMIN") if team is None else ("LEADER",)
    query = select(User.id).where(User.is_active, or_(*(literal(role) == any_(User.roles) for role in roles)))
    if team is not None:
        query = query.where(User.team == team)
    return list((await tx.session.execute(query.order_by(User.id))).scalars())


# ── targets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def targets(
    tx: Tx, begin: date, end: date, *, dimension: str | None = None, limit: int | None = None
) -> list[SalesTarget]:
    """Of the months from `begin` until before `end`; of the groups that may be seen."""
    query = select(SalesTarget).where(SalesTarget.month >= begin, SalesTarget.month < end)
    if dimension is not None:
        query = query.where(SalesTarget.dimension == dimension)
    order = (SalesTarget.month, SalesTarget.dimension, SalesTarget.key, SalesTarget.currency)
    return list((await tx.session.execute(query.order_by(*order).limit(limit))).scalars())


async def set_target(tx: Tx, row: dict[str, Any]) -> SalesTarget:
    query = insert(SalesTarget).values({"id": new_id(), "tenant_id": tx.tenant_id, **row})
    newer = {name: query.excluded[name] for name in ("value_cents", "set_by", "set_at")}
    place = ["tenant_id", "dimension", "key", "currency", "month"]
    query = query.on_conflict_do_update(index_elements=place, set_=newer)
    return (await tx.session.execute(query.returning(SalesTarget))).scalar_one()
