"""Refusals as SCIM writes them (RFC 7644 §3.12), whether they are ours or the library's."""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse
from pydantic import ValidationError
from scim2_models import Error, SCIMException
from starlette.requests import HTTPConnection

from core.kit.errors import BadInput, Conflict, Forbidden, Invalid, NotFound, PreconditionFailed, SalesEdgeError

MEDIA_TYPE = "application/scim+json"
_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"
_OURS: dict[int, type[SalesEdgeError]] = {403: Forbidden, 404: NotFound, 409: Conflict, 412: PreconditionFailed}
_SHAPE = {
    "type": "object", "required": ["schemas", "status", "detail"],
    "properties": {
        "schemas": {"type": "array", "items": {"const": _SCHEMA}}, "status": {"type": "string"},
        "scimType": {"type": "string"}, "detail": {"type": "string"},
    },
}  # fmt: skip
_SAYS = {MEDIA_TYPE: {"schema": _SHAPE}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "Refused; `detail` says what to do", "content": _SAYS},
    422: {"description": "Never: what is wrong with a value is told by 400", "content": _SAYS},
    "5XX": {"description": "Our fault; send it again where `Retry-After` is set", "content": _SAYS},
}
"""For the OpenAPI document of the routes of SCIM."""


def form(request: HTTPConnection, error: SalesEdgeError) -> JSONResponse:
    """422 is 400 here, and what is no id names nothing that is there."""
    status, kind = error.status, error.extra.get("scimType")
    detail = " ".join([error.detail, *(f"{p.field}: {p.message}." for p in error.problems)])
    if isinstance(error, Invalid):
        in_path = bool(error.problems) and all(p.field.startswith("path.") for p in error.problems)
        status, kind = (404, None) if in_path else (400, kind or "invalidValue")
        detail = "There is no such resource." if in_path else detail
    body = {"schemas": [_SCHEMA], "status": str(status), "detail": detail}
    return JSONResponse(body | ({"scimType": kind} if kind else {}), status, media_type=MEDIA_TYPE)


def ours(error: SCIMException | ValidationError) -> SalesEdgeError:
    """What the library says, in our tree."""
    said = Error.from_validation_errors(error)[0] if isinstance(error, ValidationError) else error.to_error()
    kind = _OURS.get(said.status or 400, BadInput)
    detail = f"{said.detail or 'The request cannot be taken'}.".replace("..", ".")
    return kind(detail, scimType=said.scim_type)
