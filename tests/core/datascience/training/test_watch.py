"""Claims, leases and who looks after them, on virtual time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import bootstrap
from core.datascience.training import ask, repository, work
from core.datascience.training.model import Training
from core.datascience.training.watch import look_after
from core.kit.clock import VirtualClock
from core.kit.db import Database
from core.kit.ids import new_id
from core.kit.training_settings import TrainingSettings
from core.settings import Settings
from tests.conftest import NOW
from tests.fakes.trainer import FakeTrainer

HOW = TrainingSettings()
LEASE_S = HOW.lease_s


class Watch:
    """One training of a tenant, and the one who looks after it."""

    def __init__(self, db: Database, clock: VirtualClock) -> None:
        self.db, self.clock, self.trainer = db, clock, FakeTrainer()
        self.tenant_id, self.id = new_id(), new_id()

    async def begin(self) -> Watch:
        async with self.db.tenant(self.tenant_id) as tx:
            self.id = (await ask.ask(tx, ask.Wanted("forecast", "xgboost"))).id
        await self.trainer.start(self.tenant_id, self.id)
        return self

    async def row(self) -> Training:
        async with self.db.tenant(self.tenant_id) as tx:
            return await repository.training(tx, self.id)

    async def look(self) -> None:
        async with self.db.tenant(self.tenant_id) as tx:
            await look_after(tx, self.id, self.trainer, HOW)

    async def claim(self) -> work.Claim:
        return await work.claim(self.db, self.tenant_id, self.id, LEASE_S)

    async def said(self) -> list[str]:
        async with self.db.tenant(self.tenant_id) as tx:
            return [line.text for line in await repository.lines(tx, self.id)]


@pytest.fixture
async def watch(db: Database, clock: VirtualClock) -> Watch:
    return await Watch(db, clock).begin()


async def test_who_lives_is_left_alone(watch: Watch) -> None:
    mine = await watch.claim()
    for _ in range(5):
        watch.clock.advance(timedelta(seconds=40))
        await work.report(watch.db, mine, LEASE_S)
        await watch.look()
    assert watch.trainer.started == [watch.id]
    with pytest.raises(work.Lost):
        await watch.claim()


async def test_who_died_is_followed_by_another_and_heard_no_more(watch: Watch) -> None:
    dead = await watch.claim()
    watch.clock.advance(timedelta(seconds=LEASE_S + 1))
    await watch.look()
    assert watch.trainer.started == [watch.id] * 2
    alive = await watch.claim()
    assert (alive.attempt, (await watch.row()).attempts) == (2, 2)
    with pytest.raises(work.Lost):
        await work.report(watch.db, dead, LEASE_S, ["I was only asleep"])
    await work.report(watch.db, alive, LEASE_S, ["fitting"])
    assert "I was only asleep" not in await watch.said()


async def test_the_next_process_may_take_its_time_to_begin(watch: Watch) -> None:
    await watch.claim()
    for _ in range(4):
        watch.clock.advance(timedelta(seconds=LEASE_S + 1))
        await watch.look()
    assert watch.trainer.started == [watch.id] * 2
    assert ((await watch.row()).status, (await watch.claim()).attempt) == ("queued", 2)


async def test_one_that_never_ends_well_is_given_up_with_the_last_word(watch: Watch) -> None:
    for _ in range(HOW.most_attempts):
        mine = await watch.claim()
        await work.given_back(watch.db, mine, "broke by MemoryError")
        await watch.look()
    row = await watch.row()
    assert row.status == "failed"
    assert row.error == f"given up after {HOW.most_attempts} attempts; the last said: broke by MemoryError"
    assert watch.trainer.processes == {}


async def test_one_that_waits_for_room_is_not_counted(watch: Watch) -> None:
    for _ in range(HOW.most_attempts + 2):
        watch.clock.advance(timedelta(seconds=600))
        await watch.look()
    assert ((await watch.row()).status, (await watch.row()).attempts) == ("queued", 0)
    assert watch.trainer.started == [watch.id]


STEPS = st.lists(st.sampled_from(["claim", "report", "wait", "look", "done"]), max_size=25)


@pytest.fixture(scope="module")
def shared(new_database: object) -> Settings:
    assert callable(new_database)
    made: Settings = new_database()
    return made


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_whatever_dies_when_one_at_most_may_speak_and_it_ends_once(shared: Settings, steps: list[str]) -> None:
    """Against a model: the last who claimed is the one who may speak, until another claims or it is over."""
    clock = VirtualClock(NOW)
    db = Database(bootstrap.database_url(shared), clock=clock)
    watch = await Watch(db, clock).begin()
    claims: list[work.Claim] = []
    until, over = NOW, False
    taken: list[work.Claim] = []  # whose turn the watch ended
    for step in steps:
        if step == "wait":
            clock.advance(timedelta(seconds=LEASE_S / 2))
        elif step == "look":
            row = await watch.row()
            if row.status == "running" and clock.now() >= until:
                until = NOW
                taken.extend(claims[len(taken) :])
            await watch.look()
            over = (await watch.row()).status == "failed"
        elif step == "claim":
            free = not over and clock.now() >= until
            if free:
                claims.append(await watch.claim())
                until = (await _lease(watch)) or until
            else:
                with pytest.raises(work.Lost):
                    await watch.claim()
        for number, claim in enumerate(claims):
            if step not in ("report", "done"):
                continue
            last = number == len(claims) - 1 and claim not in taken
            if last and not over:
                await work.report(db, claim, LEASE_S) if step == "report" else await work.failed(db, claim, "enough")
                over = step == "done"
                until = (await _lease(watch)) or until
            else:
                with pytest.raises(work.Lost):
                    await work.report(db, claim, LEASE_S)
    assert (await watch.row()).attempts == len(claims)
    await db.close()


async def _lease(watch: Watch) -> object:
    return (await watch.row()).lease_until
