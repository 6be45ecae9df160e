from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter, Request

from core.competitors import repository as competitors
from core.kit.db import Tx
from core.kit.errors import FieldProblem, Invalid, NotFound
from core.kit.ids import new_id
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentTx, TenantRoute, allow
from core.live.playbook import repository
from core.live.playbook.battlecards import battlecard
from core.live.playbook.entries import starter, vectors
from core.live.playbook.model import PlaybookEntry
from core.live.playbook.schemas import Adopt, BattlecardOut, EntryChange, EntryIn, EntryOut, Language
from core.ports import Embedder

router = APIRouter(prefix="/v1/playbook", tags=["live"], route_class=TenantRoute)
cards = APIRouter(prefix="/v1/battlecards", tags=["live"], route_class=TenantRoute)
SEE = allow("can_view_calls")
MANAGE = allow("can_manage_knowledge")


@router.get("/entries", dependencies=[SEE])
async def list_entries(tx: CurrentTx, page: Paging, language: Language | None = None) -> Page[EntryOut]:
    rows = await repository.entries(tx, page, language=language)
    return Page(items=[EntryOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.post("/entries", status_code=201, dependencies=[MANAGE])
async def create_entry(body: EntryIn, tx: CurrentTx, request: Request) -> EntryOut:
    [row] = await _made(tx, [body], request.app.state.services.embedder)
    return EntryOut.model_validate(row)


@router.get("/entries/{entry_id}", dependencies=[SEE])
async def read_entry(entry_id: UUID, tx: CurrentTx) -> EntryOut:
    return EntryOut.model_validate(await repository.entry(tx, entry_id))


@router.patch("/entries/{entry_id}", dependencies=[MANAGE])
async def change_entry(entry_id: UUID, body: EntryChange, tx: CurrentTx, request: Request) -> EntryOut:
    row = await repository.entry(tx, entry_id, lock=True)
    sent = body.model_dump(exclude_none=True)
    if not sent:
        raise Invalid("Nothing to change.", problems=[FieldProblem("body", "no field was sent")])
    for name, value in sent.items():
        setattr(row, name, value)
    if {"say", "examples"} & set(sent):
        [vector] = await vectors([row.examples or [row.say]], request.app.state.services.embedder)
        row.vector = vector.tolist()
    row.changed_at = tx.clock.now()
    return EntryOut.model_validate(row)


@router.delete("/entries/{entry_id}", status_code=204, dependencies=[MANAGE])
async def delete_entry(entry_id: UUID, tx: CurrentTx) -> None:
    await repository.remove(tx, entry_id)


@router.post("/starter", dependencies=[MANAGE], summary="Take the starter as a playbook of one's own")
async def adopt_starter(body: Adopt, tx: CurrentTx, request: Request) -> list[EntryOut]:
    """Who has no entries in a language goes by the starter anyway; taken over, it can be changed. What is there
    already is not taken twice."""
    known = {row.say for row in await repository.all_of(tx, body.language)}
    missing = [
        EntryIn(kind=one.kind, language=body.language, on=sorted(one.on), say=one.say, examples=list(one.examples))
        for one in starter(body.language)
        if one.say not in known
    ]
    rows = await _made(tx, missing, request.app.state.services.embedder)
    return [EntryOut.model_validate(row) for row in rows]


@cards.get("", dependencies=[SEE])
async def list_battlecards(tx: CurrentTx, language: Language = "pt") -> list[BattlecardOut]:
    """One for each competitor of whom a strength or a weakness is entered."""
    made = [battlecard(row, language) for row in await competitors.all_of(tx)]
    return [BattlecardOut.model_validate(card) for card in made if card is not None]


@cards.get("/{competitor_id}", dependencies=[SEE])
async def read_battlecard(competitor_id: UUID, tx: CurrentTx, language: Language = "pt") -> BattlecardOut:
    card = battlecard(await competitors.one(tx, competitor_id), language)
    if card is None:
        raise NotFound("There is no card: enter strengths or weaknesses of this competitor first.")
    return BattlecardOut.model_validate(card)


async def _made(tx: Tx, given: Sequence[EntryIn], embedder: Embedder) -> list[PlaybookEntry]:
    made = await vectors([one.examples or [one.say] for one in given], embedder)
    now = tx.clock.now()
    rows = [
        PlaybookEntry(
            id=new_id(), tenant_id=tx.tenant_id, vector=vector.tolist(), created_at=now, changed_at=now,
            **one.model_dump(),
        )
        for one, vector in zip(given, made, strict=True)
    ]  # fmt: skip
    await repository.add(tx, *rows)
    return rows
