from __future__ import annotations

from fastapi import APIRouter, Request

from core.kit.security import Identity
from core.kit.web import CurrentIdentity, CurrentTx, TenantRoute, allow
from core.tenants import log_in as logging_in
from core.tenants import repository
from core.tenants import sign_up as signing_up
from core.tenants.schemas import LogIn, Me, Session, SignUp, TenantChange, TenantOut, UserOut

public = APIRouter(prefix="/v1", tags=["access"])
router = APIRouter(prefix="/v1", tags=["access"], route_class=TenantRoute)


@public.post("/signup", status_code=201, summary="Create a tenant and its first administrator")
async def sign_up(body: SignUp, request: Request) -> Session:
    services = request.app.state.services
    return _session(request, await signing_up.sign_up(services.db, services.roles, body))


@public.post("/login", summary="Log in with e-mail and password")
async def log_in(body: LogIn, request: Request) -> Session:
    services = request.app.state.services
    return _session(request, await logging_in.log_in(services.db, services.roles, body))


@router.get("/me", summary="Who am I, and what may I do", dependencies=[allow("can_view_tenant")])
async def me(tx: CurrentTx, identity: CurrentIdentity) -> Me:
    user = UserOut.model_validate(await repository.user(tx, identity.user_id))
    return Me(**user.model_dump(), tenant_id=tx.tenant_id, permissions=sorted(identity.scopes))


@router.get("/tenant", dependencies=[allow("can_view_tenant")])
async def read_tenant(tx: CurrentTx) -> TenantOut:
    return TenantOut.model_validate(await repository.tenant(tx))


@router.patch("/tenant", dependencies=[allow("can_manage_tenant")])
async def change_tenant(body: TenantChange, tx: CurrentTx) -> TenantOut:
    tenant = await repository.tenant(tx)
    for name, value in body.model_dump(exclude_none=True).items():
        setattr(tenant, name, value)
    return TenantOut.model_validate(tenant)


@router.get("/users", dependencies=[allow("can_view_tenant")])
async def list_users(tx: CurrentTx) -> list[UserOut]:
    return [UserOut.model_validate(user) for user in await repository.users(tx)]


def _session(request: Request, identity: Identity) -> Session:
    tokens = request.app.state.services.tokens
    return Session(
        access_token=tokens.issue(identity), expires_in_s=tokens.lifetime_s,
        tenant_id=identity.tenant_id, user_id=identity.user_id,
    )  # fmt: skip
