"""The queries about providers, identities and the tenant's settings of single sign-on."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import any_, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from core.identity.sso.model import SsoIdentity, SsoProvider, SsoSettings, SsoUsedState
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.ids import new_id
from core.kit.pages import PageRequest, newest_first
from core.tenants.model import User


async def add(tx: Tx, row: SsoProvider | SsoIdentity) -> None:
    tx.session.add(row)
    await tx.session.flush()


async def provider(tx: Tx, provider_id: UUID) -> SsoProvider:
    found = await tx.session.get(SsoProvider, provider_id)
    if found is None:
        raise NotFound("There is no such provider.")
    return found


async def enabled_provider(tx: Tx, slug: str) -> SsoProvider | None:
    query = select(SsoProvider).where(SsoProvider.slug == slug, SsoProvider.is_enabled)
    return (await tx.session.execute(query)).scalar_one_or_none()


async def slug_taken(tx: Tx, slug: str) -> bool:
    query = select(SsoProvider.id).where(SsoProvider.slug == slug)
    return (await tx.session.execute(query)).scalar_one_or_none() is not None


async def providers(tx: Tx, page: PageRequest) -> list[SsoProvider]:
    query = select(SsoProvider)
    return list((await tx.session.execute(newest_first(query, SsoProvider.id, page))).scalars())


async def any_enabled(tx: Tx) -> bool:
    query = select(func.count()).select_from(SsoProvider).where(SsoProvider.is_enabled)
    return bool((await tx.session.execute(query)).scalar_one())


async def remove(tx: Tx, row: SsoProvider) -> None:
    await tx.session.delete(row)
    await tx.session.flush()


async def use_state(tx: Tx, state_id: UUID, expires_at: datetime) -> bool:
    """Use up a state, for exactly one of any number of callers. Clears away those that have expired."""
    await tx.session.execute(delete(SsoUsedState).where(SsoUsedState.expires_at < tx.clock.now()))
    query = (
        insert(SsoUsedState)
        .values(id=state_id, tenant_id=tx.tenant_id, expires_at=expires_at)
        .on_conflict_do_nothing()
        .returning(SsoUsedState.id)
    )
    return (await tx.session.execute(query)).scalar_one_or_none() is not None


async def user_of(tx: Tx, provider_id: UUID, subject: str) -> User | None:
    """Whom the provider means by this subject."""
    query = (
        select(User)
        .join(SsoIdentity, SsoIdentity.user_id == User.id)
        .where(SsoIdentity.provider_id == provider_id, SsoIdentity.subject == subject)
    )
    return (await tx.session.execute(query)).scalar_one_or_none()


async def user_by_email(tx: Tx, email: str) -> User | None:
    query = select(User).where(func.lower(User.email) == email.lower())
    return (await tx.session.execute(query)).scalar_one_or_none()


async def has_other_admin(tx: Tx, user_id: UUID) -> bool:
    """Whether somebody else can still administer the tenant. Locks the administrators, so that of two requests that
    each take one away the second sees what the first left."""
    query = (
        select(User.id).where(User.is_active, literal("ADMIN") == any_(User.roles)).order_by(User.id).with_for_update()
    )
    return any(found != user_id for found in (await tx.session.execute(query)).scalars())


async def settings(tx: Tx) -> SsoSettings:
    """The tenant's own, or what holds as long as it has said nothing."""
    found = (await tx.session.execute(select(SsoSettings))).scalar_one_or_none()
    if found is None:
        found = SsoSettings(tenant_id=tx.tenant_id, sso_only=False, default_role="SDR", group_roles={})
    return found


async def save_settings(tx: Tx, *, sso_only: bool, default_role: str, group_roles: dict[str, str]) -> SsoSettings:
    values = {"sso_only": sso_only, "default_role": default_role, "group_roles": group_roles}
    query = insert(SsoSettings).values(id=new_id(), tenant_id=tx.tenant_id, **values)
    query = query.on_conflict_do_update(index_elements=[SsoSettings.tenant_id], set_=values)
    await tx.session.execute(query)
    tx.session.expire_all()
    return await settings(tx)


async def refuses_password(tx: Tx, user_id: UUID) -> bool:
    """Whether this user has to come by single sign-on."""
    query = select(SsoSettings.sso_only).join(User, User.tenant_id == SsoSettings.tenant_id)
    found = await tx.session.execute(query.where(User.id == user_id, User.is_sso))
    return bool(found.scalar_one_or_none())
