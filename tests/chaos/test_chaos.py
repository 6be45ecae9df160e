"""A short run of `make chaos`: each server and what nobody else's test kills, once."""

from __future__ import annotations

import pytest

from tests.chaos.run import run

pytestmark = [pytest.mark.cluster, pytest.mark.weights]
VICTIMS = ("GCS", "PostgreSQL", "serve controller", "Valkey", "broker", "tenant host")


async def test_nothing_is_lost_and_nothing_happens_twice(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        outcome = await run("kafka", victims=VICTIMS, seed=5, companies=2, tell=lambda _: None)
    assert outcome.wrong == []
    assert [fault.victim for fault in outcome.faults] == list(VICTIMS)
    assert outcome.changes > 0
    assert outcome.notifications >= outcome.changes
