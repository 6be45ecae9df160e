"""What a host of live sessions is made of: the services of a Serve process, asked from outside of the application."""

from __future__ import annotations

import dataclasses
import functools

from cluster.trainings import carry_out
from core.bootstrap import Services
from core.settings import Settings

APP = "salesedge"


def house(settings: Settings) -> Services:
    """The services of this process, with handles of the running application."""
    from ray import serve

    from deployments.wiring import Handles, remote_services

    names = [field.name for field in dataclasses.fields(Handles)]
    handles = Handles(**{name: serve.get_deployment_handle(name, APP) for name in names})
    return remote_services(settings, handles, functools.partial(carry_out, settings))
