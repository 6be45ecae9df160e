"""The queries about provisioning: tokens, users as the directory knows them, groups and who is in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, any_, cast, delete, exists, func, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from core.identity.scim.filters import Column, Columns, Condition, Link
from core.identity.scim.model import ScimGroup, ScimMember, ScimToken, ScimUser
from core.identity.scim.wire import Account
from core.kit.db import Tx
from core.kit.errors import Conflict, NotFound
from core.kit.pages import PageRequest, newest_first
from core.tenants.model import Tenant, User

_USE_IS_NOTED_EVERY = timedelta(minutes=1)
_TAKEN = "is there already, under that name or address"


async def add(tx: Tx, row: ScimToken | ScimUser | ScimGroup | User) -> None:
    """Raises `Conflict` where another request was faster."""
    tx.session.add(row)
    try:
        await tx.session.flush()
    except IntegrityError:
        raise Conflict(f"What you add {_TAKEN}.", scimType="uniqueness") from None


async def remove(tx: Tx, row: ScimToken | ScimGroup) -> None:
    await tx.session.delete(row)
    await tx.session.flush()


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def find_token(tx: Tx, token_id: UUID) -> ScimToken | None:
    """None also where the tenant is suspended."""
    query = select(ScimToken).join(Tenant, Tenant.id == ScimToken.tenant_id).where(ScimToken.id == token_id)
    return (await tx.session.execute(query.where(Tenant.suspended_at.is_(None)))).scalar_one_or_none()


async def token(tx: Tx, token_id: UUID) -> ScimToken:
    found = await tx.session.get(ScimToken, token_id, with_for_update=True)
    if found is None:
        raise NotFound("There is no such token.")
    return found


async def tokens(tx: Tx, page: PageRequest) -> list[ScimToken]:
    query = select(ScimToken)
    return list((await tx.session.execute(newest_first(query, ScimToken.id, page))).scalars())


async def note_use(tx: Tx, token_id: UUID) -> None:
    """At most once a minute."""
    now = tx.clock.now()
    unnoted = or_(ScimToken.last_used_at.is_(None), ScimToken.last_used_at <= now - _USE_IS_NOTED_EVERY)
    await tx.session.execute(update(ScimToken).where(ScimToken.id == token_id, unnoted).values(last_used_at=now))


# ── users ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_USER_NAME: ColumnElement[Any] = func.coalesce(ScimUser.user_name, User.email)


def _in_group(group_id: str | None) -> Condition:
    query = select(ScimMember.id).where(ScimMember.user_id == User.id)
    return exists(query if group_id is None else query.where(cast(ScimMember.group_id, String) == group_id))


def _has_role(role: str | None) -> Condition:
    return func.cardinality(User.roles) > 0 if role is None else literal(role) == any_(User.roles)


USER_COLUMNS: Columns = {
    "id": Column(cast(User.id, String), exact=True),
    "externalid": Column(ScimUser.external_id, exact=True),
    "username": Column(_USER_NAME),
    "displayname": Column(User.name),
    "name.formatted": Column(User.name),
    "name.givenname": Column(ScimUser.given_name),
    "name.familyname": Column(ScimUser.family_name),
    "active": Column(User.is_active, "bool"),
    "emails": Column(User.email),
    "emails.value": Column(User.email),
    "emails.type": Column(literal("work")),
    "emails.primary": Column(literal(True), "bool"),
    "roles": Link(_has_role),
    "roles.value": Link(_has_role),
    "groups": Link(_in_group),
    "groups.value": Link(_in_group),
    "meta.created": Column(User.created_at, "time"),
    "meta.lastmodified": Column(func.coalesce(ScimUser.changed_at, User.created_at), "time"),
}


async def account(tx: Tx, user_id: UUID) -> Account:
    """Locked. Raises `NotFound`, also where the directory has deleted him."""
    user = await tx.session.get(User, user_id, with_for_update=True, populate_existing=True)
    said = await tx.session.get(ScimUser, user_id, populate_existing=True)
    if user is None or (said is not None and said.deleted_at is not None):
        raise NotFound("There is no such user.")
    return Account(user, said)


async def accounts(tx: Tx, where: Condition | None, offset: int, limit: int) -> tuple[int, list[Account]]:
    """(how many in all, those of this page in the order in which they came)."""
    query = select(User, ScimUser).outerjoin(ScimUser, ScimUser.id == User.id).where(ScimUser.deleted_at.is_(None))
    if where is not None:
        query = query.where(where)
    total = (await tx.session.execute(query.with_only_columns(func.count()))).scalar_one()
    rows = await tx.session.execute(query.order_by(User.id).offset(offset).limit(limit))
    return total, [Account(user, said) for user, said in rows]


async def deleted(tx: Tx, user_name: str) -> Account | None:
    """Whom the directory deleted under this name. Locked."""
    query = select(User, ScimUser).join(ScimUser, ScimUser.id == User.id).where(ScimUser.deleted_at.is_not(None))
    query = query.where(func.lower(ScimUser.user_name) == func.lower(user_name)).with_for_update()
    row = (await tx.session.execute(query)).one_or_none()
    return Account(row[0], row[1]) if row else None


async def name_taken(tx: Tx, user_name: str, email: str, but: UUID | None) -> bool:
    """Whether another user has the name or the address."""
    query = select(User.id).outerjoin(ScimUser, ScimUser.id == User.id)
    same_name = func.lower(_USER_NAME) == func.lower(user_name)
    query = query.where(or_(same_name, func.lower(User.email) == func.lower(email)))
    return any(found != but for found in (await tx.session.execute(query)).scalars())


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _has_member(user_id: str | None) -> Condition:
    query = select(ScimMember.id).where(ScimMember.group_id == ScimGroup.id)
    return exists(query if user_id is None else query.where(cast(ScimMember.user_id, String) == user_id))


GROUP_COLUMNS: Columns = {
    "id": Column(cast(ScimGroup.id, String), exact=True),
    "externalid": Column(ScimGroup.external_id, exact=True),
    "displayname": Column(ScimGroup.display_name),
    "members": Link(_has_member),
    "members.value": Link(_has_member),
    "meta.created": Column(ScimGroup.created_at, "time"),
    "meta.lastmodified": Column(ScimGroup.changed_at, "time"),
}


async def group(tx: Tx, group_id: UUID) -> ScimGroup:
    """Locked. Raises `NotFound`."""
    found = await tx.session.get(ScimGroup, group_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound("There is no such group.")
    return found


async def groups(tx: Tx, where: Condition | None, offset: int, limit: int) -> tuple[int, list[ScimGroup]]:
    query = select(ScimGroup)
    if where is not None:
        query = query.where(where)
    total = (await tx.session.execute(query.with_only_columns(func.count()))).scalar_one()
    rows = await tx.session.execute(query.order_by(ScimGroup.id).offset(offset).limit(limit))
    return total, list(rows.scalars())


async def group_name_taken(tx: Tx, name: str, but: UUID | None) -> bool:
    query = select(ScimGroup.id).where(func.lower(ScimGroup.display_name) == func.lower(name))
    return any(found != but for found in (await tx.session.execute(query)).scalars())


async def all_group_names(tx: Tx) -> list[str]:
    return list((await tx.session.execute(select(ScimGroup.display_name))).scalars())


async def all_members(tx: Tx) -> list[UUID]:
    """Of any group."""
    return list((await tx.session.execute(select(ScimMember.user_id).distinct())).scalars())


async def groups_of(tx: Tx, user_ids: Collection[UUID]) -> dict[UUID, list[ScimGroup]]:
    query = select(ScimMember.user_id, ScimGroup).join(ScimGroup, ScimGroup.id == ScimMember.group_id)
    found: dict[UUID, list[ScimGroup]] = {user_id: [] for user_id in user_ids}
    for user_id, row in await tx.session.execute(
        query.where(ScimMember.user_id.in_(user_ids)).order_by(ScimGroup.display_name)
    ):
        found[user_id].append(row)
    return found


async def members_of(tx: Tx, group_ids: Collection[UUID]) -> dict[UUID, list[User]]:
    query = select(ScimMember.group_id, User).join(User, User.id == ScimMember.user_id)
    found: dict[UUID, list[User]] = {group_id: [] for group_id in group_ids}
    for group_id, user in await tx.session.execute(query.where(ScimMember.group_id.in_(group_ids)).order_by(User.id)):
        found[group_id].append(user)
    return found


async def users(tx: Tx, user_ids: Collection[UUID]) -> list[User]:
    """Those of these that the directory sees. Locked, in the order of their ids."""
    gone = select(ScimUser.id).where(ScimUser.deleted_at.is_not(None))
    query = select(User).where(User.id.in_(user_ids), User.id.not_in(gone)).order_by(User.id).with_for_update()
    return list((await tx.session.execute(query)).scalars())


async def join_group(tx: Tx, group_id: UUID, user_ids: Iterable[UUID]) -> None:
    tx.session.add_all(ScimMember(tenant_id=tx.tenant_id, group_id=group_id, user_id=one) for one in user_ids)
    await tx.session.flush()


async def leave_group(tx: Tx, group_id: UUID, user_ids: Collection[UUID]) -> None:
    query = delete(ScimMember).where(ScimMember.group_id == group_id, ScimMember.user_id.in_(user_ids))
    await tx.session.execute(query)


async def leave_all_groups(tx: Tx, user_id: UUID) -> None:
    await tx.session.execute(delete(ScimMember).where(ScimMember.user_id == user_id))
