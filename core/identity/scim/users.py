"""Users as the tenant's directory creates, changes and deletes them. What it deletes is suspended here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from email_validator import EmailNotValidError, validate_email

from core.identity import sessions
from core.identity.people import repository as people
from core.identity.scim import groups, repository
from core.identity.scim.model import ScimUser
from core.identity.scim.wire import Account, User
from core.identity.sso import repository as sso
from core.identity.sso.rules import NEVER_BY_GROUP
from core.kit.db import Tx
from core.kit.errors import BadInput, Conflict, Forbidden
from core.kit.ids import new_id
from core.tenants.model import User as UserRow

_TAKEN = "There is a user of this name or address already. Find him by a filter, and change him."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the directory says, in our columns."""

    user_name: str
    external_id: str | None
    given_name: str | None
    family_name: str | None
    email: str
    name: str
    is_active: bool


async def create(tx: Tx, said: User) -> Account:
    """A new user with the tenant's default role, or one who comes back. Raises `Conflict`, `BadInput`."""
    wanted = _wanted(said, None)
    back = await repository.deleted(tx, wanted.user_name)
    if await repository.name_taken(tx, wanted.user_name, wanted.email, back.user.id if back else None):
        raise Conflict(_TAKEN, scimType="uniqueness")
    if back is not None:
        assert back.scim is not None, "the directory deleted him, so it knew him"
        back.scim.deleted_at = None
        await _write(tx, back, wanted, "user.provisioned_again")
        return back
    settings, now = await sso.settings(tx), tx.clock.now()
    user = UserRow(
        id=new_id(), tenant_id=tx.tenant_id, email=wanted.email, name=wanted.name, roles=[settings.default_role],
        is_active=wanted.is_active, is_sso=True, created_at=now,
    )  # fmt: skip
    await repository.add(tx, user)
    account = Account(user, _scim(tx, user, wanted, now))
    assert account.scim is not None, "made in the line above"
    await repository.add(tx, account.scim)
    tx.audit("user.provisioned", f"user:{user.id}", after={"roles": user.roles, "is_active": user.is_active})
    return account


async def change(tx: Tx, account: Account, present: User, said: User) -> Account:
    """Raises `Forbidden` for whom no directory may change, `Conflict` for the last administrator, `BadInput`."""
    wanted = _wanted(said, present)
    if await repository.name_taken(tx, wanted.user_name, wanted.email, account.user.id):
        raise Conflict(_TAKEN, scimType="uniqueness")
    if account.scim is None:
        account = Account(account.user, _scim(tx, account.user, wanted, tx.clock.now()))
        assert account.scim is not None, "made in the line above"
        await repository.add(tx, account.scim)
    await _write(tx, account, wanted, "user.changed")
    return account


async def delete(tx: Tx, account: Account, present: User) -> None:
    """Suspended, in no group any more, and for the directory not there."""
    account = await change(tx, account, present, present.model_copy(update={"active": False}))
    assert account.scim is not None, "change() sees to it"
    names = [group.display_name for group in (await repository.groups_of(tx, [account.user.id]))[account.user.id]]
    await repository.leave_all_groups(tx, account.user.id)
    await groups.apply(tx, [account.user.id], formerly=names)
    account.scim.deleted_at = tx.clock.now()
    tx.audit("user.deprovisioned", f"user:{account.user.id}")


async def _write(tx: Tx, account: Account, wanted: Wanted, action: str) -> None:
    user, said = account.user, account.scim
    assert said is not None, "callers see to it"
    changes = {
        name: value
        for name, value in (("email", wanted.email), ("name", wanted.name), ("is_active", wanted.is_active))
        if getattr(user, name) != value
    }
    _may_change(user, changes)
    others = await people.other_administrators(tx, user.id) if "is_active" in changes else None
    if others == 0 and people.is_administrator(user):
        raise Conflict("This is the last administrator. Make somebody else one first.")
    before = {name: getattr(user, name) for name in changes}
    for name, value in changes.items():
        setattr(user, name, value)
    details = {
        name: getattr(wanted, name)
        for name in ("user_name", "external_id", "given_name", "family_name")
        if getattr(said, name) != getattr(wanted, name)
    }
    for name, value in details.items():
        setattr(said, name, value)
    if changes or details or action != "user.changed":
        said.changed_at = tx.clock.now()
        tx.audit(action, f"user:{user.id}", before=before, after={**changes, **details})
    if changes.get("is_active") is False:
        await sessions.end_all(tx, user.id, why="suspended")
    elif "email" in changes:
        await sessions.end_all(tx, user.id, why="address_changed")


def _may_change(user: UserRow, changes: dict[str, Any]) -> None:
    """Who holds the client's token shall not become more than it can give."""
    if changes and not NEVER_BY_GROUP.isdisjoint(user.roles):
        raise Forbidden("This user is not the directory's: a person changes him.")
    if "email" in changes and people.is_administrator(user):
        raise Forbidden("The address of an administrator is not changed by the directory: it would be a way in.")


def _scim(tx: Tx, user: UserRow, wanted: Wanted, now: datetime) -> ScimUser:
    return ScimUser(
        id=user.id, tenant_id=tx.tenant_id, user_name=wanted.user_name, external_id=wanted.external_id,
        given_name=wanted.given_name, family_name=wanted.family_name, changed_at=now,
    )  # fmt: skip


def _wanted(said: User, present: User | None) -> Wanted:
    user_name = (said.user_name or "").strip()
    if not user_name:
        raise BadInput("A user needs a `userName`.", scimType="invalidValue")
    return Wanted(
        user_name, said.external_id, said.name.given_name if said.name else None,
        said.name.family_name if said.name else None, _email(said, present, user_name),
        _name(said, present, user_name), said.active if said.active is not None else _active(present),
    )  # fmt: skip


def _active(present: User | None) -> bool:
    return present is None or bool(present.active)


def _email(said: User, present: User | None, user_name: str) -> str:
    """The primary address, else that of work, else the first, else the present one, else the name where it is one."""
    given = sorted(
        (email for email in said.emails or [] if email.value), key=lambda e: (not e.primary, e.type != "work")
    )  # fmt: skip
    if not given and present is not None and present.emails and present.emails[0].value:
        return str(present.emails[0].value)
    try:
        found = validate_email(str(given[0].value) if given else user_name, check_deliverability=False)
    except EmailNotValidError:
        why = "A user needs an address: send `emails`, or an address as `userName`."
        raise BadInput(why, scimType="invalidValue") from None
    if len(found.normalized) > 254:
        raise BadInput("The address is too long.", scimType="invalidValue")
    return found.normalized


def _name(said: User, present: User | None, user_name: str) -> str:
    """Of the three ways to say it the one that is new; on creation the one that is meant for display."""
    parts = said.name
    whole = " ".join(part for part in (parts.given_name, parts.family_name) if part) if parts else ""
    ways = (said.display_name, parts.formatted if parts else None, whole)
    if present is None:
        return next((way.strip() for way in ways if way and way.strip()), user_name)[:200]
    before = present.name
    old = (
        present.display_name, before.formatted if before else None,
        " ".join(part for part in (before.given_name, before.family_name) if part) if before else "",
    )  # fmt: skip
    new = (way.strip() for way, was in zip(ways, old, strict=True) if way and way.strip() and way != was)
    return next(new, present.display_name or user_name)[:200]
