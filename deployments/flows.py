"""Runs the reactions to events, brought by the transport of the settings, and fires timers."""

from __future__ import annotations

import asyncio
from typing import Any

from ray import serve

from actors.training import Work
from core.flows import REACTIONS
from core.kit.timers import Ticker
from core.settings import Settings
from core.transport import open_transport
from deployments.wiring import Handles, remote_services


@serve.deployment
class Flows:
    def __init__(self, settings: Settings, handles: dict[str, Any], train: Work) -> None:
        # Serve runs a constructor on the replica's event loop, so the workers can start here.
        self._services = remote_services(settings, Handles(**handles), train)
        transport = open_transport(settings.events, self._services.db, REACTIONS, self._services)
        ticker = Ticker(self._services.db)
        self._running = [asyncio.create_task(part.run()) for part in (transport, ticker)]

    async def check_health(self) -> None:
        """Serve replaces the replica whose workers have stopped."""
        if any(part.done() for part in self._running):
            raise RuntimeError("the transport or the ticker has stopped")
