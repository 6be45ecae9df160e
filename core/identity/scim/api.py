from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request

from core.identity.recent import RECENT
from core.identity.scim import repository, tokens
from core.identity.scim.protocol import base_url
from core.identity.scim.schemas import ScimTokenIn, ScimTokenMade, ScimTokenOut
from core.kit.idempotency import SHOWN_ONCE
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentIdentity, CurrentTx, TenantRoute, allow

router = APIRouter(prefix="/v1/scim/tokens", tags=["SCIM"], route_class=TenantRoute)
MANAGE = allow("can_manage_sso")


@router.post("", status_code=201, dependencies=[MANAGE, RECENT, SHOWN_ONCE], summary="Make a token; shown this once")
async def create_token(body: ScimTokenIn, request: Request, tx: CurrentTx, identity: CurrentIdentity) -> ScimTokenMade:
    """For the company's directory (Entra, Okta, …), which then creates users and groups at `base_url`."""
    await request.app.state.services.limits.check(tx.tenant_id, "scim")
    row, token = await tokens.create(tx, identity, body.name)
    shown = ScimTokenOut.model_validate(row).model_dump()
    return ScimTokenMade(**shown, token=token, base_url=base_url(request))


@router.get("", dependencies=[MANAGE], summary="All tokens, without their secrets")
async def list_tokens(tx: CurrentTx, page: Paging) -> Page[ScimTokenOut]:
    rows = await repository.tokens(tx, page)
    return Page(items=[ScimTokenOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.delete("/{token_id}", status_code=204, dependencies=[MANAGE, RECENT], summary="End its use, at once")
async def delete_token(token_id: UUID, tx: CurrentTx) -> None:
    await tokens.delete(tx, token_id)
