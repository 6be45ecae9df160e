"""The least that Serve can do."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from ray import serve


def app() -> Any:
    @serve.deployment(max_ongoing_requests=100, ray_actor_options={"num_cpus": 0.1})
    @serve.ingress(_routes)
    class Noop:
        pass

    return Noop.bind()


def _routes() -> FastAPI:
    routes = FastAPI()

    @routes.get("/")
    async def nothing() -> dict[str, str]:
        return {"status": "ok"}

    return routes
