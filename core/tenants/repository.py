"""The queries about tenants and users."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text, update

from core.kit.db import Tx
from core.kit.errors import NotFound
from core.tenants.model import Tenant, User

_LOCALE = text("SELECT locale FROM tenants WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Account:
    """What log-in needs to know of a user."""

    user_id: UUID
    tenant_id: UUID
    tenant_slug: str
    password_hash: str | None
    roles: tuple[str, ...]
    is_active: bool


async def tenant(tx: Tx) -> Tenant:
    """The transaction's own tenant."""
    found = await tx.session.get(Tenant, tx.tenant_id)
    if found is None:
        raise NotFound("The tenant is gone.")
    return found


async def locale(tx: Tx) -> str:
    """The same tenant's, where nothing else of it is wanted."""
    found = (await tx.session.execute(_LOCALE, {"id": tx.tenant_id})).scalar()
    if found is None:
        raise NotFound("The tenant is gone.")
    return str(found)


async def all_tenant_ids(tx: Tx) -> list[UUID]:
    """Every tenant; in a system transaction only."""
    return list((await tx.session.execute(select(Tenant.id).order_by(Tenant.id))).scalars())


async def find_tenant_id(tx: Tx, slug: str) -> UUID | None:
    """In a system transaction: whose slug it is."""
    return (await tx.session.execute(select(Tenant.id).where(Tenant.slug == slug))).scalar_one_or_none()


async def all_tenants(tx: Tx) -> list[Tenant]:
    """In a system transaction, by slug."""
    return list((await tx.session.execute(select(Tenant).order_by(Tenant.slug))).scalars())


async def accounts_by_email(tx: Tx, email: str) -> list[Account]:
    """In a system transaction: who may log in with this address, in any tenant."""
    rows = await tx.session.execute(
        select(User.id, User.tenant_id, Tenant.slug, User.password_hash, User.roles, User.is_active)
        .join(Tenant, Tenant.id == User.tenant_id)
        .where(func.lower(User.email) == email.lower())
    )
    return [Account(i, t, slug, hashed, tuple(roles), active) for i, t, slug, hashed, roles, active in rows]


async def user(tx: Tx, user_id: UUID) -> User:
    found = await tx.session.get(User, user_id)
    if found is None:
        raise NotFound("There is no such user.")
    return found


async def users(tx: Tx) -> list[User]:
    return list((await tx.session.execute(select(User).order_by(User.id))).scalars())


async def active_user_ids(tx: Tx) -> list[UUID]:
    return list((await tx.session.execute(select(User.id).where(User.is_active).order_by(User.id))).scalars())


async def add(tx: Tx, row: Tenant | User) -> None:
    tx.session.add(row)
    await tx.session.flush()


async def note_login(tx: Tx, user_id: UUID, at: datetime) -> None:
    await tx.session.execute(update(User).where(User.id == user_id).values(last_login_at=at))
