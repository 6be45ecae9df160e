"""Predictions over HTTP, by the real engine over an empty store and then with a model, and by event."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx2
import numpy as np
import pytest

from core.app import create_app
from core.datascience.models.bundle import pack
from core.datascience.models.pointers import CHAMPION, Pointer, Scope, pointer_key
from core.datascience.predictions.engine import PredictionEngine
from core.datascience.predictions.log import PredictionLog
from core.flows import REACTIONS
from core.forecasting.features import NAMES
from core.kit.clock import VirtualClock
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.relay import Relay
from core.settings import Settings
from tests.fakes import models
from tests.fakes.services import fake_services
from tests.support import Api, Client, member, new_deal, sign_up

LINE = {"kind": "platt", "curve": [1.0, 0.0], "slope": 1.0, "shift": 0.0}


async def base_rates(tenant_id: UUID) -> dict[str, int]:
    return {"won": 30, "lost": 70}


@pytest.fixture
async def api(settings: Settings, clock: VirtualClock) -> AsyncIterator[Api]:
    """The application whose predictor is the product's own, over an empty object store."""
    services = fake_services(settings, clock)
    services.predictor = engine = PredictionEngine(
        services.objects, base_rates=base_rates, clock=clock, known=frozenset(NAMES), log=PredictionLog(services.db),
        fresh_s=0,
    )  # fmt: skip
    transport = httpx2.ASGITransport(app=create_app(services), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Api(client, services)
    await engine.close()
    await services.db.close()


async def promote(api: Api, scope: Scope | None = None, context: str = "forecast") -> None:
    """A model of two weights: meetings speak for a deal, unanswered objections against it."""
    coef = np.array([0.5 * (name == "meetings") - 0.8 * (name == "unanswered_objections") for name in NAMES])
    none = np.zeros(len(NAMES))
    files = {"weights.npz": models.npz(fill=none, mean=none, scale=none + 1, coef=coef, intercept=[-0.4])}
    features = [{"name": name, "low": 0 if name == "meetings" else -1e5, "high": 1e5} for name in NAMES]
    raw = pack(models.meta("logistic", features=features, calibration=LINE, context=context), files)
    await api.services.objects.put("models/one.bundle", raw)
    pointer = Pointer(1, "models/one.bundle", hashlib.sha256(raw).hexdigest())
    key = pointer_key(context, scope or Scope.everybody(), CHAMPION)
    await api.services.objects.put(key, pointer.to_json())


async def logged(api: Api, client: Client, **wanted: Any) -> list[dict[str, Any]]:
    predictor = api.services.predictor
    assert isinstance(predictor, PredictionEngine)
    await predictor.close()
    answer = await client.get("/v1/insights/logs", params=wanted)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_without_a_model_the_answer_says_so(ana: Client) -> None:
    body = {"rows": [{"features": {"meetings": 2}}, {"features": {"meetings": None}}], "language": "en"}
    answer = await ana.post("/v1/insights/predict", json=body)
    assert answer.status_code == 200, answer.text
    for told in answer.json()["predictions"]:
        assert (told["basis"], told["model"], told["version"], told["deal_id"]) == ("base_rate", "base_rate", "0", None)
        assert told["probability"] == pytest.approx(31 / 102)
        assert "too few closed deals" in told["basis_text"]


async def test_deals_and_rows_of_features_side_by_side(api: Api, ana: Client) -> None:
    await promote(api)
    deals = [await new_deal(ana) for _ in range(3)]
    await ana.post(f"/v1/deals/{deals[1]['id']}/activities", json={"kind": "meeting", "direction": "out"})
    rows = [{"deal_id": deals[1]["id"]}, {"features": {"meetings": 4}}, {"deal_id": deals[0]["id"]}]
    body = {"rows": rows, "what_if": True, "language": "pt", "reasons": 2}
    told = (await ana.post("/v1/insights/predict", json=body)).json()["predictions"]
    assert [row["deal_id"] for row in told] == [deals[1]["id"], None, deals[0]["id"]]
    assert told[1]["probability"] > told[0]["probability"] > told[2]["probability"]
    assert told[0]["basis_text"] == "modelo geral"
    assert (told[0]["reasons"][0]["feature"], told[0]["reasons"][0]["text"]) == ("meetings", "1 reuniões")
    assert all(len(row["reasons"]) == 2 for row in told)
    advice = told[2]["what_ifs"][0]
    assert advice["action"] == "two_meetings"
    assert advice["text"] == f"com duas reuniões esta semana: {round(advice['probability'] * 100)} %"
    assert advice["change"] == pytest.approx(advice["probability"] - told[2]["probability"])


async def test_an_explanation_adds_up(api: Api, ana: Client) -> None:
    await promote(api)
    deal = await new_deal(ana)
    told = (await ana.post("/v1/insights/explain", json={"deal_id": deal["id"], "language": "en"})).json()
    assert len(told["reasons"]) == len(NAMES)
    assert told["base_log_odds"] == pytest.approx(-0.4, abs=1e-3)
    assert told["base_log_odds"] + sum(r["impact"] for r in told["reasons"]) == pytest.approx(told["log_odds"])
    assert set(told["input"]) == set(NAMES)
    assert told["what_ifs"][-1]["text"].startswith("with a")


async def test_what_is_beyond_the_range_is_said(api: Api, ana: Client) -> None:
    await promote(api)
    body = {"rows": [{"features": {"meetings": -3}}]}
    [told] = (await ana.post("/v1/insights/predict", json=body)).json()["predictions"]
    assert told["outside"] == ["meetings"]
    [row] = await logged(api, ana, outside=True)
    assert row["outside"] == ["meetings"]


@pytest.mark.parametrize("with_model", [False, True])
async def test_unknown_features_are_refused_by_name(api: Api, ana: Client, with_model: bool) -> None:
    if with_model:
        await promote(api)
    body = {"rows": [{"features": {"meetings": 1}}, {"features": {"shoe_size": 44}}]}
    answer = await ana.post("/v1/insights/predict", json=body)
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["errors"]] == ["body.rows.1.features.shoe_size"]


@pytest.mark.parametrize("body", [
    {"rows": []}, {"rows": [{}]}, {"rows": [{"features": {}}]}, {"rows": [{"features": {"meetings": "many"}}]},
    {"rows": [{"features": {"meetings": 1}}], "context": "weather"}, {"rows": [{"features": {"meetings": 1}}] * 501},
    {"rows": [{"features": {"meetings": 1}, "deal_id": str(new_id())}]}, {},
])  # fmt: skip
async def test_what_cannot_be_answered_is_refused(ana: Client, body: dict[str, Any]) -> None:
    assert (await ana.post("/v1/insights/predict", json=body)).status_code == 422


async def test_a_deal_of_somebody_else_is_not_there(api: Api, ana: Client) -> None:
    deal = await new_deal(ana)
    eve = Client(api, (await sign_up(api, "rival", email="eve@example.com"))["access_token"])
    for deal_id in (deal["id"], str(new_id())):
        answer = await eve.post("/v1/insights/predict", json={"rows": [{"deal_id": deal_id}]})
        assert (answer.status_code, "no such deal" in answer.text) == (404, True)


async def test_the_log_shows_each_answer_with_its_input(api: Api, ana: Client) -> None:
    await promote(api, context="risk")
    deal = await new_deal(ana)
    told = (await ana.post("/v1/insights/predict", json={"context": "risk", "rows": [{"deal_id": deal["id"]}]})).json()
    await ana.post("/v1/insights/predict", json={"rows": [{"features": {"meetings": 1}, "segment": "smb"}]})
    rows = await logged(api, ana)
    assert [(row["context"], row["basis"], row["model"]) for row in rows] == [
        ("forecast", "base_rate", "base_rate"), ("risk", "global", "logistic"),
    ]  # fmt: skip
    assert rows[0]["input"] == {"features": {"meetings": 1}, "segment": "smb"}
    assert rows[1]["probability"] == told["predictions"][0]["probability"]
    assert (rows[1]["deal_id"], rows[1]["source"], rows[1]["role"]) == (deal["id"], "http", "champion")
    assert rows[1]["latency_ms"] > 0
    assert [row["id"] for row in await logged(api, ana, deal_id=deal["id"])] == [rows[1]["id"]]
    page = (await ana.get("/v1/insights/logs", params={"limit": 1})).json()
    again = (await ana.get("/v1/insights/logs", params={"limit": 1, "cursor": page["next_cursor"]})).json()
    assert [page["items"][0]["id"], again["items"][0]["id"]] == [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("role", "predicts", "reads"), [("REP", 403, 403), ("DATA_SCIENTIST", 200, 403), ("DEVOPS", 403, 200)]
)
async def test_who_may_ask_and_who_may_look(api: Api, ana: Client, role: str, predicts: int, reads: int) -> None:
    client = await member(api, ana, role)
    body = {"rows": [{"features": {"meetings": 1}}]}
    assert (await client.post("/v1/insights/predict", json=body)).status_code == predicts
    assert (await client.get("/v1/insights/logs")).status_code == reads


async def test_a_request_by_event_is_answered_by_event(api: Api, ana: Client) -> None:
    await promote(api)
    deal = await new_deal(ana)
    tenant_id, request_id = api.services.tokens.check(ana.token).tenant_id, new_id()
    data = {"deal_ids": [deal["id"]], "features": {"meetings": 3.0}, "segment": "smb"}
    async with api.services.db.tenant(tenant_id) as tx:
        await tx.emit(Event(EventType.PREDICTION_REQUESTED, tenant_id, request_id, data, at=tx.clock.now()))
    await Relay(api.services.db, REACTIONS, api.services).drain()
    async with api.services.db.system() as tx:
        told = await _events(tx, "PREDICTION_MADE")
    [(subject, found)] = told
    assert subject == request_id
    assert [(row["deal_id"], row["basis"], row["model"]) for row in found["predictions"]] == [
        (deal["id"], "global", "logistic"), (None, "global", "logistic"),
    ]  # fmt: skip
    assert {row["source"] for row in await logged(api, ana, source="event")} == {"event"}


async def _events(tx: Any, kind: str) -> list[Any]:
    from sqlalchemy import text

    found = await tx.session.execute(text("SELECT subject, data FROM events WHERE type = :kind"), {"kind": kind})
    return [tuple(row) for row in found]
