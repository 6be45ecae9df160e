from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from core.deals import change as changing
from core.deals import repository
from core.deals.model import Account, Contact
from core.deals.rules import Stage
from core.deals.schemas import (
    AccountIn,
    AccountOut,
    ActivityIn,
    ActivityOut,
    ChangeOut,
    ContactIn,
    ContactOut,
    DealChangeIn,
    DealIn,
    DealOut,
)
from core.kit.ids import new_id
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentIdentity, CurrentTx, TenantRoute, allow
from core.tenants import repository as tenants

router = APIRouter(prefix="/v1", tags=["deals"], route_class=TenantRoute)
SEE, MANAGE = allow("can_view_deals"), allow("can_manage_deals")


@router.post("/accounts", status_code=201, dependencies=[MANAGE])
async def create_account(body: AccountIn, tx: CurrentTx) -> AccountOut:
    row = Account(id=new_id(), tenant_id=tx.tenant_id, created_at=tx.clock.now(), **body.model_dump())
    await repository.add(tx, row)
    return AccountOut.model_validate(row)


@router.get("/accounts", dependencies=[SEE])
async def list_accounts(tx: CurrentTx, page: Paging) -> Page[AccountOut]:
    rows = await repository.accounts(tx, page)
    return Page(items=[AccountOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/accounts/{account_id}", dependencies=[SEE])
async def read_account(account_id: UUID, tx: CurrentTx) -> AccountOut:
    return AccountOut.model_validate(await repository.account(tx, account_id))


@router.post("/contacts", status_code=201, dependencies=[MANAGE])
async def create_contact(body: ContactIn, tx: CurrentTx) -> ContactOut:
    await repository.account(tx, body.account_id)
    row = Contact(id=new_id(), tenant_id=tx.tenant_id, created_at=tx.clock.now(), **body.model_dump())
    await repository.add(tx, row)
    return ContactOut.model_validate(row)


@router.get("/contacts", dependencies=[SEE])
async def list_contacts(tx: CurrentTx, page: Paging, account_id: UUID | None = None) -> Page[ContactOut]:
    rows = await repository.contacts(tx, page, account_id)
    return Page(items=[ContactOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/contacts/{contact_id}", dependencies=[SEE])
async def read_contact(contact_id: UUID, tx: CurrentTx) -> ContactOut:
    return ContactOut.model_validate(await repository.contact(tx, contact_id))


@router.post("/deals", status_code=201, dependencies=[MANAGE])
async def create_deal(body: DealIn, tx: CurrentTx, identity: CurrentIdentity) -> DealOut:
    await _check_owner(tx, body.owner_id)
    currency = (await tenants.tenant(tx)).currency
    return DealOut.model_validate(await changing.create(tx, body, currency=currency, user_id=identity.user_id))


@router.get("/deals", dependencies=[SEE])
async def list_deals(
    tx: CurrentTx,
    page: Paging,
    stage: Stage | None = None,
    owner_id: UUID | None = None,
    is_open: Annotated[bool | None, Query(alias="open")] = None,
) -> Page[DealOut]:
    rows = await repository.deals(tx, page, stage=stage, owner_id=owner_id, is_open=is_open)
    return Page(items=[DealOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/deals/{deal_id}", dependencies=[SEE])
async def read_deal(deal_id: UUID, tx: CurrentTx) -> DealOut:
    return DealOut.model_validate(await repository.deal(tx, deal_id))


@router.patch("/deals/{deal_id}", dependencies=[MANAGE])
async def change_deal(deal_id: UUID, body: DealChangeIn, tx: CurrentTx, identity: CurrentIdentity) -> DealOut:
    await _check_owner(tx, body.owner_id)
    return DealOut.model_validate(await changing.change(tx, deal_id, body, user_id=identity.user_id))


@router.get("/deals/{deal_id}/history", dependencies=[SEE], summary="Every change of the deal, oldest first")
async def read_history(deal_id: UUID, tx: CurrentTx) -> list[ChangeOut]:
    await repository.deal(tx, deal_id)
    return [ChangeOut.model_validate(row) for row in await repository.changes(tx, deal_id)]


@router.post("/deals/{deal_id}/activities", status_code=201, dependencies=[MANAGE])
async def add_activity(deal_id: UUID, body: ActivityIn, tx: CurrentTx) -> ActivityOut:
    return ActivityOut.model_validate(await changing.add_activity(tx, deal_id, body))


@router.get("/deals/{deal_id}/activities", dependencies=[SEE])
async def list_activities(deal_id: UUID, tx: CurrentTx) -> list[ActivityOut]:
    await repository.deal(tx, deal_id)
    return [ActivityOut.model_validate(row) for row in await repository.activities(tx, deal_id)]


async def _check_owner(tx: CurrentTx, owner_id: UUID | None) -> None:
    if owner_id is not None:
        await tenants.user(tx, owner_id)
