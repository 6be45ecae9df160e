from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request

from core.identity import throttle
from core.identity.api import answer, lifetimes, origin
from core.identity.people import invitations, members, passwords, repository
from core.identity.people.model import Invitation
from core.identity.people.schemas import (
    Accept,
    ChangePassword,
    Forgot,
    InvitationIn,
    InvitationOut,
    Reset,
    UserChange,
)
from core.identity.recent import RECENT
from core.identity.schemas import SessionOpened
from core.identity.sessions import open_session
from core.kit.db import Tx
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentIdentity, CurrentTx, PublicRoute, TenantRoute, allow
from core.tenants import repository as tenants
from core.tenants.schemas import UserOut

public = APIRouter(prefix="/v1", tags=["access"], route_class=PublicRoute)
router = APIRouter(prefix="/v1", tags=["people"], route_class=TenantRoute)
INVITE, MANAGE, SEE = allow("can_invite_user"), allow("can_manage_tenant"), allow("can_view_tenant")


@router.get("/users/{user_id}", dependencies=[SEE])
async def read_user(user_id: UUID, tx: CurrentTx) -> UserOut:
    return UserOut.model_validate(await tenants.user(tx, user_id))


@router.patch("/users/{user_id}", dependencies=[MANAGE, RECENT], summary="Roles, team, region; suspend, let in again")
async def change_user(
    user_id: UUID, body: UserChange, request: Request, tx: CurrentTx, identity: CurrentIdentity
) -> UserOut:
    wanted = body.model_dump(exclude_unset=True)
    user = await members.change(tx, request.app.state.services.roles, identity, user_id, wanted)
    return UserOut.model_validate(user)


@router.delete(
    "/users/{user_id}/second-factor", status_code=204, dependencies=[MANAGE, RECENT],
    summary="Take the second factor away from somebody who lost it",
)  # fmt: skip
async def remove_second_factor(user_id: UUID, request: Request, tx: CurrentTx, identity: CurrentIdentity) -> None:
    """Ends all of that person's sessions: make sure who asks for it."""
    services = request.app.state.services
    await members.remove_second_factor(tx, services.roles, services.factors, identity, user_id)


@router.post("/invitations", status_code=201, dependencies=[INVITE], summary="Invite somebody by e-mail")
async def invite(body: InvitationIn, request: Request, tx: CurrentTx, identity: CurrentIdentity) -> InvitationOut:
    wanted = invitations.Wanted(body.email, body.roles, body.team, body.region)
    table = request.app.state.services.roles
    return _out(tx, await invitations.invite(tx, table, identity, wanted, days=_days(request)))


@router.get("/invitations", dependencies=[INVITE])
async def list_invitations(tx: CurrentTx, page: Paging) -> Page[InvitationOut]:
    rows = await repository.invitations(tx, page)
    return Page(items=[_out(tx, row) for row in rows], next_cursor=next_cursor(rows, page))


@router.post("/invitations/{invitation_id}/send", dependencies=[INVITE], summary="Send it again; the old code ends")
async def send_again(invitation_id: UUID, request: Request, tx: CurrentTx) -> InvitationOut:
    return _out(tx, await invitations.send_again(tx, invitation_id, days=_days(request)))


@router.delete("/invitations/{invitation_id}", status_code=204, dependencies=[INVITE], summary="Revoke it")
async def revoke(invitation_id: UUID, tx: CurrentTx) -> None:
    await invitations.revoke(tx, invitation_id)


@public.post("/invitations/accept", status_code=201, summary="Become a user by the code of an invitation")
async def accept(body: Accept, request: Request) -> SessionOpened:
    services = request.app.state.services
    made = await invitations.accept(
        services.db, services.roles, services.mail_tokens, body.token, name=body.name, password=body.password
    )
    async with services.db.tenant(made.tenant_id) as tx:
        opened = await open_session(
            tx, made.user_id, made.roles, services.roles, method="invitation", origin=origin(request),
            lifetimes=lifetimes(request),
        )  # fmt: skip
    return answer(request, opened)


@public.post("/password/forgot", status_code=202, summary="Have a code sent that sets a new password")
async def forget(body: Forgot, request: Request) -> dict[str, str]:
    """Answers the same whether or not the address is known."""
    services = request.app.state.services
    await throttle.attempt(services.rate_limiter, body.email, origin(request).address)
    await passwords.forget(services.db, body.email, body.tenant)
    return {"status": "accepted"}


@public.post("/password/reset", status_code=204, summary="Set a new password by that code; ends all sessions")
async def reset(body: Reset, request: Request) -> None:
    services = request.app.state.services
    await passwords.reset(services.db, services.mail_tokens, body.token, body.password)


@router.post("/me/password", status_code=204, dependencies=[SEE], summary="Change my password; ends my other sessions")
async def change_password(body: ChangePassword, request: Request, tx: CurrentTx, identity: CurrentIdentity) -> None:
    services = request.app.state.services
    user = await tenants.user(tx, identity.user_id)
    await throttle.attempt(services.rate_limiter, user.email, origin(request).address)
    await passwords.change(
        tx, identity, services.factors, old=body.old_password, new=body.password, code=body.code
    )  # fmt: skip


def _days(request: Request) -> int:
    days: int = request.app.state.services.settings.auth.invitation_days
    return days


def _out(tx: Tx, row: Invitation) -> InvitationOut:
    return InvitationOut(
        id=row.id, email=row.email, roles=row.roles, team=row.team, region=row.region,
        status=invitations.status(row, tx.clock), invited_by=row.invited_by, created_at=row.created_at,
        expires_at=row.expires_at,
    )  # fmt: skip
