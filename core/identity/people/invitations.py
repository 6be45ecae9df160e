"""Invitations: made, sent again, revoked, accepted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from core.identity.people import members, repository
from core.identity.people.model import Invitation
from core.identity.people.tokens import INVITATION, MailTokens, refused
from core.kit.db import Actor, Database, Tx
from core.kit.errors import Conflict
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.passwords import check_password
from core.kit.security import Identity, hash_password
from core.ports import Clock
from core.tenants import repository as tenants
from core.tenants.model import User
from core.tenants.permissions import Roles

Status = Literal["pending", "accepted", "revoked", "expired"]
_TAKEN = "is of this company already, or is invited: send that invitation again"


@dataclass(frozen=True, slots=True)
class Wanted:
    email: str
    roles: Sequence[str]
    team: str | None
    region: str | None


def status(row: Invitation, clock: Clock) -> Status:
    if row.accepted_at is not None:
        return "accepted"
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at <= clock.now() else "pending"


async def invite(tx: Tx, table: Roles, asking: Identity, wanted: Wanted, *, days: int) -> Invitation:
    """Raises `Conflict` where the address is taken, `Invalid` and `Forbidden` for roles that cannot be given."""
    members.may_give(table, asking, wanted.roles)
    if await repository.is_member(tx, wanted.email) or await repository.pending_to(tx, wanted.email):
        raise Conflict(f"{wanted.email} {_TAKEN}.")
    now = tx.clock.now()
    row = Invitation(
        id=new_id(), tenant_id=tx.tenant_id, email=wanted.email, roles=sorted(set(wanted.roles)), team=wanted.team,
        region=wanted.region, invited_by=asking.user_id, created_at=now, sent_count=0, expires_at=now,
    )  # fmt: skip
    try:
        await repository.add(tx, row)
    except IntegrityError:  # somebody else invites the same person at this moment
        raise Conflict(f"{wanted.email} {_TAKEN}.") from None
    tx.audit("invitation.created", f"invitation:{row.id}", after={"roles": row.roles})
    await _send(tx, row, days)
    return row


async def send_again(tx: Tx, invitation_id: UUID, *, days: int) -> Invitation:
    """With a new token and a new end; the old token is good no more. Raises `NotFound`, `Conflict`."""
    row = await _open(tx, invitation_id)
    tx.audit("invitation.sent_again", f"invitation:{row.id}")
    await _send(tx, row, days)
    return row


async def revoke(tx: Tx, invitation_id: UUID) -> None:
    """Raises `NotFound`, `Conflict`."""
    row = await _open(tx, invitation_id)
    row.revoked_at = tx.clock.now()
    tx.audit("invitation.revoked", f"invitation:{row.id}")


async def accept(db: Database, table: Roles, tokens: MailTokens, token: str, *, name: str, password: str) -> Identity:
    """The new user. Raises `NotFound` for every token that is not good, `Invalid` for a weak password."""
    claim = tokens.read(INVITATION, token)
    claim.check()
    hashed = await hash_password(password)
    async with db.tenant(claim.tenant_id) as tx:
        row = await repository.find_invitation(tx, claim.subject)
        if row is None or row.sent_count != claim.number or status(row, tx.clock) != "pending":
            raise refused()
        tenant = await tenants.tenant(tx)
        await check_password(password, name, row.email, tenant.name)
        if await repository.is_member(tx, row.email):
            raise Conflict("You have an account already. Log in.")
        row.accepted_at = tx.clock.now()
        user = User(
            id=new_id(), tenant_id=tx.tenant_id, email=row.email, name=name, password_hash=hashed, roles=row.roles,
            team=row.team, region=row.region, created_at=tx.clock.now(),
        )  # fmt: skip
        await tenants.add(tx, user)
        tx.actor = Actor(user.id, "user")
        tx.audit("invitation.accepted", f"invitation:{row.id}", after={"user": str(user.id)})
        return Identity(user.id, tx.tenant_id, tuple(row.roles), table.scopes(row.roles))


async def _open(tx: Tx, invitation_id: UUID) -> Invitation:
    row = await repository.invitation(tx, invitation_id)
    if status(row, tx.clock) in ("accepted", "revoked"):
        raise Conflict(f"The invitation is {status(row, tx.clock)} already. Make another where one is needed.")
    return row


async def _send(tx: Tx, row: Invitation, days: int) -> None:
    now = tx.clock.now()
    row.sent_count += 1
    row.expires_at = now + timedelta(days=days)
    await tx.emit(Event(EventType.INVITATION_SENT, tx.tenant_id, row.id, {"sent_count": row.sent_count}, at=now))
