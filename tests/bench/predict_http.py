"""One prediction with its reasons over HTTP, through ingress and forecasting, against plain FastAPI under uvicorn that
asks XGBoost and shap's TreeExplainer about the same row."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from typing import Any
from uuid import UUID

import httpx2

from cluster.demo_tenant import load_pipeline
from cluster.local import LocalCluster, free_port
from cluster.training import Asked, train_forecasting
from core import bootstrap
from core.forecasting.features import NAMES
from tests.bench.harness import cluster, line, quantile
from tests.bench.predict_engine import booster, explained, fitted

TIMES = 500


def run() -> None:
    made = fitted()
    with cluster() as running:
        token = _tenant_with_a_model(running)
        port = free_port()
        server = multiprocessing.get_context("spawn").Process(target=_plain, args=(port, made.bundle), daemon=True)
        server.start()
        try:
            ours, theirs = _side_by_side(running.url, token, f"http://127.0.0.1:{port}", made.row)
        finally:
            server.kill()
            server.join()
    for metric, share in (("p50_ms", 0.5), ("p95_ms", 0.95)):
        line(
            "predict_http", metric, quantile(ours, share), "ms", "FastAPI with xgboost + shap.TreeExplainer",
            quantile(theirs, share), more_is_better=False,
        )  # fmt: skip


def _tenant_with_a_model(running: LocalCluster) -> str:
    body = {
        "company": "Bench", "slug": "bench", "name": "B", "email": "b@bench.example",
        "password": "correct horse battery",
    }  # fmt: skip
    with httpx2.Client(base_url=running.url, timeout=60) as http:
        session = http.post("/v1/signup", json=body).json()
        http.headers["Authorization"] = f"Bearer {session['access_token']}"
        user_id = http.get("/v1/me").json()["id"]
    asyncio.run(_train(running, UUID(session["tenant_id"]), UUID(user_id)))
    return str(session["access_token"])


async def _train(running: LocalCluster, tenant_id: UUID, user_id: UUID) -> None:
    db = bootstrap.database(running.settings, bootstrap.database_url(running.settings))
    try:
        await load_pipeline(db, tenant_id, user_id, count=1500)
    finally:
        await db.close()
    await train_forecasting(running.settings, Asked(tenant_id))


def _side_by_side(
    ours: str, token: str, theirs: str, row: dict[str, float | None]
) -> tuple[list[float], list[float]]:  # fmt: skip
    retries = httpx2.HTTPTransport(retries=50)
    with httpx2.Client(base_url=ours, timeout=30) as http, httpx2.Client(base_url=theirs, transport=retries) as plain:
        http.headers["Authorization"] = f"Bearer {token}"
        body = {"rows": [{"features": row}]}
        while True:  # the replica looks for a new champion every few seconds
            answer = http.post("/v1/insights/predict", json=body)
            assert answer.status_code == 200, answer.text
            if answer.json()["predictions"][0]["basis"] == "tenant":
                break
        measured: tuple[list[float], list[float]] = ([], [])
        for turn in range(TIMES + 100):
            for kept, client, path, said in (
                (measured[0], http, "/v1/insights/predict", body), (measured[1], plain, "/", {"features": row}),
            ):  # fmt: skip
                begun = time.perf_counter()
                answer = client.post(path, json=said)
                took = (time.perf_counter() - begun) * 1e3
                assert answer.status_code == 200, answer.text
                if turn >= 100:
                    kept.append(took)
    return measured


def _plain(port: int, bundle: bytes) -> None:
    import numpy as np
    import uvicorn
    from fastapi import FastAPI

    app, predict = FastAPI(), explained(booster(bundle))

    @app.post("/")
    def read(body: dict[str, dict[str, float | None]]) -> dict[str, Any]:
        row = body["features"]
        values = np.array([[np.nan if (v := row[name]) is None else v for name in NAMES]], np.float32)
        odds, reasons = predict(values)
        return {"probability": odds, "reasons": [{"feature": name, "impact": share} for share, name in reasons]}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)
