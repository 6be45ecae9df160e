"""A deal by HTTP, against plain FastAPI under uvicorn with the same query, and against a bare Serve no-op."""

from __future__ import annotations

import asyncio
import multiprocessing
from typing import Any

import httpx2

from cluster.local import LocalCluster, free_port
from core import bootstrap
from tests.bench.harness import cluster, line, load_http

CLIENTS = (1, 16)
REQUESTS = 3_000


def run() -> None:
    with cluster() as running:
        token, path, tenant_id, deal_id = _deal(running)
        port = running.settings.http.port
        ours = {n: asyncio.run(load_http(port, path, clients=n, requests=REQUESTS, token=token)) for n in CLIENTS}
        noop = {n: asyncio.run(load_http(_noop(), "/noop/", clients=n, requests=REQUESTS)) for n in CLIENTS}
        plain_port = free_port()
        url = bootstrap.database_url(running.settings)
        server = multiprocessing.get_context("spawn").Process(
            target=_plain, args=(plain_port, url, tenant_id, deal_id), daemon=True
        )
        server.start()
        try:
            _wait(plain_port)
            plain = {n: asyncio.run(load_http(plain_port, "/", clients=n, requests=REQUESTS)) for n in CLIENTS}
        finally:
            server.kill()
            server.join()
    for peer, measured in (("plain FastAPI under uvicorn", plain), ("bare Serve no-op", noop)):
        for n in CLIENTS:
            suffix = "" if n == 1 else f"_{n}_clients"
            for place, metric in enumerate(("p50_ms", "p99_ms", "rps")):
                line(
                    "api_get", metric + suffix, ours[n][place], "1/s" if place == 2 else "ms", peer,
                    measured[n][place], more_is_better=place == 2,
                )  # fmt: skip


def _deal(running: LocalCluster) -> tuple[str, str, str, str]:
    with httpx2.Client(base_url=running.url) as http:
        body = {
            "company": "Bench", "slug": "bench", "name": "B", "email": "b@bench.example",
            "password": "correct horse battery",
        }  # fmt: skip
        session = http.post("/v1/signup", json=body).json()
        http.headers["Authorization"] = f"Bearer {session['access_token']}"
        account = http.post("/v1/accounts", json={"name": "A"}).json()
        deal = http.post("/v1/deals", json={"account_id": account["id"], "name": "D", "value_cents": 1}).json()
    return session["access_token"], f"/v1/deals/{deal['id']}", session["tenant_id"], deal["id"]


def _noop() -> int:
    """The port of the running proxy, with a deployment that does nothing behind it."""
    from ray import serve

    from tests.bench.noop import app

    if "noop" not in serve.status().applications:
        serve.run(app(), name="noop", route_prefix="/noop")
    import ray.serve.context as context

    client = context._get_global_client()
    return int(client.http_config.port)


def _plain(port: int, url: str, tenant_id: str, deal_id: str) -> None:
    """The same query in the same kind of transaction, and nothing else."""
    import uvicorn
    from fastapi import FastAPI
    from psycopg_pool import AsyncConnectionPool

    app = FastAPI()
    pool: Any = AsyncConnectionPool(url, min_size=5, max_size=10, open=False)

    @app.get("/")
    async def read() -> dict[str, str]:
        async with pool.connection() as connection, connection.transaction():
            enter = "SELECT set_config('role', 'salesedge_app', true), set_config('app.tenant_id', %s, true)"
            await connection.execute(enter, (tenant_id,))
            found = await connection.execute("SELECT * FROM deals WHERE id = %s", (deal_id,))
            return {str(n): str(value) for n, value in enumerate(await found.fetchone())}

    app.router.on_startup.append(pool.open)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


def _wait(port: int) -> None:
    with httpx2.Client(transport=httpx2.HTTPTransport(retries=50)) as http:
        http.get(f"http://127.0.0.1:{port}/").raise_for_status()
