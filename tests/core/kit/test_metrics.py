"""Numbers for operators, and for nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from pydantic import SecretStr

from core.app import create_app
from core.kit.clock import VirtualClock
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.settings import Settings
from tests.fakes.services import fake_services
from tests.support import Api, sign_up

TOKEN = "an operator's token of more than 32 letters"


@pytest.fixture
async def watched(settings: Settings, clock: VirtualClock) -> AsyncIterator[Api]:
    http = settings.http.model_copy(update={"metrics_token": SecretStr(TOKEN)})
    services = fake_services(settings.model_copy(update={"http": http}), clock)
    transport = httpx2.ASGITransport(app=create_app(services), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Api(client, services)
    await services.db.close()


async def test_lag_is_told_to_who_brings_the_token(watched: Api) -> None:
    tenant = new_id()
    async with watched.services.db.tenant(tenant) as tx:
        await tx.emit(Event(EventType.CALL_UPLOADED, tenant, new_id(), at=tx.clock.now()))
    answer = await watched.get("/metrics", token=TOKEN)
    assert answer.status_code == 200
    assert 'salesedge_events_behind{reaction="calls.transcribe"} 1.0' in answer.text
    assert 'salesedge_events_behind{reaction="analysis.insights"} 0.0' in answer.text
    assert str(tenant) not in answer.text


async def test_nobody_else_is_told(watched: Api, api: Api) -> None:
    administrator = (await sign_up(watched, "acme"))["access_token"]
    for token in (None, "wrong", administrator):
        assert (await watched.get("/metrics", token=token)).status_code == 401
    assert (await api.get("/metrics", token=TOKEN)).status_code == 404, "without the setting there is none"
