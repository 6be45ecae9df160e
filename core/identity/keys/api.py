from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from core.identity.keys import api_keys, repository
from core.identity.keys.model import ApiKey
from core.identity.keys.schemas import ApiKeyIn, ApiKeyMade, ApiKeyOut
from core.identity.recent import RECENT
from core.kit.idempotency import SHOWN_ONCE
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentIdentity, CurrentTx, TenantRoute, allow

router = APIRouter(prefix="/v1/api-keys", tags=["API keys"], route_class=TenantRoute)
MANAGE = allow("can_manage_keys")


@router.post("", status_code=201, dependencies=[MANAGE, RECENT, SHOWN_ONCE], summary="Make a key; shown this once")
async def create_key(body: ApiKeyIn, tx: CurrentTx, identity: CurrentIdentity) -> ApiKeyMade:
    row, key = await api_keys.create(
        tx, identity, name=body.name, scopes=body.scopes, expires_at=body.expires_at
    )  # fmt: skip
    return ApiKeyMade(**_fields(row), key=key)


@router.get("", dependencies=[MANAGE], summary="All keys of the tenant, without their secrets")
async def list_keys(tx: CurrentTx, page: Paging) -> Page[ApiKeyOut]:
    rows = await repository.keys(tx, page)
    return Page(items=[ApiKeyOut(**_fields(row)) for row in rows], next_cursor=next_cursor(rows, page))


@router.post(
    "/{key_id}/rotate", dependencies=[MANAGE, RECENT, SHOWN_ONCE],
    summary="A new secret in place of the old one, which ends at once",
)  # fmt: skip
async def rotate_key(key_id: UUID, tx: CurrentTx, identity: CurrentIdentity) -> ApiKeyMade:
    row, key = await api_keys.rotate(tx, key_id, identity)
    return ApiKeyMade(**_fields(row), key=key)


@router.delete("/{key_id}", status_code=204, dependencies=[MANAGE, RECENT])
async def delete_key(key_id: UUID, tx: CurrentTx) -> None:
    await api_keys.delete(tx, key_id)


def _fields(row: ApiKey) -> dict[str, Any]:
    return {
        "id": row.id, "prefix": api_keys.prefix(row), "name": row.name, "scopes": row.scopes,
        "created_by": row.created_by, "created_at": row.created_at, "rotated_at": row.rotated_at,
        "last_used_at": row.last_used_at, "expires_at": row.expires_at,
    }  # fmt: skip
