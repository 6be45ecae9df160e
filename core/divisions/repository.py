"""The queries about teams and regions: names that people, deals, accounts and calls bear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Update, func, select, update

from core.calls.model import Call
from core.deals.model import Account, Deal, DealChange
from core.identity.people.model import Invitation
from core.identity.scim.model import ScimGroup
from core.kit.db import Base, Tx
from core.tenants.model import User

Dimension = Literal["team", "region"]
_SIDES: tuple[Literal["before", "after"], ...] = ("before", "after")
BEARERS: Mapping[Dimension, Mapping[str, type[Base]]] = {
    "team": {"people": User, "invitations": Invitation, "deals": Deal},
    "region": {"people": User, "invitations": Invitation, "deals": Deal, "accounts": Account, "calls": Call},
}


async def people(tx: Tx, dimension: Dimension) -> dict[str, int]:
    """Name → how many active people."""
    column = getattr(User, dimension)
    active = func.count().filter(User.is_active)
    query = select(column, active).where(column.is_not(None)).group_by(column)
    return {row[0]: row[1] for row in await tx.session.execute(query)}


async def deals(tx: Tx, dimension: Dimension) -> dict[str, tuple[int, int]]:
    """Name → (how many deals, how many of them open)."""
    column = getattr(Deal, dimension)
    is_open = func.count().filter(Deal.closed_at.is_(None))
    query = select(column, func.count(), is_open).where(column.is_not(None)).group_by(column)
    return {name: (count, still) for name, count, still in await tx.session.execute(query)}


async def provisioned(tx: Tx) -> set[str]:
    """Names of the directory's groups."""
    return set((await tx.session.execute(select(ScimGroup.display_name))).scalars())


async def bear(tx: Tx, dimension: Dimension, name: str) -> bool:
    for table in BEARERS[dimension].values():
        column = getattr(table, dimension)
        found = await tx.session.execute(select(column).where(column == name).limit(1))
        if found.first() is not None:
            return True
    return False


async def rename(tx: Tx, dimension: Dimension, old: str, new: str) -> dict[str, int]:
    """Wherever it stands, in the history of deals too: it is the same team under another name."""
    counts: dict[str, int] = {}
    for what, table in BEARERS[dimension].items():
        query = update(table).where(getattr(table, dimension) == old).values({dimension: new})
        result: Any = await tx.session.execute(query)
        counts[what] = int(result.rowcount)
    for side in _SIDES:
        await tx.session.execute(_in_history(side, dimension, old, new))
    return counts


def _in_history(side: Literal["before", "after"], field: str, old: str, new: str) -> Update:
    column = DealChange.before if side == "before" else DealChange.after
    query = update(DealChange).where(DealChange.field == field, column == [old])
    return query.values({side: [new]})
