"""HTTP in: the application of core, with handles for engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ray import serve

from actors.training import Work
from core.settings import Settings
from deployments.wiring import Handles, remote_services

if TYPE_CHECKING:
    from fastapi import FastAPI


@serve.deployment
@serve.ingress()
class Ingress:
    def __init__(self, settings: Settings, handles: dict[str, Any], train: Work, flows: Any = None) -> None:
        """`flows` is asked nothing: naming it makes its workers part of the application."""
        self._services = remote_services(settings, Handles(**handles), train)

    def __serve_build_asgi_app__(self) -> FastAPI:
        from core.app import create_app

        return create_app(self._services)
