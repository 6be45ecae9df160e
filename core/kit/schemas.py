"""Versioned schemas for the data of events: checked where an event is written, brought up to date where one is read.

A field that may be left out can be added to a version, since readers pass over what they do not know. Everything else
is a new version, and the old one stays with an `upcast` to the next, for as long as events of it can be read again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.json_schema import models_json_schema

from core.kit.errors import BadEvent, Unavailable
from core.kit.events import EventType

MANIFEST = "core/kit/facts.py"


class Data(BaseModel):
    """Ids and numbers of one event, never content. The docstring says what happened and what `subject` is."""

    model_config = ConfigDict(strict=True, frozen=True)
    upcast: ClassVar[Callable[[dict[str, Any]], dict[str, Any]] | None] = None
    """On a version that is no longer written: its data → the data of the next version."""


D = TypeVar("D", bound=Data)


class Schemas:
    """The shape of every type's data, in each version that was ever written."""

    def __init__(self) -> None:
        self._known: dict[EventType, dict[int, type[Data]]] = {}

    def of(self, kind: EventType, *, version: int = 1) -> Callable[[type[D]], type[D]]:
        """Class decorator: this is the data of such events."""

        def register(shape: type[D]) -> type[D]:
            versions = self._known.setdefault(kind, {})
            assert version not in versions, f"{kind} has two classes for version {version} in {MANIFEST}"
            versions[version] = shape
            return shape

        return register

    def newest(self, kind: EventType) -> int:
        """The version in which such events are written. Raises `BadEvent` for a type without a schema."""
        if kind not in self._known:
            raise BadEvent(f"{kind} has no schema. Add a class under @FACTS.of(EventType.{kind}) to {MANIFEST}.")
        return max(self._known[kind])

    def missing(self) -> list[EventType]:
        return [kind for kind in EventType if kind not in self._known]

    def stuck(self) -> list[str]:
        """Old versions from which no way leads to the newest."""
        return [
            f"{kind} {version}"
            for kind, versions in self._known.items()
            for version in range(1, max(versions))
            if version not in versions or versions[version].upcast is None
        ]

    def written(self, kind: EventType, data: Mapping[str, Any]) -> tuple[int, str]:
        """The version and the JSON of data that is about to be written. Raises `BadEvent` where it does not fit."""
        version = self.newest(kind)
        try:
            raw = json.dumps(dict(data))
        except TypeError as error:
            raise BadEvent(f"The data of {kind} is no JSON: {error}.") from None
        self._check(kind, version, raw, extra="forbid")
        return version, raw

    def read(self, kind: EventType, version: int, data: Mapping[str, Any]) -> dict[str, Any]:
        """Data of any version from outside of our database, checked, in the newest version."""
        self._known_version(kind, version)
        self._check(kind, version, json.dumps(dict(data)), extra="ignore")
        return self.upcast(kind, version, data)

    def upcast(self, kind: EventType, version: int, data: Mapping[str, Any]) -> dict[str, Any]:
        """The same in the newest version. Raises `Unavailable` for one that only a newer release knows."""
        found = dict(data)
        for step in range(self._known_version(kind, version), self.newest(kind)):
            change = self._known[kind][step].upcast
            assert change is not None, f"version {step} of {kind} leads nowhere"
            found = change(found)
        return found

    def document(self) -> dict[str, Any]:
        """JSON Schema for each version of each type, by its name in the AsyncAPI document."""
        mode: Literal["validation"] = "validation"
        shapes = [(shape, mode) for shape in self.shapes().values()]
        _, made = models_json_schema(shapes, ref_template="#/components/schemas/{model}")
        schemas: dict[str, Any] = made["$defs"]
        return schemas

    def shapes(self) -> dict[tuple[EventType, int], type[Data]]:
        return {(kind, v): shape for kind, versions in self._known.items() for v, shape in versions.items()}

    def _known_version(self, kind: EventType, version: int) -> int:
        newest = self.newest(kind)
        if version > newest:
            raise Unavailable(f"{kind} {version} was written by a newer release, which has to take it.")
        if version not in self._known[kind]:
            raise BadEvent(f"There never was a version {version} of {kind}.")
        return version

    def _check(self, kind: EventType, version: int, raw: str, *, extra: Any) -> None:
        try:
            self._known[kind][version].model_validate_json(raw, extra=extra)
        except ValidationError as error:
            # Without the values: they may be what the schema is there to keep out.
            wrong = "; ".join(
                f"{'.'.join(map(str, problem['loc'])) or 'data'}: {problem['msg']}"
                for problem in error.errors(include_input=False, include_url=False)
            )
            raise BadEvent(f"The data of {kind} does not fit version {version} in {MANIFEST}: {wrong}.") from None


def schema_id(kind: EventType, version: int) -> str:
    """`dataschema` of a CloudEvent."""
    return f"urn:salesedge:event:{kind.value}:{version}"
