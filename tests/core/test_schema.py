"""Every operation of the OpenAPI document, asked well and badly, as every role: no 5xx, nothing outside the schema."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as how
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.app import create_app
from core.kit.clock import SystemClock
from core.settings import Settings
from tests.fakes.services import fake_services
from tests.support import Api, Client, member, new_deal, sign_up

CHECKS = (
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
)  # fmt: skip
ROLES = ("ADMIN", "MANAGER", "LEADER", "REP", "SDR", "DATA_SCIENTIST", "DEVOPS", "SUPER_ADMIN", "SYSTEM", "GUEST")
ENDS_THE_SESSION = "/logout"


class Server:
    """The application under uvicorn in a thread, as clients meet it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.tokens: dict[str, str] = {}
        self.known: dict[str, str] = {}
        self.asked = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    async def _run(self) -> None:
        services = fake_services(self._settings, SystemClock())
        app = create_app(services)
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
            api = Api(client, services)
            admin = Client(api, (await sign_up(api, "acme"))["access_token"])
            deal = await new_deal(admin)
            competitor = (await admin.post("/v1/competitors", json={"name": "Rival"})).json()
            self.known = {"deal_id": deal["id"], "account_id": deal["account_id"], "competitor_id": competitor["id"]}
            self.tokens = {role: (await member(api, admin, role)).token for role in ROLES}
        self._ready.set()
        await self._server.serve(sockets=[self._socket])
        await services.db.close()


@pytest.fixture(scope="module")
def server(new_database: Callable[[], Settings]) -> Iterator[Server]:
    with Server(new_database()) as running:
        yield running


@pytest.fixture(scope="module")
def openapi(server: Server) -> Any:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json").exclude(path_regex=ENDS_THE_SESSION)


HOW: dict[str, Any] = {
    "deadline": None, "derandomize": True, "database": None, "phases": [Phase.explicit, Phase.generate],
    "suppress_health_check": list(HealthCheck),
}  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_every_operation_answers_as_the_document_says(openapi: Any, server: Server, role: str) -> None:
    examples = 20 if role == "ADMIN" else 3
    asked = 0
    for found in openapi.get_all_operations():
        case = found.ok().as_strategy()
        given(case)(how(max_examples=examples, **HOW)(lambda case: ask(case, server, role)))()
        asked += 1
    assert asked > 30


def ask(case: schemathesis.Case, server: Server, role: str) -> None:
    """Of every two requests one is about things that are there."""
    server.asked += 1
    if server.asked % 2 and case.path_parameters:
        case.path_parameters.update({k: v for k, v in server.known.items() if k in case.path_parameters})
    case.call_and_validate(headers={"Authorization": f"Bearer {server.tokens[role]}"}, checks=CHECKS)
