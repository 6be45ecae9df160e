"""A person's place in the tenant: roles, team, region, suspended or not."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from core.identity import sessions
from core.identity.factors.second_factor import SecondFactors
from core.identity.people import repository
from core.kit.db import Tx
from core.kit.errors import Conflict, FieldProblem, Forbidden, Invalid
from core.kit.security import Identity
from core.tenants.model import User
from core.tenants.permissions import Roles


def may_give(table: Roles, giver: Identity, roles: Collection[str]) -> None:
    """Nobody gives what he may not do himself. Raises `Invalid` for unknown roles, `Forbidden`."""
    unknown = sorted(set(roles) - set(table.names))
    if unknown:
        wrong = FieldProblem("body.roles", f"there is no {', '.join(unknown)}; there are {', '.join(table.names)}")
        raise Invalid("A role is wrong.", problems=[wrong])
    lacking = sorted(table.scopes(roles) - giver.scopes)
    if lacking:
        raise Forbidden(f"You cannot give what you may not do yourself: {', '.join(lacking)}.")


async def change(tx: Tx, table: Roles, asking: Identity, user_id: UUID, wanted: dict[str, Any]) -> User:
    """Raises `NotFound`, `Forbidden` for somebody who may do more than who asks, `Conflict` for the last
    administrator."""
    await _below(tx, table, asking, user_id)
    if "roles" in wanted:
        may_give(table, asking, wanted["roles"])
    others = await repository.other_administrators(tx, user_id) if {"roles", "is_active"} & wanted.keys() else None
    user = await repository.user(tx, user_id)
    was_administrator = repository.is_administrator(user)
    before = {name: getattr(user, name) for name in wanted}
    for name, value in wanted.items():
        setattr(user, name, value)
    if others == 0 and was_administrator and not repository.is_administrator(user):
        raise Conflict("This is the last administrator. Make somebody else one first.")
    if wanted.get("is_active") is False:
        await sessions.end_all(tx, user_id, why="suspended")
    tx.audit("user.changed", f"user:{user_id}", before=before, after=wanted)
    return user


async def remove_second_factor(tx: Tx, table: Roles, factors: SecondFactors, asking: Identity, user_id: UUID) -> None:
    """For somebody who lost it. Raises `NotFound`, `Forbidden` for somebody who may do more than who asks."""
    await _below(tx, table, asking, user_id)
    await factors.remove(tx, user_id)
    await sessions.end_all(tx, user_id, why="factor_removed")


async def _below(tx: Tx, table: Roles, asking: Identity, user_id: UUID) -> None:
    if not table.scopes((await repository.user(tx, user_id)).roles) <= asking.scopes:
        raise Forbidden("This person may do more than you. Ask somebody who may do as much.")
