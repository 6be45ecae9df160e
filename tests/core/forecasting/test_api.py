"""Forecasts over HTTP with the real forecaster and no model: the answer says what it rests on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from uuid import UUID

import httpx2
import pytest

from core.app import create_app
from core.datascience.predictions.engine import PredictionEngine
from core.deals import repository as deals
from core.kit.clock import VirtualClock
from core.settings import Settings
from tests.conftest import NOW
from tests.fakes.services import fake_services
from tests.support import Api, Client, new_deal, sign_up


@pytest.fixture
async def api(settings: Settings, clock: VirtualClock) -> AsyncIterator[Api]:
    """The application whose predictor is the product's own, over an empty object store."""
    services = fake_services(settings, clock)

    async def base_rates(tenant_id: UUID) -> dict[str, int]:
        async with services.db.tenant(tenant_id) as tx:
            return await deals.outcomes(tx)

    services.predictor = PredictionEngine(services.objects, base_rates=base_rates, clock=services.clock)
    transport = httpx2.ASGITransport(app=create_app(services), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Api(client, services)
    await services.db.close()


async def close(ana: Client, outcome: str, count: int) -> None:
    for _ in range(count):
        await new_deal(ana, stage=outcome)


async def test_with_few_closed_deals_the_answer_is_the_share_won_and_says_so(ana: Client) -> None:
    await close(ana, "closed_won", 3)
    await close(ana, "closed_lost", 5)
    deal = await new_deal(ana, value_cents=1_000_00)
    made = await ana.post(f"/v1/deals/{deal['id']}/forecast?language=en")
    assert made.status_code == 201, made.text
    now = made.json()["now"]
    assert now["probability"] == pytest.approx(0.4)
    assert 0 < now["low"] < 0.4 < now["high"] < 1
    assert (now["basis"], now["model"], now["reasons"]) == ("base_rate", "base_rate", [])
    assert now["basis_text"] == "too few closed deals to train a model: plain share of deals won"
    assert (now["risk"], now["expected_value_cents"]) == ("medium", 400_00)
    assert now["value_low_cents"] == round(now["low"] * 1_000_00)
    assert date.fromisoformat(now["expected_close_on"]) == NOW.date() + timedelta(days=60)
    assert made.json()["before"] is None


async def test_reading_gives_the_newest_forecast_and_the_one_before(ana: Client) -> None:
    deal = await new_deal(ana)
    url = f"/v1/deals/{deal['id']}/forecast"
    missing = await ana.get(url)
    assert (missing.status_code, "no forecast yet" in missing.text) == (404, True)
    first = (await ana.post(url)).json()["now"]
    await close(ana, "closed_won", 2)
    second = (await ana.post(url)).json()
    read = (await ana.get(url)).json()
    assert read == second
    assert read["before"] == first
    assert read["change"] == pytest.approx(0.75 - 0.5)
    assert read["now"]["basis_text"] == "poucos negócios fechados para treinar um modelo: taxa média de ganho"


async def test_the_list_holds_each_deal_once(ana: Client) -> None:
    made = [await new_deal(ana) for _ in range(2)]
    for deal in (*made, made[0]):
        await ana.post(f"/v1/deals/{deal['id']}/forecast")
    items = (await ana.get("/v1/forecasts")).json()["items"]
    assert [item["deal_id"] for item in items] == [made[1]["id"], made[0]["id"]]


async def test_a_closed_deal_is_not_predicted(ana: Client) -> None:
    deal = await new_deal(ana, stage="closed_lost")
    answer = await ana.post(f"/v1/deals/{deal['id']}/forecast")
    assert (answer.status_code, "nothing to predict" in answer.text) == (409, True)


async def test_another_tenant_sees_no_forecast(api: Api, ana: Client) -> None:
    deal = await new_deal(ana)
    url = f"/v1/deals/{deal['id']}/forecast"
    await ana.post(url)
    eve = Client(api, (await sign_up(api, "rival", email="eve@example.com"))["access_token"])
    assert (await eve.get(url)).status_code == 404
    assert (await eve.post(url)).status_code == 404
    assert (await eve.get("/v1/forecasts")).json()["items"] == []
