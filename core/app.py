"""The HTTP application: every feature's routes behind the same middleware. Runs under plain uvicorn and under Serve."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import cache

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from core.bootstrap import Services
from core.kit import metrics
from core.kit.armour import Armour
from core.kit.ids import new_id
from core.kit.log import logger
from core.kit.web import PROBLEMS, install_errors, permissions
from core.settings import HttpSettings

log = logger("http")
_MIB = 1024 * 1024
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HTTPS_ONLY = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}
_DOCS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; img-src 'self' data: https:; "
    "script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; worker-src blob:; "
    "style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com; "
    "font-src https://fonts.gstatic.com",
}
_SHOWN = (
    "ETag", "Idempotency-Replayed", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id",
)  # fmt: skip


def create_app(services: Services) -> FastAPI:
    from core.identity.scim import errors as scim_errors

    app = FastAPI(
        title="SalesEdge AI",
        version=services.version,
        description="Listens to sales calls, forecasts deals, writes the follow-up.",
        responses=PROBLEMS,
        openapi_url="/openapi.json" if services.settings.http.docs else None,
    )
    app.state.services = services
    install_errors(app)
    app.router.routes.extend(_routes())
    app.state.problem_forms = {"/scim/": scim_errors.form}
    if services.settings.http.metrics_token is not None:
        app.include_router(metrics.router(services.db, services.settings.http.metrics_token))
    if app.openapi_url:
        app.add_api_route("/asyncapi.json", asyncapi, include_in_schema=False)
    services.roles.check_known(permissions(app))
    http = services.settings.http
    app.add_middleware(
        Armour, most_bytes=http.max_body_mb * _MIB, most_json_bytes=http.max_json_mb * _MIB, idle_s=http.body_idle_s
    )
    if http.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=http.cors_origins, allow_methods=["*"], allow_headers=["*"],
            expose_headers=_SHOWN,
        )  # fmt: skip
    app.add_middleware(_Envelope, app_=app, headers=_headers(http))
    if http.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=http.trusted_proxies)
    return app


def _headers(http: HttpSettings) -> dict[str, str]:
    return {**_HEADERS, **(_HTTPS_ONLY if http.public_url.startswith("https:") else {})}


@cache
def _routes() -> Sequence[BaseRoute]:
    """What two applications in one process share: nothing in a route knows whose it is."""
    from core.analysis import api as analysis
    from core.audit import api as audit
    from core.automation import api as automation
    from core.automation.agent import api as agent
    from core.automation.execution import api as execution
    from core.automation.rules import api as rules
    from core.calls import api as calls
    from core.competitors import api as competitors
    from core.content import api as content
    from core.datascience.drift import api as drift
    from core.datascience.features import api as features
    from core.datascience.groups import api as groups
    from core.datascience.models import api as models
    from core.datascience.predictions import api as predictions
    from core.datascience.training import api as training
    from core.deals import api as deals
    from core.divisions import api as divisions
    from core.forecasting import api as forecasting
    from core.forecasting.rollup import api as rollup
    from core.identity import api as identity
    from core.identity.factors import api as factors
    from core.identity.keys import api as keys
    from core.identity.people import api as people
    from core.identity.scim import api as scim
    from core.identity.scim import protocol
    from core.identity.sso import api as sso
    from core.knowledge import api as knowledge
    from core.live import api as live
    from core.live import page
    from core.live.playbook import api as playbook
    from core.notifications import api as notifications
    from core.pipeline_health import api as pipeline_health
    from core.privacy import api as privacy
    from core.tenants import api as tenants

    # Looked through in this order: what is asked most often comes first.
    routers = [
        predictions.router, deals.router, calls.router, forecasting.router, notifications.router, identity.router,
        calls.uploads, analysis.router, automation.router, agent.router,
        execution.router, rollup.router, content.router, competitors.router,
        features.router, groups.router, models.router, drift.router, drift.slow, training.router, tenants.router,
        identity.public, factors.router, keys.router, people.public, people.router, sso.public, sso.router, scim.router,
        protocol.router, divisions.router, audit.router, privacy.router, pipeline_health.router, rules.router,
        live.router, page.router, knowledge.router, knowledge.uploads, playbook.router, playbook.cards,
    ]  # fmt: skip
    house = APIRouter(responses=PROBLEMS)
    for router in routers:
        house.include_router(router)
    house.add_api_route("/healthz", healthz, tags=["operations"], summary="Is the process alive")
    house.add_api_route("/readyz", readyz, tags=["operations"], summary="Can it take requests", response_model=None)
    return house.routes


async def healthz() -> dict[str, str]:
    return {"status": "ok"}


async def readyz(request: Request, response: Response) -> dict[str, object]:
    """503 until every part that a request needs answers."""
    parts = await request.app.state.services.check()
    ready = all(parts.values())
    response.status_code = 200 if ready else 503
    return {"status": "ready" if ready else "not ready", "parts": parts}


async def asyncapi(request: Request) -> dict[str, object]:
    """The events, and the socket of live sessions, as a document."""
    from core.flows import REACTIONS
    from core.kit.asyncapi import document, merged
    from core.live.described import described

    services: Services = request.app.state.services
    told = document(services.version, REACTIONS, topic=services.settings.events.kafka.topic)
    return merged(told, described())


class _Envelope:
    """Around each request: an id, safe headers, one line in the log, and no exception that leaves the house."""

    def __init__(self, app: ASGIApp, app_: FastAPI, headers: dict[str, str]) -> None:
        self._next = app
        self._app = app_
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope.setdefault("state", {})["request_id"] = str(new_id())
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
                extra = {**self._headers, "X-Request-Id": request.state.request_id}
                extra |= _DOCS if request.url.path in (self._app.docs_url, self._app.redoc_url) else {}
                extra |= getattr(request.state, "headers", {})
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
