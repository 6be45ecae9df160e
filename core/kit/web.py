"""What every HTTP route shares: who asks, one transaction, a time limit, idempotency, errors as RFC 9457 problems.

Dependencies are coroutines: FastAPI would run plain functions in a thread, which costs more than they do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from core.kit import etags, idempotency, rate_limits, sockets
from core.kit.db import Actor, Tx
from core.kit.errors import (
    BadInput,
    FieldProblem,
    Forbidden,
    Invalid,
    NotFound,
    SalesEdgeError,
    Timeout,
    Unauthenticated,
    Unavailable,
)
from core.kit.log import logger
from core.kit.security import Identity

log = logger("http")
_NOT_YOURS = "42501"  # a row-level security policy refused the row
_BAD_VALUE = "22"  # SQLSTATE class of data exceptions
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
ProblemForm = Callable[[HTTPConnection, SalesEdgeError], JSONResponse]


class Replayed(Exception):
    """Raised by an endpoint that finds its answer stored already."""

    def __init__(self, response: Response) -> None:
        super().__init__("replayed")
        self.response = response


class PublicRoute(APIRoute):
    """A route for everybody, counted by the address."""

    def get_route_handler(self) -> Handler:
        original = super().get_route_handler()

        async def handle(request: Request) -> Response:
            await rate_limits.count(request, rate_limits.address(request))
            return await original(request)

        return handle


class TenantRoute(APIRoute):
    """A route for people who are logged in: runs in one transaction of their tenant, committed before the answer."""

    time_limit_s: float | None = None

    def get_route_handler(self) -> Handler:
        original = super().get_route_handler()
        if "GET" in (self.methods or ()):
            etags.reads(self.path, original)

        async def handle(request: Request) -> Response:
            identity = await _counted(request)
            limit_s = self.time_limit_s or request.app.state.services.settings.http.request_timeout_s
            try:
                async with asyncio.timeout(limit_s):
                    return await _in_transaction(original, request, identity)
            except TimeoutError:
                raise Timeout(f"The request took longer than {limit_s:g} s and was undone. Try again.") from None

        return handle


class SlowTenantRoute(TenantRoute):
    """For routes that take a file: receiving and checking it may take minutes."""

    time_limit_s = 300.0


async def authenticate(request: Request) -> Identity:
    token = sockets.token_of(request)
    if token is None:
        raise Unauthenticated("Send `Authorization: Bearer <access token>`; POST /v1/login gives one.")
    identity: Identity = await request.app.state.services.gate.authenticate(token)
    return identity


async def _counted(request: Request) -> Identity:
    """Who asks; guesses at tokens count for the address that they come from."""
    try:
        identity = await authenticate(request)
    except Unauthenticated:
        await rate_limits.count(request, rate_limits.address(request))
        raise
    await rate_limits.count(request, *rate_limits.members(identity))
    return identity


async def _in_transaction(original: Handler, request: Request, identity: Identity) -> Response:
    db = request.app.state.services.db
    # A file is recognised by its content in the endpoint; any other body by its bytes here.
    is_form = request.headers.get("content-type", "").startswith("multipart/")
    keyed = idempotency.key_of(request) is not None
    request.state.fingerprint = idempotency.fingerprint(await request.body()) if keyed and not is_form else ""
    try:
        async with db.tenant(identity.tenant_id) as tx:
            tx.trace = request.state.request_id
            identity = request.state.identity = await request.app.state.services.gate.admit(tx, identity)
            address = request.client.host if request.client else None
            tx.actor = Actor(identity.user_id, identity.kind, address, identity.scopes)
            request.state.tx = tx
            if keyed and not is_form:
                stored = await idempotency.recall(tx, request, identity.user_id, request.state.fingerprint)
                if stored is not None:
                    return stored
            await etags.before_change(tx, request)
            response = etags.after_read(request, await original(request))
            if keyed:
                await idempotency.remember(tx, request, identity.user_id, request.state.fingerprint, response)
            return response
    except Replayed as replayed:
        return replayed.response
    except IntegrityError:
        # Two requests with one key ran side by side: the slower one is undone and answers as the faster one did.
        if keyed:
            async with db.tenant(identity.tenant_id) as tx:
                stored = await idempotency.recall(tx, request, identity.user_id, request.state.fingerprint)
                if stored is not None:
                    return stored
        raise


async def current_tx(request: Request) -> Tx:
    tx: Tx = request.state.tx
    return tx


async def current_identity(request: Request) -> Identity:
    identity: Identity = request.state.identity
    return identity


CurrentTx = Annotated[Tx, Depends(current_tx)]
CurrentIdentity = Annotated[Identity, Depends(current_identity)]


class Permission:
    """A dependency that lets through who holds the permission; the routing table shows it to tests. On a WebSocket it
    asks who is there as well: no route class stands around those."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, connection: HTTPConnection) -> None:
        if connection.scope["type"] == "websocket":
            await sockets.admit(connection)
        if self.name not in connection.state.identity.scopes:
            raise Forbidden(f"This needs the permission {self.name}. Ask your administrator for a role that has it.")


def allow(permission: str) -> Any:
    return Depends(Permission(permission))


def permissions(app: FastAPI) -> set[str]:
    """All that the routes of an application ask for."""

    def within(dependant: Any) -> Iterator[str]:
        for inner in dependant.dependencies:
            if isinstance(inner.call, Permission):
                yield inner.call.name
            yield from within(inner)

    found = [route.dependant for route in iter_route_contexts(app.routes) if hasattr(route, "dependant")]
    return {name for dependant in found for name in within(dependant)}


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Problem(BaseModel):
    """What every refusal says (RFC 9457), in the standard's fields and our own."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    statusCode: int  # noqa: N815 - the names of PRODUCT
    message: str
    errorType: str  # noqa: N815
    timestamp: datetime
    requestId: str | None  # noqa: N815
    errors: list[dict[str, str]] | None = None


_SAYS = {"application/problem+json": {"schema": Problem.model_json_schema()}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "Refused; `detail` says what to do", "content": _SAYS},
    422: {"description": "`errors` names each wrong field", "content": _SAYS},
    "5XX": {
        "description": "Our fault; send it again where `Retry-After` is set",
        "content": _SAYS,
    },
}
"""For the OpenAPI document of every route."""


def problem(request: HTTPConnection, error: SalesEdgeError) -> JSONResponse:
    """The refusal as its protocol writes it (`app.state.problem_forms`: prefix of paths → form), else as a problem."""
    forms: dict[str, ProblemForm] = getattr(request.app.state, "problem_forms", {})
    form = next((form for prefix, form in forms.items() if request.url.path.startswith(prefix)), _problem)
    response = form(request, error)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.retryable:
        response.headers["Retry-After"] = str(error.extra.get("retryAfter", 1))
    return response


def _problem(request: HTTPConnection, error: SalesEdgeError) -> JSONResponse:
    """`application/problem+json` (RFC 9457), with the house's own fields beside the standard's."""
    return JSONResponse(told_of(request, error), error.status, media_type="application/problem+json")


def told_of(request: HTTPConnection, error: SalesEdgeError) -> dict[str, Any]:
    kind = type(error).__name__
    services = request.app.state.services
    body: dict[str, Any] = {
        "type": f"urn:salesedge:error:{kind}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": request.url.path,
        "statusCode": error.status,
        "message": error.detail,
        "errorType": kind,
        "timestamp": services.clock.now().isoformat(),
        "requestId": getattr(request.state, "request_id", None),
        **error.extra,
    }
    if error.problems:
        body["errors"] = [{"field": p.field, "message": p.message} for p in error.problems]
    return body


def translate(error: Exception) -> SalesEdgeError:
    """Any exception as one of ours; what is unknown says nothing of its inside."""
    if isinstance(error, SalesEdgeError):
        return error
    if isinstance(error, RequestValidationError | WebSocketRequestValidationError):
        fields = [FieldProblem(".".join(str(part) for part in e["loc"]), str(e["msg"])) for e in error.errors()]
        return Invalid("Mend the fields named in `errors` and send it again.", problems=fields)
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return NotFound("There is nothing at this address. GET /docs lists what there is.")
        return _with_status(str(error.detail), error.status_code)
    code = str(getattr(error.orig, "sqlstate", "")) if isinstance(error, DBAPIError) else ""
    if code.startswith(_BAD_VALUE) or isinstance(error, DataError):  # the driver refuses a NUL before it has a code
        return Invalid("A value cannot be stored: a number is too large, or a text holds the character NUL.")
    if code == _NOT_YOURS:
        return Forbidden("You may not write what you may not see: a deal or call of somebody else's.")
    if isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return Unavailable("The database does not answer just now. Try again in a moment.")
    return SalesEdgeError("We have noted the error. Try again; if it stays, send us the requestId.")


def _with_status(detail: str, status: int) -> SalesEdgeError:
    class Other(BadInput):
        title = "The request cannot be taken"

    Other.status = status
    Other.__name__ = "BadInput"
    return Other(detail)


def _log_refusal(request: HTTPConnection, error: SalesEdgeError) -> None:
    identity = getattr(request.state, "identity", None)
    log.warning(
        "request_refused", error=type(error).__name__, status=error.status,
        method=request.scope.get("method", "WEBSOCKET"), path=request.url.path,
        user_id=str(identity.user_id) if identity else None, request_id=request.state.request_id,
    )  # fmt: skip


def install_errors(app: FastAPI) -> None:
    async def answer(request: HTTPConnection, error: Exception) -> Response | None:
        ours = translate(error)
        if ours.status >= 500:
            log.error("request_failed", error=type(error).__name__, exc_info=error, request_id=request.state.request_id)
        elif ours.status in (401, 403, 429):
            _log_refusal(request, ours)
        if isinstance(request, WebSocket):
            await sockets.refuse(request, told_of(request, ours))
            return None
        return problem(request, ours)

    known = (
        SalesEdgeError, RequestValidationError, WebSocketRequestValidationError, HTTPException, DBAPIError, PoolTimeout
    )  # fmt: skip
    for kind in known:
        app.add_exception_handler(kind, answer)  # type: ignore[arg-type]  # one for requests and sockets alike
    app.state.answer = answer
