from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.exc import IntegrityError

from core.competitors import repository
from core.competitors.model import Competitor
from core.kit.errors import Conflict
from core.kit.ids import new_id
from core.kit.web import CurrentTx, TenantRoute, allow

router = APIRouter(prefix="/v1/competitors", tags=["competitors"], route_class=TenantRoute)
Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=100)]
Phrases = Annotated[list[Phrase], Field(max_length=50)]


class CompetitorIn(BaseModel):
    """A company that the tenant meets in the market; `aliases` are other names that people say."""

    model_config = ConfigDict(extra="forbid")

    name: Phrase
    aliases: Phrases = []
    category: Phrase | None = None
    strengths: Phrases = []
    weaknesses: Phrases = []


class CompetitorOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    aliases: list[str]
    category: str | None
    strengths: list[str]
    weaknesses: list[str]
    created_at: datetime


@router.post("", status_code=201, dependencies=[allow("can_manage_competitors")])
async def create_competitor(body: CompetitorIn, tx: CurrentTx) -> CompetitorOut:
    row = Competitor(id=new_id(), tenant_id=tx.tenant_id, created_at=tx.clock.now(), **body.model_dump())
    try:
        async with tx.session.begin_nested():
            await repository.add(tx, row)
    except IntegrityError:
        raise Conflict(f"{body.name} is there already.") from None
    return CompetitorOut.model_validate(row)


@router.get("", dependencies=[allow("can_view_calls")])
async def list_competitors(tx: CurrentTx) -> list[CompetitorOut]:
    return [CompetitorOut.model_validate(row) for row in await repository.all_of(tx)]


@router.delete("/{competitor_id}", status_code=204, dependencies=[allow("can_manage_competitors")])
async def delete_competitor(competitor_id: UUID, tx: CurrentTx) -> None:
    await repository.remove(tx, competitor_id)
