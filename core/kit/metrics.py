"""Numbers for operators in Prometheus' text format: of the whole installation, nothing of a tenant."""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request, Response
from pydantic import SecretStr

from core.kit.db import Database
from core.kit.errors import Unauthenticated
from core.kit.lag import Lag, lag


def router(db: Database, token: SecretStr) -> APIRouter:
    """`GET /metrics` for whoever brings the token."""
    routes = APIRouter()

    @routes.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), token.get_secret_value().encode()):
            raise Unauthenticated("Bring the token of SALESEDGE_HTTP__METRICS_TOKEN as bearer.")
        body, kind = exposition(await lag(db))
        return Response(body, media_type=kind)

    return routes


def exposition(lags: list[Lag]) -> tuple[bytes, str]:
    """The body and its content type."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    behind = Gauge("salesedge_events_behind", "Deliveries that are not done", ["reaction"], registry=registry)
    age = Gauge("salesedge_events_behind_seconds", "Age of the oldest of them", ["reaction"], registry=registry)
    parked = Gauge("salesedge_events_parked", "Deliveries that wait for a person", ["reaction"], registry=registry)
    for one in lags:
        behind.labels(one.reaction).set(one.events)
        age.labels(one.reaction).set(one.behind_s)
        parked.labels(one.reaction).set(one.parked)
    return generate_latest(registry), CONTENT_TYPE_LATEST
