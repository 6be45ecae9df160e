"""Roles and what they may do: read from `configs/roles.yaml`, where a role inherits from those it names.

The table is checked when it is made, and the start is refused with it: a slip would open or shut doors in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

FILE = "configs/roles.yaml"
NAMED = ("SUPER_ADMIN", "ADMIN", "MANAGER", "LEADER", "REP", "SDR", "DATA_SCIENTIST", "DEVOPS", "SYSTEM", "GUEST")
"""The roles that the product speaks of; the table may hold others."""
LADDER = ("GUEST", "SDR", "REP", "LEADER", "MANAGER", "ADMIN", "SUPER_ADMIN")
"""Who stands higher may do all that those below may do."""


class Roles:
    """The table of roles, closed under inheritance when it is made. Raises `ValueError` with what is wrong."""

    def __init__(self, table: Mapping[str, Mapping[str, Any]]) -> None:
        for role, entry in table.items():
            _check_entry(role, entry)
        self._table = table
        self._closed = {role: frozenset(self._collect(role, ())) for role in table}
        if missing := sorted(set(NAMED) - set(table)):
            raise ValueError(f"{FILE}: {', '.join(missing)} is missing")
        for below, above in pairwise(LADDER):
            if lacking := sorted(self._closed[below] - self._closed[above]):
                raise ValueError(f"{FILE}: {above} stands above {below} and lacks {', '.join(lacking)}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._table)

    def scopes(self, roles: Iterable[str]) -> frozenset[str]:
        """All permissions that the roles give together; an unknown role gives none."""
        return frozenset().union(*(self._closed.get(role, frozenset()) for role in roles))

    def check_known(self, asked: Iterable[str]) -> None:
        """Raises `ValueError` where a permission that the application asks for is in no role."""
        if unknown := sorted(set(asked) - self.scopes(self._table)):
            raise ValueError(f"{FILE}: no role has {', '.join(unknown)}, which routes ask for")

    def _collect(self, role: str, path: tuple[str, ...]) -> set[str]:
        if role in path:
            raise ValueError(f"{FILE}: {' → '.join((*path, role))} inherits from itself")
        if role not in self._table:
            raise ValueError(f"{FILE}: {path[-1]} inherits from {role}, which is not there")
        entry = self._table[role]
        found = set(entry.get("permissions") or ())
        for parent in entry.get("inherits") or ():
            found |= self._collect(parent, (*path, role))
        return found


def _check_entry(role: str, entry: Any) -> None:
    if not re.fullmatch(r"[A-Z_]{1,32}", role):
        raise ValueError(f"{FILE}: {role} is no name of a role: capital letters and underscores")
    if not isinstance(entry, Mapping) or set(entry) - {"inherits", "permissions"}:
        raise ValueError(f"{FILE}: {role} has something else than `inherits` and `permissions`")
    for name in entry.get("permissions") or ():
        if not isinstance(name, str) or not re.fullmatch(r"can_[a-z_]+", name):
            raise ValueError(f"{FILE}: {role} has {name}, which is no permission: can_ and what it is for")
