from __future__ import annotations

from fastapi import APIRouter

from core.kit.errors import Forbidden
from core.kit.web import CurrentIdentity, CurrentTx, TenantRoute, allow
from core.tenants import repository
from core.tenants.schemas import Me, MeChange, TenantChange, TenantOut, UserOut

router = APIRouter(prefix="/v1", tags=["access"], route_class=TenantRoute)


@router.get("/me", summary="Who am I, and what may I do", dependencies=[allow("can_view_tenant")])
async def me(tx: CurrentTx, identity: CurrentIdentity) -> Me:
    user = UserOut.model_validate(await repository.user(tx, identity.user_id))
    return Me(**user.model_dump(), tenant_id=tx.tenant_id, permissions=sorted(identity.scopes))


@router.patch("/me", summary="My name and picture", dependencies=[allow("can_view_tenant")])
async def change_me(body: MeChange, tx: CurrentTx, identity: CurrentIdentity) -> Me:
    if identity.session_id is None:
        raise Forbidden("A key does not change who it acts for. Log in.")
    row = await repository.user(tx, identity.user_id)
    wanted = body.model_dump(exclude_unset=True)
    before = {name: getattr(row, name) for name in wanted}
    for name, value in wanted.items():
        setattr(row, name, value)
    tx.audit("user.changed", f"user:{row.id}", before=before, after=wanted)
    return await me(tx, identity)


@router.get("/tenant", dependencies=[allow("can_view_tenant")])
async def read_tenant(tx: CurrentTx) -> TenantOut:
    return TenantOut.model_validate(await repository.tenant(tx))


@router.patch("/tenant", dependencies=[allow("can_manage_tenant")])
async def change_tenant(body: TenantChange, tx: CurrentTx) -> TenantOut:
    tenant = await repository.tenant(tx)
    wanted = body.model_dump(exclude_none=True)
    before = {name: getattr(tenant, name) for name in wanted}
    for name, value in wanted.items():
        setattr(tenant, name, value)
    tx.audit("tenant.changed", f"tenant:{tenant.id}", before=before, after=wanted)
    return TenantOut.model_validate(tenant)


@router.get("/users", dependencies=[allow("can_view_tenant")])
async def list_users(tx: CurrentTx) -> list[UserOut]:
    return [UserOut.model_validate(user) for user in await repository.users(tx)]
