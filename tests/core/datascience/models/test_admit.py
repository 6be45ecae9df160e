"""The whole way of a trained model: registered, judged against who answers today, promoted or refused, mirrored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from core.datascience.models import repository, versions
from core.datascience.models.admit import Admitted, admit
from core.datascience.models.evidence import Evidence, common, number, numbers
from core.datascience.models.gate import Cost
from core.datascience.models.pointers import CHAMPION, Scope
from core.kit.clock import VirtualClock
from core.kit.db import Database
from core.kit.errors import BadAnswer
from core.kit.ids import new_id
from tests.core.datascience.models.made import EVERYBODY, PASSED, new_tenant, registered, trained
from tests.fakes.engines import FakeObjects
from tests.fakes.runs import FakeRuns

DEALS = 300


class House:
    """Models of one world of deals: a bundle says of how many deals it knows the truth."""

    def __init__(self, db: Database) -> None:
        self.db, self.objects, self.runs = db, FakeObjects(), FakeRuns()
        rng = np.random.default_rng(1)
        self.truth = rng.beta(1.2, 1.8, DEALS)
        self.won = (rng.random(DEALS) < self.truth).astype(float)

    def said(self, bundle: bytes) -> Any:
        if bundle == b"broken":
            raise BadAnswer("The model's bundle cannot be read. Train it again.")
        knows = np.random.default_rng(2).random(DEALS) < float(bundle)
        return np.where(knows, self.truth, 0.4)

    async def admit(self, scope: Scope, bundle: bytes, **changed: Any) -> Admitted:
        said = self.said(bundle) if bundle != b"broken" else self.said(b"0.9")
        evidence = Evidence(np.arange(DEALS), np.arange(DEALS), self.won, said)
        cost = changed.pop("cost", Cost(1.0, 20.0))
        given = trained(bundle=bundle, evidence=evidence, **changed)
        return await admit(self.db, self.objects, self.runs, scope, given, base_rate=0.4, score=self.said, cost=cost)


@pytest.fixture
def house(db: Database) -> House:
    return House(db)


@pytest.fixture
async def tenant(db: Database) -> UUID:
    return await new_tenant(db)


async def test_better_ones_follow_each_other_and_worse_ones_wait(house: House, tenant: UUID) -> None:
    scope = Scope.of_tenant(tenant)
    name = versions.name_of("forecast", scope)
    statuses = []
    for bundle in (b"0.3", b"0.9", b"0.1"):
        admitted = await house.admit(scope, bundle)
        statuses.append(admitted.row.status)
    assert statuses == ["champion", "champion", "refused"]
    assert house.runs.aliases(name) == {"champion": 2}
    assert "may not" in house.runs.logged[name][2]["notes"]["verdict"]
    assert house.runs.logged[name][0]["metrics"]["auc"] == 0.8
    async with house.db.tenant(tenant) as tx:
        champion = await repository.bearer(tx, "forecast", scope, CHAMPION)
    assert champion is not None
    assert champion.version == 2
    assert champion.verdict is not None
    assert champion.verdict["passed"]


async def test_what_a_killed_job_left_is_retired_once_it_is_begun_again(
    house: House, tenant: UUID, clock: VirtualClock
) -> None:
    """A job that died between registering and judging: the same data and algorithm come again at once, and what else
    nobody judged within a day goes too."""
    scope, found = Scope.of_tenant(tenant), {}
    given = {"same": {}, "other data": {"fingerprint": "beef"}, "other algorithm": {"algorithm": "lightgbm"}}
    async with house.db.tenant(tenant) as tx:
        for number, (what, changed) in enumerate(given.items()):
            found[what] = (await registered(tx, house.objects, scope, 90 + number, **changed)).id

    async def statuses() -> list[str]:
        async with house.db.tenant(tenant) as tx:
            return [(await repository.version(tx, version_id)).status for version_id in found.values()]

    await house.admit(scope, b"0.3")
    assert await statuses() == ["retired", "candidate", "candidate"]
    clock.advance(versions.LEFT_AFTER + timedelta(seconds=1))
    assert (await house.admit(scope, b"0.9", fingerprint="new")).row.status == "champion"
    assert await statuses() == ["retired", "retired", "retired"]
    async with house.db.tenant(tenant) as tx:
        assert [one.action for one in await repository.changes(tx, found["same"])] == ["registered", "abandoned"]
        # The one who was believed dead comes with his verdict: it counts.
        assert (await versions.judge(tx, house.objects, found["same"], PASSED)).status == "champion"


async def test_what_was_judged_is_never_swept(house: House, tenant: UUID, clock: VirtualClock) -> None:
    scope = Scope.of_tenant(tenant)
    before = [(await house.admit(scope, bundle)).row for bundle in (b"0.9", b"0.1")]
    clock.advance(2 * versions.LEFT_AFTER)
    async with house.db.tenant(tenant) as tx:
        assert await versions.sweep(tx, scope) == 0
        assert [(await repository.version(tx, row.id)).status for row in before] == ["champion", "refused"]


async def test_a_tenants_first_model_has_to_beat_the_one_for_all(house: House, tenant: UUID) -> None:
    general = await house.admit(EVERYBODY, b"0.8")
    assert general.against is None
    own = await house.admit(Scope.of_tenant(tenant), b"0.3")
    assert own.against is not None
    assert own.against.id == general.row.id
    assert own.row.status == "refused"


async def test_a_champion_that_cannot_be_used_gives_way(house: House, tenant: UUID) -> None:
    scope = Scope.of_tenant(tenant)
    assert (await house.admit(scope, b"broken")).row.status == "champion"
    after = await house.admit(scope, b"0.5")
    assert after.row.status == "champion"
    assert {check.name for check in after.verdict.checks} >= {"better_than_base_rate"}


async def test_one_that_became_champion_meanwhile_has_to_be_beaten_too(house: House, tenant: UUID) -> None:
    scope = Scope.of_tenant(tenant)
    asked: list[bytes] = []
    await house.admit(scope, b"0.3")

    async with house.db.tenant(tenant) as tx:
        best = await versions.register(
            tx, house.objects, scope, trained(bundle=b"1.0"), version=99, run_id="elsewhere"
        )  # fmt: skip

    class Late(FakeObjects):
        """While the first comparison runs, somebody else promotes the best."""

        async def get(self, key: str) -> bytes:
            found = await house_objects.get(key)
            if not asked and key.endswith(".bundle"):
                asked.append(found)
                async with house.db.tenant(tenant) as tx:
                    await versions.promote(tx, house_objects, best.id, force=True)
            return found

        async def put(self, key: str, data: Any) -> None:
            await house_objects.put(key, data)

    house_objects = house.objects
    house.objects = Late()
    admitted = await house.admit(scope, b"0.6")
    assert asked == [b"0.3"]
    assert admitted.against is not None
    assert admitted.against.id == best.id
    assert admitted.row.status == "refused"


async def test_what_was_not_measured_is_refused(house: House, tenant: UUID) -> None:
    admitted = await house.admit(Scope.of_tenant(tenant), b"0.9", cost=None)
    assert admitted.row.status == "refused"
    assert {c.name for c in admitted.verdict.checks if not c.passed} == {"fast_enough", "small_enough"}


def test_evidence_travels_and_meets_on_common_rows() -> None:
    deals = [new_id() for _ in range(6)]
    from tests.conftest import NOW

    row, deal = numbers(deals, [NOW] * 6)
    assert number(deals[0]) == deal[0]
    assert len(set(row)) == 6
    said = np.linspace(0.1, 0.9, 6)
    whole = Evidence(row, deal, np.ones(6), said)
    again = Evidence.from_bytes(whole.to_bytes())
    assert (again.row == row).all()
    assert (again.said == said).all()
    part = Evidence(row[[4, 2, 1]], deal[[4, 2, 1]], np.ones(3), np.array([0.0, 0.5, 1.0]))
    met = common(whole, part)
    pairs = {(int(d), float(a), float(b)) for d, a, b in zip(met.deal, met.a, met.b, strict=True)}
    assert pairs == {
        (int(deal[4]), float(said[4]), 0.0), (int(deal[2]), float(said[2]), 0.5), (int(deal[1]), float(said[1]), 1.0),
    }  # fmt: skip
    for rubbish in (b"", b"no archive"):
        with pytest.raises(BadAnswer):
            Evidence.from_bytes(rubbish)
