from __future__ import annotations

from fastapi import APIRouter

from core.divisions import repository
from core.divisions.repository import Dimension
from core.divisions.schemas import DivisionOut, Rename, Renamed
from core.kit.db import Tx
from core.kit.errors import Conflict, NotFound
from core.kit.web import CurrentTx, TenantRoute, allow

router = APIRouter(prefix="/v1", tags=["people"], route_class=TenantRoute)
SEE, MANAGE = allow("can_view_deals"), allow("can_manage_tenant")


@router.get("/teams", dependencies=[SEE], summary="All teams, by name")
async def list_teams(tx: CurrentTx) -> list[DivisionOut]:
    return await _all(tx, "team")


@router.post("/teams/rename", dependencies=[MANAGE], summary="Another name for a team, wherever it stands")
async def rename_team(body: Rename, tx: CurrentTx) -> Renamed:
    """Forecasts that were kept keep the name that they were given under."""
    return await _rename(tx, "team", body)


@router.get("/regions", dependencies=[SEE], summary="All regions, by name")
async def list_regions(tx: CurrentTx) -> list[DivisionOut]:
    return await _all(tx, "region")


@router.post("/regions/rename", dependencies=[MANAGE], summary="Another name for a region, wherever it stands")
async def rename_region(body: Rename, tx: CurrentTx) -> Renamed:
    """Forecasts that were kept keep the name that they were given under."""
    return await _rename(tx, "region", body)


async def _all(tx: Tx, dimension: Dimension) -> list[DivisionOut]:
    people, deals = await repository.people(tx, dimension), await repository.deals(tx, dimension)
    groups = await repository.provisioned(tx) if dimension == "team" else set()
    return [
        DivisionOut(
            name=name, people=people.get(name, 0), deals=deals.get(name, (0, 0))[0],
            open_deals=deals.get(name, (0, 0))[1], provisioned=name in groups,
        )
        for name in sorted(people.keys() | deals.keys())
    ]  # fmt: skip


async def _rename(tx: Tx, dimension: Dimension, body: Rename) -> Renamed:
    if dimension == "team" and {body.old, body.new} & await repository.provisioned(tx):
        raise Conflict("The company's directory names this team, and would name it so again. Rename the group there.")
    if not await repository.bear(tx, dimension, body.old):
        raise NotFound(f"There is no such {dimension}.")
    if body.new != body.old and not body.merge and await repository.bear(tx, dimension, body.new):
        raise Conflict(f"There is a {dimension} of the new name. Send `merge` where both shall be one.")
    counts = {"accounts": 0, "calls": 0, **await repository.rename(tx, dimension, body.old, body.new)}
    tx.audit(
        f"{dimension}.renamed", f"tenant:{tx.tenant_id}", before={dimension: body.old}, after={dimension: body.new}
    )
    return Renamed(**counts)
