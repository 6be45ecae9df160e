"""The routes that the tenant's directory talks to (RFC 7644). Its bearer token says which tenant it is.

Left out, and said so by `ServiceProviderConfig`: bulk requests, sorting, changing passwords.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, StringConstraints, ValidationError
from scim2_models import Context, Resource

from core.identity.scim import errors, filters, groups, repository, users, wire
from core.identity.scim.errors import MEDIA_TYPE, RESPONSES
from core.identity.scim.model import ScimGroup
from core.kit.errors import BadInput, NotFound
from core.kit.web import CurrentTx, TenantRoute, allow

router = APIRouter(prefix="/scim/v2", tags=["SCIM"], route_class=TenantRoute, responses=RESPONSES)
PROVISION = allow("can_provision")
_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_TEXT = {"type": "string", "maxLength": 200}
_EMAIL = {"type": "string", "format": "email", "maxLength": 254}
_ID = {"type": "string", "format": "uuid"}


def _body(schema: str, required: list[str], **fields: Any) -> dict[str, Any]:
    known = {"schemas": {"type": "array", "items": {"const": schema}, "minItems": 1}, **fields}
    shape = {"type": "object", "required": ["schemas", *required], "properties": known}
    return {"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": shape}}}}


def _says(status: int, *required: str) -> dict[int | str, dict[str, Any]]:
    shape = {"type": "object", "required": ["schemas", *required]}
    return {status: {"description": "As RFC 7643 writes it", "content": {MEDIA_TYPE: {"schema": shape}}}}


_USER = _body(
    str(wire.User.__schema__), ["userName"], userName=_EMAIL,
    displayName=_TEXT, externalId=_TEXT, active={"type": "boolean"},
    name={"type": "object", "properties": {"givenName": _TEXT, "familyName": _TEXT, "formatted": _TEXT}},
    emails={"type": "array", "items": {"type": "object", "properties": {"value": _EMAIL}}},
)  # fmt: skip
_GROUP = _body(
    str(wire.Group.__schema__), ["displayName"], displayName={"type": "string", "minLength": 1, "maxLength": 100},
    externalId=_TEXT,
    members={"type": "array", "items": {"type": "object", "properties": {"value": _ID}}},
)  # fmt: skip
_OPERATION = {
    "type": "object", "required": ["op"],
    "properties": {"op": {"enum": ["replace", "add", "remove"]}, "path": _TEXT, "value": {}},
}  # fmt: skip
_CHANGES = _body(_PATCH, ["Operations"], Operations={"type": "array", "minItems": 1, "items": _OPERATION})
_SEARCH = _body(
    "urn:ietf:params:scim:api:messages:2.0:SearchRequest", [], filter=_TEXT, startIndex={"type": "integer"},
    count={"type": "integer"}, attributes={"type": "array", "items": _TEXT},
)  # fmt: skip
_ONE, _MADE, _MANY = _says(200, "id"), _says(201, "id"), _says(200, "totalResults")


async def _json(request: Request) -> Any:
    try:
        return await request.json()
    except ValueError:
        raise BadInput("Send a resource as JSON.", scimType="invalidSyntax") from None


@dataclass(frozen=True, slots=True)
class _Query:
    """What a list shall hold (RFC 7644 §3.4.2). Out of range is taken for the nearest that is in it."""

    filter: str | None
    start: int
    count: int
    attributes: str | None
    excluded: str | None


def _query(filter_: str | None, start: int, count: int, attributes: str | None, excluded: str | None) -> _Query:
    return _Query(filter_, max(1, start), min(max(0, count), wire.MOST_RESULTS), attributes, excluded)


async def _asked(
    filter_: Annotated[str | None, Query(alias="filter", max_length=2000)] = None,
    start: Annotated[int, Query(alias="startIndex", ge=-(2**31), lt=2**31)] = 1,
    count: Annotated[int, Query(ge=-(2**31), lt=2**31)] = wire.MOST_RESULTS,
    attributes: Annotated[str | None, Query(max_length=1000)] = None,
    excluded: Annotated[str | None, Query(alias="excludedAttributes", max_length=1000)] = None,
) -> _Query:
    return _query(filter_, start, count, attributes, excluded)


class _Search(BaseModel):
    """The same in a body, where addresses do not end in the logs of proxies (RFC 7644 §3.4.3)."""

    filter: Annotated[str, StringConstraints(max_length=2000)] | None = None
    start: int = Field(1, alias="startIndex", ge=-(2**31), lt=2**31)
    count: int = Field(wire.MOST_RESULTS, ge=-(2**31), lt=2**31)
    attributes: list[wire.Text] = []
    excluded: list[wire.Text] = Field([], alias="excludedAttributes")


async def _searched(body: Annotated[Any, Depends(_json)]) -> _Query:
    try:
        said = _Search.model_validate(body)
    except ValidationError as error:
        raise errors.ours(error) from None
    shown, hidden = ",".join(said.attributes) or None, ",".join(said.excluded) or None
    return _query(said.filter, said.start, said.count, shown, hidden)


class _Shown:
    """What of one resource shall be sent."""

    def __init__(
        self,
        attributes: Annotated[str | None, Query(max_length=1000)] = None,
        excluded: Annotated[str | None, Query(alias="excludedAttributes", max_length=1000)] = None,
    ) -> None:
        self.attributes, self.excluded = attributes, excluded


Body = Annotated[Any, Depends(_json)]
Asked = Annotated[_Query, Depends(_asked)]
Searched = Annotated[_Query, Depends(_searched)]
Shown = Annotated[_Shown, Depends()]


# ── what there is ────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/ServiceProviderConfig", dependencies=[PROVISION], response_class=Response, responses=_says(200))
async def read_config(request: Request) -> Response:
    return _answer(wire.config(base_url(request)))


@router.get("/Schemas", dependencies=[PROVISION], response_class=Response, responses=_MANY)
async def list_schemas(request: Request) -> Response:
    return _whole(wire.schemas(base_url(request)))


@router.get("/Schemas/{name}", dependencies=[PROVISION], response_class=Response, responses=_ONE)
async def read_schema(name: str, request: Request) -> Response:
    return _answer(_named(wire.schemas(base_url(request)), name))


@router.get("/ResourceTypes", dependencies=[PROVISION], response_class=Response, responses=_MANY)
async def list_resource_types(request: Request) -> Response:
    return _whole(wire.resource_types(base_url(request)))


@router.get("/ResourceTypes/{name}", dependencies=[PROVISION], response_class=Response, responses=_ONE)
async def read_resource_type(name: str, request: Request) -> Response:
    return _answer(_named(wire.resource_types(base_url(request)), name))


# ── users ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/Users", dependencies=[PROVISION], response_class=Response, responses=_MANY)
async def list_users(request: Request, tx: CurrentTx, asked: Asked) -> Response:
    where = filters.condition(wire.User, asked.filter, repository.USER_COLUMNS) if asked.filter else None
    total, found = await repository.accounts(tx, where, asked.start - 1, asked.count)
    of = await repository.groups_of(tx, [one.user.id for one in found])
    return _page(wire.User, [wire.user(one, of[one.user.id], base_url(request)) for one in found], total, asked)


@router.post(
    "/Users", status_code=201, dependencies=[PROVISION], response_class=Response, responses=_MADE, openapi_extra=_USER
)
async def create_user(body: Body, request: Request, tx: CurrentTx, shown: Shown) -> Response:
    said = wire.read(wire.User, body, Context.RESOURCE_CREATION_REQUEST)
    return _answer(await _user(request, tx, await users.create(tx, said)), shown, 201)


@router.post(
    "/Users/.search", dependencies=[PROVISION], response_class=Response, responses=_MANY, openapi_extra=_SEARCH
)
async def search_users(request: Request, tx: CurrentTx, asked: Searched) -> Response:
    return await list_users(request, tx, asked)


@router.get("/Users/{user_id}", dependencies=[PROVISION], response_class=Response, responses=_ONE)
async def read_user(user_id: UUID, request: Request, tx: CurrentTx, shown: Shown) -> Response:
    return _answer(await _user(request, tx, await repository.account(tx, user_id)), shown)


@router.put(
    "/Users/{user_id}", dependencies=[PROVISION], response_class=Response, responses=_ONE, openapi_extra=_USER
)  # fmt: skip
async def replace_user(user_id: UUID, body: Body, request: Request, tx: CurrentTx, shown: Shown) -> Response:
    said = wire.read(wire.User, body, Context.RESOURCE_REPLACEMENT_REQUEST)
    account = await repository.account(tx, user_id)
    present = await _user(request, tx, account)
    account = await users.change(tx, account, present, wire.replaced(said, present))
    return _answer(await _user(request, tx, account), shown)


@router.patch(
    "/Users/{user_id}", dependencies=[PROVISION], response_class=Response, responses=_ONE, openapi_extra=_CHANGES
)
async def change_user(user_id: UUID, body: Body, request: Request, tx: CurrentTx, shown: Shown) -> Response:
    account = await repository.account(tx, user_id)
    present = await _user(request, tx, account)
    account = await users.change(tx, account, present, wire.patched(wire.User, body, present))
    return _answer(await _user(request, tx, account), shown)


@router.delete("/Users/{user_id}", status_code=204, dependencies=[PROVISION], summary="Suspend; the user stays here")
async def delete_user(user_id: UUID, request: Request, tx: CurrentTx) -> None:
    account = await repository.account(tx, user_id)
    await users.delete(tx, account, await _user(request, tx, account))


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/Groups", dependencies=[PROVISION], response_class=Response, responses=_MANY)
async def list_groups(request: Request, tx: CurrentTx, asked: Asked) -> Response:
    where = filters.condition(wire.Group, asked.filter, repository.GROUP_COLUMNS) if asked.filter else None
    total, found = await repository.groups(tx, where, asked.start - 1, asked.count)
    of = await repository.members_of(tx, [row.id for row in found])
    return _page(wire.Group, [wire.group(row, of[row.id], base_url(request)) for row in found], total, asked)


@router.post(
    "/Groups", status_code=201, dependencies=[PROVISION], response_class=Response, responses=_MADE,
    openapi_extra=_GROUP,
)  # fmt: skip
async def create_group(body: Body, request: Request, tx: CurrentTx, shown: Shown) -> Response:
    said = wire.read(wire.Group, body, Context.RESOURCE_CREATION_REQUEST)
    return _answer(await _group(request, tx, await groups.create(tx, said)), shown, 201)


@router.post(
    "/Groups/.search", dependencies=[PROVISION], response_class=Response, responses=_MANY, openapi_extra=_SEARCH
)
async def search_groups(request: Request, tx: CurrentTx, asked: Searched) -> Response:
    return await list_groups(request, tx, asked)


@router.get("/Groups/{group_id}", dependencies=[PROVISION], response_class=Response, responses=_ONE)
async def read_group(group_id: UUID, request: Request, tx: CurrentTx, shown: Shown) -> Response:
    return _answer(await _group(request, tx, await repository.group(tx, group_id)), shown)


@router.put(
    "/Groups/{group_id}", dependencies=[PROVISION], response_class=Response, responses=_ONE, openapi_extra=_GROUP
)
async def replace_group(group_id: UUID, body: Body, request: Request, tx: CurrentTx, shown: Shown) -> Response:
    said = wire.read(wire.Group, body, Context.RESOURCE_REPLACEMENT_REQUEST)
    row = await repository.group(tx, group_id)
    wanted = wire.replaced(said, await _group(request, tx, row))
    return _answer(await _group(request, tx, await groups.change(tx, row, wanted)), shown)


@router.patch(
    "/Groups/{group_id}", dependencies=[PROVISION], response_class=Response, responses=_ONE, openapi_extra=_CHANGES
)
async def change_group(group_id: UUID, body: Body, request: Request, tx: CurrentTx, shown: Shown) -> Response:
    row = await repository.group(tx, group_id)
    wanted = wire.patched(wire.Group, body, await _group(request, tx, row))
    return _answer(await _group(request, tx, await groups.change(tx, row, wanted)), shown)


@router.delete("/Groups/{group_id}", status_code=204, dependencies=[PROVISION])
async def delete_group(group_id: UUID, tx: CurrentTx) -> None:
    await groups.delete(tx, await repository.group(tx, group_id))


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def base_url(request: Request) -> str:
    """Of the installation's own address, not what a `Host` header claims."""
    return str(request.app.state.services.settings.http.public_url).rstrip("/") + router.prefix


async def _user(request: Request, tx: CurrentTx, account: wire.Account) -> wire.User:
    of = await repository.groups_of(tx, [account.user.id])
    return wire.user(account, of[account.user.id], base_url(request))


async def _group(request: Request, tx: CurrentTx, row: ScimGroup) -> wire.Group:
    return wire.group(row, (await repository.members_of(tx, [row.id]))[row.id], base_url(request))


def _answer(resource: Resource[Any], shown: _Shown | None = None, status: int = 200) -> Response:
    wanted = wire.parameters(type(resource), shown.attributes, shown.excluded) if shown else None
    body, version = wire.dump(resource, wanted)
    headers = {"ETag": version}
    if status == 201 and resource.meta is not None:
        headers["Location"] = str(resource.meta.location)
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def _page(kind: type[Resource[Any]], found: list[Any], total: int, asked: _Query) -> Response:
    wanted = wire.parameters(kind, asked.attributes, asked.excluded)
    shown = [wire.dump(one, wanted)[0] for one in found]
    body = {"schemas": [_LIST], "totalResults": total, "startIndex": asked.start, "itemsPerPage": len(shown)}
    return JSONResponse({**body, "Resources": shown}, media_type=MEDIA_TYPE)


def _whole(found: list[Resource[Any]]) -> Response:
    shown = [wire.dump(one)[0] for one in found]
    body = {"schemas": [_LIST], "totalResults": len(shown), "startIndex": 1, "itemsPerPage": len(shown)}
    return JSONResponse({**body, "Resources": shown}, media_type=MEDIA_TYPE)


def _named(found: list[Resource[Any]], name: str) -> Resource[Any]:
    for one in found:
        if one.id is not None and one.id.lower() == name.lower():
            return one
    raise NotFound("There is no such description.")
