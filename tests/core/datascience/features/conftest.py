from __future__ import annotations

import pytest

from core.kit.clock import VirtualClock
from tests.core.datascience.features.pipeline import Pipeline
from tests.support import Api, Client


@pytest.fixture
async def pipeline(api: Api, ana: Client, clock: VirtualClock) -> Pipeline:
    made = Pipeline(api, ana, clock)
    await made.begin()
    return made
