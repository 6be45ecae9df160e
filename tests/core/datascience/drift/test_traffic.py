"""Versions, the engine that serves them, its log and what drift reads of it, put together as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core.datascience.drift import live, repository
from core.datascience.models import versions
from core.datascience.models.bundle import pack, unpack
from core.datascience.models.calibration import Calibration
from core.datascience.models.pointers import Scope
from core.datascience.predictions.engine import PredictionEngine
from core.datascience.predictions.log import PredictionLog
from core.kit.clock import VirtualClock
from core.ports import Question
from tests.core.datascience.drift.made import NAMES, bundle, cases
from tests.core.datascience.models.made import PASSED, registered
from tests.support import Api, Client


def steep(slope: float) -> bytes:
    plain = unpack(bundle())
    meta = plain.meta.model_copy(update={"calibration": Calibration("platt", (slope, 0.0)).to_json()})
    return pack(meta, plain.files)


class House:
    """One tenant, its models, and an engine that looks at the pointers each time."""

    def __init__(self, api: Api, client: Client, tenant_id: UUID) -> None:
        self.db, self.objects, self.client, self.tenant_id = api.services.db, api.services.objects, client, tenant_id
        assert isinstance(api.services.clock, VirtualClock)
        self.clock = api.services.clock
        self.scope = Scope.of_tenant(tenant_id)
        self.log = PredictionLog(self.db, within_s=0.0)
        self.engine = PredictionEngine(
            self.objects, base_rates=self._base_rates, clock=self.clock, known=frozenset(NAMES), log=self.log,
            fresh_s=0.0,
        )  # fmt: skip

    async def _base_rates(self, tenant_id: UUID) -> Mapping[str, int]:
        return {"won": 30, "lost": 70}

    async def register(self, version: int, slope: float) -> Any:
        async with self.db.tenant(self.tenant_id) as tx:
            return await registered(tx, self.objects, self.scope, version, PASSED, bundle=steep(slope))

    async def served(self) -> str:
        """By which version the tenant is answered."""
        [told] = await self.engine.predict(self.tenant_id, [Question({"days_open": 10.0, "meetings": 2.0})])
        return f"{told.basis} {told.version}"


@pytest.fixture
async def house(api: Api, ana: Client) -> AsyncIterator[House]:
    tenant_id = UUID((await ana.get("/v1/me")).json()["tenant_id"])
    house = House(api, ana, tenant_id)
    yield house
    await house.engine.close()


async def test_serving_follows_promotion_and_rollback(house: House) -> None:
    assert await house.served() == "base_rate 0"
    await house.register(1, 1.0)
    assert await house.served() == "tenant 1"
    two = await house.register(2, 1.0)
    assert await house.served() == "tenant 2"
    for expected in ("tenant 1", "tenant 1"):
        async with house.db.tenant(house.tenant_id) as tx:
            await versions.roll_back(tx, house.objects, two.id)
        assert await house.served() == expected


async def test_the_shadow_is_met_by_its_champion_once_outcomes_are_known(house: House) -> None:
    one, two = await house.register(1, 6.0), await house.register(2, 1.0)
    async with house.db.tenant(house.tenant_id) as tx:
        await versions.challenge(tx, house.objects, one.id)
        deals = await cases(tx, 6, closed=False)
    questions = [Question(case.features, segment="smb", deal_id=case.id) for case in deals]
    told = await house.engine.predict(house.tenant_id, questions)
    assert {answer.version for answer in told} == {"2"}
    await house.engine.close()
    house.clock.advance(timedelta(minutes=10))
    for case in deals[:4]:
        stage = "closed_won" if case.won else "closed_lost"
        assert (await house.client.patch(f"/v1/deals/{case.id}", json={"stage": stage})).status_code == 200
    async with house.db.tenant(house.tenant_id) as tx:
        found = await live.standing(tx, one.id)
        since = house.clock.now() - timedelta(days=1)
        told_by = [await repository.answers(tx, row, role, since) for row, role in ((two, "champion"), (one, "shadow"))]
        seen = await repository.outcomes(tx, two, since)
        asked = await repository.newest_inputs(tx, two, since)
    assert found.standing.outcomes == 4
    pairs = live.paired_up(*told_by)
    assert len(pairs) == len(seen) == 4
    assert len(asked) == 6
    by_deal = {case.id: answer.probability for case, answer in zip(deals, told, strict=True)}
    assert {(pair.deal_id, pair.champion) for pair in pairs} == {(case.id, by_deal[case.id]) for case in deals[:4]}
    assert all(pair.challenger != pair.champion for pair in pairs)
    assert {(case.id, case.won) for case in deals[:4]} == {(pair.deal_id, pair.won) for pair in pairs}


async def test_of_split_traffic_each_deal_is_logged_for_one_of_the_two(house: House) -> None:
    one, two = await house.register(1, 2.0), await house.register(2, 1.0)
    async with house.db.tenant(house.tenant_id) as tx:
        await versions.challenge(tx, house.objects, one.id, share=0.5)
        deals = await cases(tx, 40, closed=False)
    questions = [Question(case.features, segment="smb", deal_id=case.id) for case in deals]
    told = await house.engine.predict(house.tenant_id, questions)
    again = await house.engine.predict(house.tenant_id, questions)
    assert [answer.version for answer in told] == [answer.version for answer in again]
    await house.engine.close()
    async with house.db.tenant(house.tenant_id) as tx:
        since = house.clock.now() - timedelta(days=1)
        sizes = [len(await repository.newest_inputs(tx, row, since)) for row in (one, two)]
    assert sum(sizes) == 40
    assert min(sizes) > 8
