from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime

from core.datascience.features import repository
from core.datascience.features.definitions import by_name, named, of_entity
from core.datascience.features.kinds import Entity, FeatureSet, checked
from core.datascience.features.plot import chosen, lay_out
from core.datascience.features.row import Given, Key
from core.datascience.features.schemas import (
    MOST_POINTS,
    FeatureFreshness,
    FeatureOut,
    FeatureSetOut,
    FreshnessOut,
    HistoryOut,
    OnlineOut,
    PlottedSet,
    ProjectionIn,
    ProjectionOut,
    RowIn,
    RowsIn,
    SetName,
    ValuesOut,
    Words,
    Written,
)
from core.kit.db import Tx
from core.kit.errors import FieldProblem, Invalid, NotFound
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentTx, TenantRoute, allow

router = APIRouter(prefix="/v1/insights", tags=["features"], route_class=TenantRoute)
SEE, WRITE = allow("can_view_forecasts"), allow("can_write_features")
Set = Annotated[SetName | None, Query(alias="set")]


@router.get("/features", dependencies=[SEE], summary="Every feature that there is, and what it means")
async def list_definitions() -> list[FeatureSetOut]:
    return [_described(one) for one in by_name().values()]


@router.post("/features", status_code=201, dependencies=[WRITE], summary="Write values, each with its moment")
async def write_features(body: RowsIn, tx: CurrentTx, request: Request) -> Written:
    """All or none. What stands there already is not written again; other values at a moment that has some are a
    correction, which counts from now on."""
    rows = [_given(tx, place, row) for place, row in enumerate(body.rows)]
    await _refuse_strangers(tx, rows)
    written = await request.app.state.services.features.write(tx, rows)
    tx.audit("features.written", f"tenant:{tx.tenant_id}", after={"rows": written})
    return Written(given=len(rows), written=written)


@router.get("/features/freshness", dependencies=[SEE], summary="How old the newest values of each feature are")
async def read_freshness(tx: CurrentTx, wanted: Set = None) -> list[FreshnessOut]:
    return [await _freshness(tx, one) for one in ([named(wanted)] if wanted else by_name().values())]


@router.get("/features/{entity_id}", dependencies=[SEE], summary="The newest values of one deal, call, …")
async def read_online(entity_id: UUID, tx: CurrentTx, request: Request) -> OnlineOut:
    entity = await _entity(tx, entity_id)
    sets = of_entity(entity)
    keys = [Key(one, entity_id) for one in sets]
    found = await request.app.state.services.features.read(tx.tenant_id, keys)
    shown = [
        ValuesOut(
            set=one.name, version=one.version, event_at=stored.event_at, written_at=stored.written_at,
            stale=stored.event_at < _stale_before(tx, one), values=stored.values,
        )
        for one, stored in zip(sets, found, strict=True)
        if stored is not None
    ]  # fmt: skip
    return OnlineOut(entity=entity, entity_id=entity_id, sets=shown)


@router.get("/features/{entity_id}/history", dependencies=[SEE], summary="All that was written, newest first")
async def read_history(
    entity_id: UUID, tx: CurrentTx, page: Paging, wanted: Set = None,
    since: Annotated[AwareDatetime | None, Query(description="Of events from then on")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Of events before then")] = None,
    cause: Annotated[UUID | None, Query(description="What follows from this event")] = None,
) -> Page[HistoryOut]:  # fmt: skip
    await _entity(tx, entity_id)
    rows = await repository.history(
        tx, entity_id, page, feature_set=named(wanted).name if wanted else None, since=since, until=until, cause=cause
    )
    return Page(items=[HistoryOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/projection", dependencies=[SEE], summary="Deals or calls as points: who is near is alike")
async def read_projection(
    tx: CurrentTx, wanted: Annotated[PlottedSet, Query(alias="set")] = "deal",
    most: Annotated[int, Query(ge=3, le=MOST_POINTS)] = 1_000,
) -> ProjectionOut:  # fmt: skip
    return await _projected(tx, ProjectionIn(set=wanted, most=most))


@router.post("/projection", dependencies=[SEE], summary="The same by chosen features, or of chosen deals or calls")
async def make_projection(body: ProjectionIn, tx: CurrentTx) -> ProjectionOut:
    return await _projected(tx, body)


# ── the parts ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _projected(tx: Tx, wanted: ProjectionIn) -> ProjectionOut:
    what = named(wanted.set)
    if what.entity not in (Entity.DEAL, Entity.CALL):
        problem = FieldProblem("body.set", "is not about deals or calls")
        raise Invalid("Only deals and calls are laid out.", problems=[problem])
    names = chosen(what, wanted.features)
    rows = await repository.newest_of_set(tx, what, wanted.most, among=wanted.entity_ids)
    return await asyncio.to_thread(lay_out, what, names, rows)


def _given(tx: Tx, place: int, row: RowIn) -> Given:
    at = f"body.rows.{place}"
    what = named(row.set)
    if row.at > tx.clock.now():
        raise Invalid("What is not yet so is no feature.", problems=[FieldProblem(f"{at}.at", "lies in the future")])
    return Given(what, row.entity_id, row.at, checked(what, row.values, at=f"{at}.values"), row.cause, "API")


async def _refuse_strangers(tx: Tx, rows: list[Given]) -> None:
    problems = []
    for entity in {row.feature_set.entity for row in rows}:
        mine = [(place, row.entity_id) for place, row in enumerate(rows) if row.feature_set.entity is entity]
        there = await repository.there(tx, entity, {id_ for _, id_ in mine})
        problems += [
            FieldProblem(f"body.rows.{place}.entity_id", f"there is no such {entity.value}")
            for place, id_ in mine
            if id_ not in there
        ]
    if problems:
        raise Invalid("Some rows are about nothing that there is.", problems=problems)


async def _entity(tx: Tx, entity_id: UUID) -> Entity:
    """By the rows that who asks may see: what he may not see is as if it were not there."""
    found = await repository.entity_of(tx, entity_id)
    if found is None:
        raise NotFound("There are no features of such a thing.")
    return found


async def _freshness(tx: Tx, what: FeatureSet) -> FreshnessOut:
    found = await repository.freshness(tx, what, _stale_before(tx, what))
    known = await repository.feature_freshness(tx, what)
    features = [
        FeatureFreshness(name=name, entities=known[name][0], newest_event_at=known[name][1])
        if name in known
        else FeatureFreshness(name=name, entities=0, newest_event_at=None)
        for name in what.names
    ]
    return FreshnessOut(
        set=what.name, version=what.version, fresh_days=what.fresh_days, entities=found.entities if found else 0,
        stale=found.stale if found else 0, newest_event_at=found.newest_event_at if found else None,
        newest_written_at=found.newest_written_at if found else None, features=features,
    )  # fmt: skip


def _stale_before(tx: Tx, what: FeatureSet) -> datetime:
    return tx.clock.now() - timedelta(days=what.fresh_days)


def _described(what: FeatureSet) -> FeatureSetOut:
    features = [
        FeatureOut(
            name=f.name, kind=f.kind, description=Words(pt=f.pt, en=f.en), window_days=f.window_days, size=f.size,
            low=f.low, high=f.high,
        )
        for f in what.features
    ]  # fmt: skip
    return FeatureSetOut(
        name=what.name, entity=what.entity, version=what.version, module=what.module,
        sources=[source.value for source in what.sources], fresh_days=what.fresh_days, only_for=what.only_for,
        description=Words(pt=what.pt, en=what.en), features=features,
    )  # fmt: skip
