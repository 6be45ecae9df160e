"""Roles and what they may do: read from `configs/roles.yaml`, where a role inherits from those it names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class Roles:
    """The table of roles, closed under inheritance when it is made."""

    def __init__(self, table: Mapping[str, Mapping[str, Any]]) -> None:
        self._table = table
        self._closed = {role: frozenset(self._collect(role, ())) for role in table}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._table)

    def scopes(self, roles: Iterable[str]) -> frozenset[str]:
        """All permissions that the roles give together; an unknown role gives none."""
        return frozenset().union(*(self._closed.get(role, frozenset()) for role in roles))

    def _collect(self, role: str, path: tuple[str, ...]) -> set[str]:
        if role in path:
            raise ValueError(f"configs/roles.yaml: {' → '.join((*path, role))} inherits from itself")
        if role not in self._table:
            raise ValueError(f"configs/roles.yaml: {path[-1]} inherits from {role}, which is not there")
        entry = self._table[role]
        found = set(entry.get("permissions") or ())
        for parent in entry.get("inherits") or ():
            found |= self._collect(parent, (*path, role))
        return found
