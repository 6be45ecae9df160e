"""The HTTP application: every feature's routes behind the same middleware. Runs under plain uvicorn and under Serve."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.bootstrap import Services
from core.kit.errors import TooLarge
from core.kit.ids import new_id
from core.kit.log import logger
from core.kit.web import PROBLEMS, install_errors, problem

log = logger("http")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def create_app(services: Services) -> FastAPI:
    app = FastAPI(
        title="SalesEdge AI",
        version=services.version,
        description="Listens to sales calls, forecasts deals, writes the follow-up.",
        responses=PROBLEMS,
        openapi_url="/openapi.json" if services.settings.http.docs else None,
    )
    app.state.services = services
    install_errors(app)
    _routes(app)
    app.add_middleware(_BodyLimit, most_bytes=services.settings.http.max_body_mb * 1024 * 1024)
    if services.settings.http.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=services.settings.http.cors_origins, allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(_Envelope, app_=app)
    return app


def _routes(app: FastAPI) -> None:
    from core.analysis import api as analysis
    from core.audit import api as audit
    from core.automation import api as automation
    from core.calls import api as calls
    from core.competitors import api as competitors
    from core.content import api as content
    from core.deals import api as deals
    from core.forecasting import api as forecasting
    from core.identity import api as identity
    from core.identity.sso import api as sso
    from core.tenants import api as tenants

    routers = [
        identity.public, identity.router, sso.public, sso.router, tenants.router, deals.router, calls.uploads,
        calls.router, analysis.router, competitors.router, forecasting.router, automation.router, content.router,
        audit.router,
    ]  # fmt: skip
    for router in routers:
        app.include_router(router)
    app.add_api_route("/healthz", healthz, tags=["operations"], summary="Is the process alive")
    app.add_api_route("/readyz", readyz, tags=["operations"], summary="Can it take requests", response_model=None)


async def healthz() -> dict[str, str]:
    return {"status": "ok"}


async def readyz(request: Request, response: Response) -> dict[str, object]:
    """503 until every part that a request needs answers."""
    parts = await request.app.state.services.check()
    ready = all(parts.values())
    response.status_code = 200 if ready else 503
    return {"status": "ready" if ready else "not ready", "parts": parts}


class _Envelope:
    """Around each request: an id, safe headers, one line in the log, and no exception that leaves the house."""

    def __init__(self, app: ASGIApp, app_: FastAPI) -> None:
        self._next = app
        self._app = app_

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._next(scope, receive, send)
            return
        request = Request(scope, receive)
        given = request.headers.get("x-request-id", "")
        request.state.request_id = (
            given if 0 < len(given) <= 64 and given.isascii() and given.isprintable() else str(new_id())
        )
        started, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", []))
                known = {name.lower() for name, _ in headers}
                extra = {**_HEADERS, "X-Request-Id": request.state.request_id}
                headers += [(k.encode(), v.encode()) for k, v in extra.items() if k.lower().encode() not in known]
                message = {**message, "headers": headers}
            await send(message)

        answered = False

        async def watching(message: Message) -> None:
            nonlocal answered
            answered = True
            await sending(message)

        try:
            await self._next(scope, receive, watching)
        except Exception as error:
            if answered:
                raise
            answer: Callable[[Request, Exception], Awaitable[Response]] = self._app.state.answer
            await (await answer(request, error))(scope, receive, sending)
        finally:
            self._log(request, status, time.perf_counter() - started)

    def _log(self, request: Request, status: int, took_s: float) -> None:
        identity = getattr(request.state, "identity", None)
        route = request.scope.get("route")
        log.info(
            "request", method=request.method, route=getattr(route, "path", None), status=status,
            duration_ms=round(took_s * 1000, 2), request_id=request.state.request_id,
            tenant=str(identity.tenant_id) if identity else None, user=str(identity.user_id) if identity else None,
        )  # fmt: skip


class _BodyLimit:
    """Refuses a body that is too long, by its header or, where that lies, as it comes."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._next = app
        self._most = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._next(scope, receive, send)
            return
        request = Request(scope)
        declared = request.headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > self._most:
            await problem(request, self._error())(scope, receive, send)
            return
        taken = 0

        async def receiving() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most:
                raise self._error()
            return message

        await self._next(scope, receiving, send)

    def _error(self) -> TooLarge:
        return TooLarge(f"The request is over {self._most // 1024 // 1024} MB. Send less, or compress the recording.")
