from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request

from core.identity import repository, sessions, throttle
from core.identity import sign_in as signing_in
from core.identity.recent import RECENT
from core.identity.schemas import LogIn, Reauthenticate, Refresh, SessionOpened, SessionOut
from core.identity.sessions import Lifetimes, Opened, Origin, open_session
from core.kit.errors import Conflict
from core.kit.web import CurrentIdentity, CurrentTx, PublicRoute, TenantRoute, allow
from core.tenants import repository as tenants
from core.tenants import sign_up as signing_up
from core.tenants.schemas import SignUp

public = APIRouter(tags=["access"], route_class=PublicRoute)
router = APIRouter(prefix="/v1", tags=["access"], route_class=TenantRoute)
SEE = allow("can_view_tenant")


@public.post("/v1/signup", status_code=201, summary="Create a tenant and its first administrator")
async def sign_up(body: SignUp, request: Request) -> SessionOpened:
    services = request.app.state.services
    made = await signing_up.sign_up(services.db, services.roles, body)
    async with services.db.tenant(made.tenant_id) as tx:
        opened = await open_session(
            tx, made.user_id, made.roles, services.roles, method="signup", origin=origin(request),
            lifetimes=lifetimes(request),
        )  # fmt: skip
    return answer(request, opened)


@public.post("/v1/login", summary="Log in with e-mail and password")
async def log_in(body: LogIn, request: Request) -> SessionOpened:
    services = request.app.state.services
    opened = await signing_in.sign_in(
        services.db, services.roles, services.factors, services.rate_limiter, body, origin=origin(request),
        lifetimes=lifetimes(request),
    )  # fmt: skip
    return answer(request, opened)


@public.post("/v1/refresh", summary="Exchange a refresh token for a new pair of tokens")
async def refresh(body: Refresh, request: Request) -> SessionOpened:
    """Works once for each token. One that is used again later ends its session on all sides."""
    services = request.app.state.services
    opened = await sessions.refresh(services.db, body.refresh_token, services.roles, lifetimes=lifetimes(request))
    return answer(request, opened)


@public.get("/.well-known/jwks.json", summary="The public keys of access tokens")
async def jwks(request: Request) -> dict[str, list[dict[str, str]]]:
    keys: dict[str, list[dict[str, str]]] = request.app.state.services.tokens.jwks()
    return keys


@router.post("/logout", status_code=204, dependencies=[SEE], summary="End this session")
async def log_out(tx: CurrentTx, identity: CurrentIdentity) -> None:
    if identity.session_id is None:
        raise Conflict("An API key has no session. Delete the key to end its use.")
    await sessions.end(tx, identity.session_id, user_id=identity.user_id, why="logout")


@router.post("/me/reauthenticate", status_code=204, dependencies=[SEE], summary="Prove that it is still me")
async def reauthenticate(body: Reauthenticate, request: Request, tx: CurrentTx, identity: CurrentIdentity) -> None:
    """What is sensitive asks for it where the log-in is some minutes old."""
    services = request.app.state.services
    user = await tenants.user(tx, identity.user_id)
    await throttle.attempt(services.rate_limiter, user.email, origin(request).address)
    await sessions.reauthenticate(tx, identity, services.factors, body.password, body.code)


@router.post(
    "/logout-everywhere", status_code=204, dependencies=[SEE, RECENT], summary="End all my sessions, this one too"
)
async def log_out_everywhere(tx: CurrentTx, identity: CurrentIdentity) -> None:
    await sessions.end_all(tx, identity.user_id, why="logout_everywhere")


@router.get("/me/sessions", dependencies=[SEE], summary="Where I am logged in")
async def list_sessions(tx: CurrentTx, identity: CurrentIdentity) -> list[SessionOut]:
    rows = await repository.sessions_of(tx, identity.user_id)
    return [
        SessionOut.model_validate(row).model_copy(update={"current": row.id == identity.session_id}) for row in rows
    ]


@router.delete(
    "/me/sessions/{session_id}", status_code=204, dependencies=[SEE, RECENT], summary="End one of my sessions"
)
async def end_session(session_id: UUID, tx: CurrentTx, identity: CurrentIdentity) -> None:
    await sessions.end(tx, session_id, user_id=identity.user_id, why="ended_by_user")


@router.post(
    "/users/{user_id}/end-sessions", status_code=204, dependencies=[allow("can_manage_tenant"), RECENT],
    summary="Log somebody out everywhere",
)  # fmt: skip
async def end_sessions_of(user_id: UUID, tx: CurrentTx) -> None:
    await tenants.user(tx, user_id)
    await sessions.end_all(tx, user_id, why="ended_by_admin")


def lifetimes(request: Request) -> Lifetimes:
    auth = request.app.state.services.settings.auth
    return Lifetimes(auth.session_idle_s, auth.session_s)


def origin(request: Request) -> Origin:
    address = request.client.host if request.client else None
    return Origin(address, request.headers.get("user-agent"), request.app.state.services.places.find(address))


def answer(request: Request, opened: Opened) -> SessionOpened:
    tokens = request.app.state.services.tokens
    identity = opened.identity
    assert identity.session_id is not None, "a session was just opened"
    return SessionOpened(
        access_token=tokens.issue(identity), expires_in_s=tokens.lifetime_s, refresh_token=opened.refresh_token,
        session_id=identity.session_id, tenant_id=identity.tenant_id, user_id=identity.user_id,
    )  # fmt: skip
