"""The queries about invitations and the people of a tenant."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import any_, func, literal, or_, select

from core.identity.people.model import Invitation
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.pages import PageRequest, newest_first
from core.tenants.model import User

_ADMINISTRATORS = ("ADMIN", "SUPER_ADMIN")


async def add(tx: Tx, row: Invitation) -> None:
    tx.session.add(row)
    await tx.session.flush()


async def invitation(tx: Tx, invitation_id: UUID) -> Invitation:
    """Locked: of two who change it the second sees what the first has done. Raises `NotFound`."""
    found = await find_invitation(tx, invitation_id)
    if found is None:
        raise NotFound("There is no such invitation.")
    return found


async def find_invitation(tx: Tx, invitation_id: UUID) -> Invitation | None:
    """Locked."""
    return await tx.session.get(Invitation, invitation_id, with_for_update=True)


async def invitations(tx: Tx, page: PageRequest) -> list[Invitation]:
    query = select(Invitation)
    return list((await tx.session.execute(newest_first(query, Invitation.id, page))).scalars())


async def pending_to(tx: Tx, email: str) -> bool:
    query = select(Invitation.id).where(
        func.lower(Invitation.email) == email.lower(), Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None)
    )
    return (await tx.session.execute(query)).scalar_one_or_none() is not None


async def is_member(tx: Tx, email: str) -> bool:
    query = select(User.id).where(func.lower(User.email) == email.lower())
    return (await tx.session.execute(query)).scalar_one_or_none() is not None


async def user(tx: Tx, user_id: UUID) -> User:
    """Locked. Raises `NotFound`."""
    found = await find_user(tx, user_id)
    if found is None:
        raise NotFound("There is no such user.")
    return found


async def find_user(tx: Tx, user_id: UUID) -> User | None:
    """Locked."""
    return await tx.session.get(User, user_id, with_for_update=True, populate_existing=True)


async def other_administrators(tx: Tx, but: UUID) -> int:
    """Active ones, locked in the order of their ids: two who suspend each other come one after the other."""
    query = (
        select(User)
        .where(User.is_active, or_(*(literal(role) == any_(User.roles) for role in _ADMINISTRATORS)))
        .order_by(User.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = (await tx.session.execute(query)).scalars()
    return sum(one.id != but and one.is_active for one in found)


def is_administrator(user: User) -> bool:
    return user.is_active and not set(_ADMINISTRATORS).isdisjoint(user.roles)
