"""Groups of the tenant's directory, and what they make of who is in them: roles where the tenant's settings say so,
a team where they say nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from core.identity.scim import repository
from core.identity.scim.model import ScimGroup
from core.identity.scim.wire import Group
from core.identity.sso import enter, rules
from core.identity.sso import repository as sso
from core.kit.db import Tx
from core.kit.errors import BadInput, Conflict
from core.kit.ids import new_id

MOST_MEMBERS = 20_000


async def create(tx: Tx, said: Group) -> ScimGroup:
    """Raises `Conflict`, `BadInput`."""
    name = await _name(tx, said, None)
    now = tx.clock.now()
    row = ScimGroup(
        id=new_id(), tenant_id=tx.tenant_id, display_name=name, external_id=said.external_id, created_at=now,
        changed_at=now,
    )  # fmt: skip
    await repository.add(tx, row)
    members = await _members(tx, said, known=())
    await repository.join_group(tx, row.id, members)
    tx.audit("group.created", f"group:{row.id}", after={"members": len(members)})
    await apply(tx, members)
    return row


async def change(tx: Tx, row: ScimGroup, said: Group) -> ScimGroup:
    """Raises `Conflict`, `BadInput`."""
    name, before = await _name(tx, said, row.id), row.display_name
    present = {user.id for user in (await repository.members_of(tx, [row.id]))[row.id]}
    wanted = await _members(tx, said, known=present)
    came, went = wanted - present, present - wanted
    if not came and not went and (name, said.external_id) == (before, row.external_id):
        return row
    row.display_name, row.external_id, row.changed_at = name, said.external_id, tx.clock.now()
    await repository.leave_group(tx, row.id, went)
    await repository.join_group(tx, row.id, came)
    tx.audit(
        "group.changed", f"group:{row.id}", after={"came": len(came), "went": len(went), "renamed": name != before}
    )
    await apply(tx, wanted | went if name != before else came | went, formerly=[before])
    return row


async def delete(tx: Tx, row: ScimGroup) -> None:
    members = [user.id for user in (await repository.members_of(tx, [row.id]))[row.id]]
    name = row.display_name
    await repository.remove(tx, row)
    tx.audit("group.deleted", f"group:{row.id}", before={"members": len(members)})
    await apply(tx, members, formerly=[name])


async def apply(
    tx: Tx, user_ids: Collection[UUID], *, formerly: Iterable[str] = (), formerly_roles: Iterable[str] = ()
) -> None:
    """Give these users the roles and the team of their groups. `formerly`: names that groups had until now;
    `formerly_roles`: roles that the settings gave until now."""
    if not user_ids:
        return
    settings = await sso.settings(tx)
    by_user = await repository.groups_of(tx, user_ids)
    teams = {*formerly, *await repository.all_group_names(tx)}
    gave = {settings.group_roles[name] for name in formerly if name in settings.group_roles} | {*formerly_roles}
    for user in await repository.users(tx, user_ids):
        names = [group.display_name for group in by_user[user.id]]
        roles = rules.roles_after(user.roles, names, settings.group_roles, settings.default_role, gave)
        await enter.give_roles(tx, user, roles)
        team = rules.team_after(user.team, [name for name in names if name not in settings.group_roles], teams)
        if team != user.team:
            tx.audit("user.team_changed", f"user:{user.id}", before={"team": user.team}, after={"team": team})
            user.team = team


async def apply_to_all(tx: Tx, formerly: Mapping[str, str]) -> None:
    """The tenant has changed which roles its groups give. `formerly`: what it said until now."""
    await apply(tx, await repository.all_members(tx), formerly_roles=formerly.values())


async def _name(tx: Tx, said: Group, but: UUID | None) -> str:
    name = (said.display_name or "").strip()
    if not name:
        raise BadInput("A group needs a `displayName`.", scimType="invalidValue")
    if await repository.group_name_taken(tx, name, but):
        raise Conflict("There is a group of this name already.", scimType="uniqueness")
    return name


async def _members(tx: Tx, said: Group, *, known: Collection[UUID]) -> set[UUID]:
    """Raises `BadInput` for who is no user of this tenant."""
    if len(said.members or []) > MOST_MEMBERS:
        raise BadInput(f"A group holds {MOST_MEMBERS} members at most.", scimType="tooMany")
    try:
        wanted = {UUID(member.value or "") for member in said.members or []}
    except ValueError:
        raise BadInput("A member's `value` is the id of a user.", scimType="invalidValue") from None
    there = {*known, *(user.id for user in await repository.users(tx, wanted - {*known}))}
    if wanted - there:
        raise BadInput("A member is no user of this company.", scimType="invalidValue")
    return wanted
