"""The application under uvicorn in a thread, as foreign clients meet it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable

import httpx2
import uvicorn

from core.app import create_app
from core.kit.clock import SystemClock
from core.settings import Settings
from tests.fakes.services import fake_services
from tests.support import Api


class Server:
    """`furnish` is called before the first request is taken."""

    def __init__(self, settings: Settings, furnish: Callable[[Api], Awaitable[None]]) -> None:
        self._settings = settings
        self._furnish = furnish
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
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
            await self._furnish(Api(client, services))
        self._ready.set()
        await self._server.serve(sockets=[self._socket])
        await services.db.close()
