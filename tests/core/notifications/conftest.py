"""The application on a real socket: WebSockets need a server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from core.app import create_app
from core.bootstrap import Services
from core.kit.clock import VirtualClock
from core.settings import Settings
from tests.fakes.services import fake_services
from tests.support import Api

Served = Callable[[], Awaitable[int]]


@contextlib.asynccontextmanager
async def served(services: Services) -> AsyncIterator[int]:
    """Serves on a free port of this machine; gives the port."""
    config = uvicorn.Config(create_app(services), host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))  # connections wait in it until the server takes them
    running = asyncio.create_task(server.serve([listening]))
    yield listening.getsockname()[1]
    server.should_exit = True
    await running
    await services.hub.close()


def stream(port: int, token: str, query: str = "") -> contextlib.AbstractAsyncContextManager[ClientConnection]:
    """As a browser opens it."""
    url = f"ws://127.0.0.1:{port}/v1/notifications/stream{query}"
    return connect(url, subprotocols=["salesedge", f"bearer.{token}"])  # type: ignore[list-item]


@pytest.fixture
async def port(api: Api) -> AsyncIterator[int]:
    async with served(api.services) as at:
        yield at


@pytest.fixture
async def other_port(settings: Settings, clock: VirtualClock) -> AsyncIterator[int]:
    """A second process of the ingress, as far as it can be told apart from one: nothing shared but the database."""
    services: Any = fake_services(settings, clock)
    async with served(services) as at:
        yield at
    await services.db.close()
