"""Whose a model is, and where the object store tells serving which version bears an alias.

A pointer is a copy of what the rows of `model_versions` say, put where a replica reads it without a database and
without MLflow: `models/<context>/<scope>/<alias>.json`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from core.kit.errors import BadAnswer, BadInput

Alias = Literal["champion", "challenger"]
CHAMPION: Alias = "champion"
CHALLENGER: Alias = "challenger"
GLOBAL = "global"
_SEGMENT = "segment-"
_WORD = re.compile(r"[a-z0-9_]{1,40}")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a model was fitted on and is for: one tenant, one segment of all tenants, or all."""

    kind: Literal["tenant", "segment", "global"]
    tenant_id: UUID | None = None
    segment: str | None = None

    @classmethod
    def of_tenant(cls, tenant_id: UUID) -> Scope:
        return cls("tenant", tenant_id=tenant_id)

    @classmethod
    def of_segment(cls, segment: str) -> Scope:
        if not _WORD.fullmatch(segment):
            raise BadInput("A segment is named by small letters, digits and underscores.")
        return cls("segment", segment=segment)

    @classmethod
    def everybody(cls) -> Scope:
        return cls("global")

    @classmethod
    def parse(cls, name: str) -> Scope:
        """From `name`. Raises `BadInput`."""
        if name == GLOBAL:
            return cls.everybody()
        if name.startswith(_SEGMENT):
            return cls.of_segment(name.removeprefix(_SEGMENT))
        try:
            return cls.of_tenant(UUID(name))
        except ValueError:
            raise BadInput("A scope is `global`, `segment-<name>` or the id of a tenant.") from None

    @property
    def name(self) -> str:
        """As it stands in keys and in MLflow: a tenant's id, `segment-<name>` or `global`."""
        if self.kind == "tenant":
            return str(self.tenant_id)
        return f"{_SEGMENT}{self.segment}" if self.kind == "segment" else GLOBAL


def pointer_key(context: str, scope: Scope, alias: Alias) -> str:
    return f"models/{context}/{scope.name}/{alias}.json"


def bundle_key(context: str, scope: Scope, version: int) -> str:
    return f"models/{context}/{scope.name}/{version}.bundle"


def evidence_key(context: str, scope: Scope, version: int) -> str:
    """Where the version's answers on its held-out rows lie."""
    return f"models/{context}/{scope.name}/{version}.evidence.npz"


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which bundle bears an alias. `share`: of a challenger, the part of the deals that it answers; 0 is shadow."""

    version: int
    key: str
    sha256: str
    share: float = 0.0

    def to_json(self) -> bytes:
        told = {"version": self.version, "key": self.key, "sha256": self.sha256}
        return json.dumps(told | ({"share": self.share} if self.share else {})).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> Pointer:
        """Raises `BadAnswer`."""
        try:
            told = json.loads(raw)
            return cls(int(told["version"]), str(told["key"]), str(told["sha256"]), float(told.get("share", 0.0)))
        except (ValueError, KeyError, TypeError) as error:
            raise BadAnswer("The pointer to a model cannot be read. Promote a version again.") from error
