"""Every route of the application, found in its own routing table, and what a request to it looks like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from core.kit.web import Permission

OPERATIONS = ("/openapi.json", "/asyncapi.json", "/docs", "/docs/oauth2-redirect", "/redoc")


@dataclass(frozen=True)
class Endpoint:
    """`permission`: None where the route asks for none. `operation`: its entry in the OpenAPI document."""

    method: str
    path: str
    permission: str | None
    operation: dict[str, Any]

    @property
    def parameters(self) -> list[str]:
        """Names in the path."""
        return [p["name"] for p in self.operation.get("parameters", []) if p["in"] == "path"]

    @property
    def ids(self) -> list[str]:
        """Those of them that are the id of something."""
        found = [p for p in self.operation.get("parameters", []) if p["in"] == "path"]
        return [p["name"] for p in found if p["schema"].get("format") == "uuid"]

    def queries_of_ids(self) -> list[str]:
        """Names of query parameters that take the id of something."""
        found = [p for p in self.operation.get("parameters", []) if p["in"] == "query"]
        return [p["name"] for p in found if any(s.get("format") == "uuid" for s in _choices(p["schema"]))]


def endpoints(app: FastAPI) -> list[Endpoint]:
    described = app.openapi()["paths"]
    found = []
    for route in iter_route_contexts(app.routes):
        if route.path is None or route.path in OPERATIONS:
            continue
        permission = next((p.name for p in _permissions(route.dependant)), None)
        for method in sorted(route.methods or {"WEBSOCKET"}):
            operation = described.get(route.path, {}).get(method.lower(), {})
            found.append(Endpoint(method, route.path, permission, operation))
    assert len(found) > 30, "the routing table was not read"
    return found


def _permissions(dependant: Any) -> Iterator[Permission]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Permission):
            yield inner.call
        yield from _permissions(inner)


class Bodies:
    """Bodies that fit the schema, with one id in all the places that take one."""

    def __init__(self, app: FastAPI) -> None:
        self._schemas = app.openapi().get("components", {}).get("schemas", {})

    def takes_ids(self, endpoint: Endpoint) -> bool:
        schema = self._json(endpoint)
        return schema is not None and "§" in str(self._example(schema, "§"))

    def body(self, endpoint: Endpoint, id_: str) -> Any:
        schema = self._json(endpoint)
        return None if schema is None else self._example(schema, id_)

    def _json(self, endpoint: Endpoint) -> dict[str, Any] | None:
        content = endpoint.operation.get("requestBody", {}).get("content", {})
        kinds = [content[kind] for kind in ("application/json", "application/scim+json") if kind in content]
        return kinds[0]["schema"] if kinds else None

    def _example(self, schema: dict[str, Any], id_: str) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        for choice in ("anyOf", "oneOf"):
            if choice in schema:
                kinds = [self._resolved(kind) for kind in schema[choice]]
                return self._example(next((k for k in kinds if k.get("format") == "uuid"), kinds[0]), id_)
        kind = schema.get("type")
        if kind == "object":
            wanted = schema.get("required", [])
            fields = schema.get("properties", {})
            return {
                name: self._example(inner, id_) for name, inner in fields.items() if name in wanted or _has_id(inner)
            }
        if kind == "array":
            return [self._example(schema.get("items", {}), id_)] if schema.get("minItems") or _has_id(schema) else []
        if kind in ("integer", "number"):
            return schema.get("minimum", 1)
        if kind == "boolean":
            return False
        return {"uuid": id_, "email": "x@example.com", "date": "2026-12-01", "date-time": "2026-11-01T00:00:00Z"}.get(
            schema.get("format", ""), "x" * max(4, schema.get("minLength", 0))
        )

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            resolved: dict[str, Any] = self._schemas[schema["$ref"].rpartition("/")[2]]
            return resolved
        return schema


def _choices(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [schema, *schema.get("anyOf", [])]


def _has_id(schema: dict[str, Any]) -> bool:
    return any(
        kind.get("format") == "uuid" or any(map(_has_id, [kind.get("items", {}), *kind.get("properties", {}).values()]))
        for kind in _choices(schema)
        if kind
    )
