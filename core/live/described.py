"""The socket of live sessions, for the AsyncAPI document: made from the very shapes that are checked and sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from core.live import wire

_TEMPLATE = "#/components/schemas/{model}"
_FRAME = {
    "name": "audio",
    "summary": "A frame of sound, 20 to 500 ms: four bytes with its number, most significant first, then the frame.",
    "contentType": "application/octet-stream",
    "payload": {"type": "string", "format": "binary"},
}


def described() -> dict[str, Any]:
    """Channels, operations, messages and schemas of `/v1/live`; names begin with `Live`."""
    said, told = _messages(wire.FROM_CLIENT), _messages([*wire.EVENTS, *wire.ANSWERS])
    messages = {**said, "LiveAudio": _FRAME, **told}
    _, schemas = models_json_schema(
        [(shape, "serialization") for shape in (*wire.FROM_CLIENT, *wire.EVENTS, *wire.ANSWERS)],
        ref_template=_TEMPLATE.replace("{model}", "Live{model}"),
    )
    return {
        "channels": {
            "live": {
                "address": "/v1/live",
                "title": "A call while it goes on",
                "description": (wire.__doc__ or "").strip(),
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {
            "live_receive": _operation("receive", [*said, "LiveAudio"]),
            "live_send": _operation("send", told),
        },
        "components": {
            "messages": messages,
            "schemas": {f"Live{name}": schema for name, schema in schemas.get("$defs", {}).items()},
        },
    }


def _messages(shapes: Iterable[type[BaseModel]]) -> dict[str, Any]:
    return {
        f"Live{shape.__name__}": {
            "name": shape.model_fields["type"].annotation.__args__[0],  # type: ignore[union-attr]
            "summary": " ".join((shape.__doc__ or "").split()),
            "contentType": "application/json",
            "payload": {"$ref": f"#/components/schemas/Live{shape.__name__}"},
        }
        for shape in shapes
    }


def _operation(action: str, names: Iterable[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/live"},
        "messages": [{"$ref": f"#/channels/live/messages/{name}"} for name in names],
    }
