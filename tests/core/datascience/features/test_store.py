"""Written once, corrected by another row, read in one go, and never older than what was committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from core import bootstrap
from core.datascience.features import repository
from core.datascience.features.definitions import DEAL, DEAL_SCORE
from core.datascience.features.row import Given, Key, Stored
from core.datascience.features.store import FeatureStore
from core.gateways.hot import RedisHotValues
from core.kit.clock import VirtualClock
from core.kit.db import Database
from core.kit.errors import Invalid
from core.kit.ids import new_id
from core.kit.pages import PageRequest
from core.settings import Settings
from tests.conftest import NOW
from tests.fakes.engines import FakeHotValues, FakeObjects

DAY = timedelta(days=1)


@dataclass
class House:
    """A store on a real database and a real Valkey, and one entity of one tenant."""

    db: Database
    store: FeatureStore
    hot: RedisHotValues
    tenant_id: UUID
    key: Key

    def row(self, probability: float, at: datetime = NOW, key: Key | None = None) -> Given:
        key = key or self.key
        return Given(key.feature_set, key.entity_id, at, {"probability": probability})

    async def write(self, *rows: Given, store: FeatureStore | None = None) -> int:
        async with self.db.tenant(self.tenant_id) as tx:
            return await (store or self.store).write(tx, rows)

    async def probability(self, store: FeatureStore | None = None) -> float | None:
        [found] = await (store or self.store).read(self.tenant_id, [self.key])
        return None if found is None else found.values["probability"]

    async def history(self) -> list[tuple[datetime, float]]:
        page = PageRequest(limit=50, before=None)
        async with self.db.tenant(self.tenant_id) as tx:
            rows = await repository.history(
                tx, self.key.entity_id, page, feature_set=None, since=None, until=None, cause=None
            )
        return [(row.event_at, row.values["probability"]) for row in rows][::-1]


@pytest.fixture
async def house(settings: Settings, db: Database) -> AsyncIterator[House]:
    hot = RedisHotValues(bootstrap.redis_url(settings))
    yield House(db, FeatureStore(db, hot, FakeObjects()), hot, new_id(), Key(DEAL_SCORE, new_id()))
    await hot.close()


async def test_what_is_there_already_is_not_written_again(house: House) -> None:
    assert await house.write(house.row(0.5), house.row(0.6, NOW + DAY)) == 2
    assert await house.write(house.row(0.5), house.row(0.6, NOW + DAY)) == 0
    assert await house.history() == [(NOW, 0.5), (NOW + DAY, 0.6)]


async def test_a_correction_is_a_row_of_its_own(house: House, clock: VirtualClock) -> None:
    for step, probability in enumerate((0.5, 0.6, 0.5)):
        clock.advance(DAY * step)
        assert await house.write(house.row(probability)) == 1
    assert await house.history() == [(NOW, 0.5), (NOW, 0.6), (NOW, 0.5)]
    assert await house.probability() == 0.5


async def test_the_newest_is_that_of_the_latest_event_however_late_another_is_written(house: House) -> None:
    await house.write(house.row(0.7, NOW))
    assert await house.probability() == 0.7
    await house.write(house.row(0.2, NOW - DAY))
    assert await house.probability() == 0.7
    await house.write(house.row(0.9, NOW + DAY), house.row(0.1, NOW - 2 * DAY))
    assert await house.probability() == 0.9


async def test_of_one_moment_given_twice_the_last_counts(house: House) -> None:
    assert await house.write(house.row(0.1), house.row(0.2)) == 1
    assert await house.probability() == 0.2


async def test_values_that_do_not_fit_are_refused_and_nothing_is_written(house: House) -> None:
    with pytest.raises(Invalid):
        await house.write(house.row(0.5), house.row(1.5, NOW + DAY))
    assert await house.history() == []


async def test_what_was_undone_is_not_read(house: House) -> None:
    await house.write(house.row(0.5))
    assert await house.probability() == 0.5

    async def fail() -> None:
        async with house.db.tenant(house.tenant_id) as tx:
            await house.store.write(tx, [house.row(0.9, NOW + DAY)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await house.probability() == 0.5


async def test_before_the_commit_the_old_is_read_and_after_it_the_new(house: House) -> None:
    await house.write(house.row(0.5))
    async with house.db.tenant(house.tenant_id) as tx:
        await house.store.write(tx, [house.row(0.9, NOW + DAY)])
        assert await house.probability() == 0.5
    assert await house.probability() == 0.9


async def test_a_read_is_answered_by_the_cache_alone(house: House) -> None:
    await house.write(house.row(0.5))
    gone = FeatureStore(Database("postgresql://nobody@127.0.0.1:1/nothing"), house.hot, FakeObjects())
    assert await house.probability(gone) == 0.5
    key = Key(DEAL, new_id())
    assert await house.store.read(house.tenant_id, [key]) == [None]
    assert await gone.read(house.tenant_id, [key]) == [None], "that there is nothing is held as well"


async def test_without_the_cache_everything_is_read_from_the_database(house: House) -> None:
    hot = FakeHotValues()
    hot.away = True
    alone = FeatureStore(house.db, hot, FakeObjects())
    await house.write(house.row(0.5), store=alone)
    assert await house.probability(alone) == 0.5


async def test_a_write_while_the_cache_is_away_is_not_hidden_by_what_it_held(house: House) -> None:
    hot = FakeHotValues()
    store = FeatureStore(house.db, hot, FakeObjects())
    await house.write(house.row(0.5), store=store)
    assert await house.probability(store) == 0.5
    async with house.db.tenant(house.tenant_id) as tx:
        hot.away = True
        await store.write(tx, [house.row(0.9, NOW + DAY)])
        hot.away = False
    assert await house.probability(store) == 0.9


async def test_tenants_do_not_meet_in_the_cache(house: House) -> None:
    await house.write(house.row(0.5))
    assert await house.probability() == 0.5
    assert await house.store.read(new_id(), [house.key]) == [None]


async def test_many_at_once_write_one_row_each_moment_and_read_what_is_committed(house: House) -> None:
    """Writers of the same entities in different orders wait for each other and never for ever; readers in between see
    no step back."""
    others = [Key(DEAL_SCORE, new_id()) for _ in range(3)]

    async def writer(number: int) -> None:
        for step in range(5):
            rows = [house.row(step / 10, NOW + step * DAY, key) for key in (house.key, *others)]
            await house.write(*(rows if number % 2 else rows[::-1]))

    async def reader() -> Sequence[Stored | None]:
        return [(await house.store.read(house.tenant_id, [house.key]))[0] for _ in range(40)]

    _, _, _, seen, also = await asyncio.gather(writer(0), writer(1), writer(2), reader(), reader())
    for found in (seen, also):
        times = [one.event_at for one in found or [] if one is not None]
        assert times == sorted(times)
    assert len(await house.history()) == 5
    assert await house.probability() == 0.4
