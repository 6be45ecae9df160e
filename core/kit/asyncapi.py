"""The events as an AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.kit.events import EventType
from core.kit.facts import FACTS
from core.kit.relay import Reaction
from core.kit.schemas import Schemas, schema_id

_SCHEMA = "application/schema+json;version=draft-07"


def document(version: str, reactions: Sequence[Reaction], *, topic: str, schemas: Schemas = FACTS) -> dict[str, Any]:
    """What the product says on the topic and which of its reactions listen. The newest version of each type is a
    message; what it once was is kept among the schemas."""
    shapes = schemas.shapes()
    messages = {
        kind.value: _message(kind, number, shape.__name__, shape.__doc__ or "")
        for (kind, number), shape in shapes.items()
        if number == schemas.newest(kind)
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "SalesEdge AI events",
            "version": version,
            "description": "Facts as CloudEvents 1.0. Those of one tenant come in the order of their commits.",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            "events": {
                "address": topic,
                "description": "Keyed by tenant.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": {
            "publish": {"action": "send", "channel": {"$ref": "#/channels/events"}},
            **{
                _name(name): _operation(name, [reaction.on for reaction in reactions if reaction.name == name])
                for name in dict.fromkeys(reaction.name for reaction in reactions)
            },
        },
        "components": {"messages": messages, "schemas": schemas.document()},
    }


def merged(told: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Two documents as one: what the second has is added, however deep it lies."""
    both = dict(told)
    for name, value in more.items():
        both[name] = merged(both[name], value) if isinstance(both.get(name), dict) else value
    return both


def _name(reaction: str) -> str:
    return reaction.replace(".", "_")


def _operation(name: str, kinds: Sequence[EventType]) -> dict[str, Any]:
    return {
        "action": "receive",
        "title": name,
        "channel": {"$ref": "#/channels/events"},
        "messages": [{"$ref": f"#/channels/events/messages/{kind.value}"} for kind in kinds],
    }


def _message(kind: EventType, version: int, shape: str, told: str) -> dict[str, Any]:
    envelope = {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "tenantid", "dataversion", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "format": "uuid"},
            "source": {"const": "salesedge"},
            "type": {"const": kind.value},
            "subject": {"type": "string", "format": "uuid"},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "dataschema": {"const": schema_id(kind, version)},
            "dataversion": {"const": version},
            "tenantid": {"type": "string", "format": "uuid"},
            "traceparent": {"type": "string"},
            "data": {"$ref": f"#/components/schemas/{shape}"},
        },
    }
    return {
        "name": kind.value,
        "summary": told.strip(),
        "contentType": "application/cloudevents+json",
        "payload": {"schemaFormat": _SCHEMA, "schema": envelope},
    }
