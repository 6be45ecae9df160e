"""Whose model answers, what happens to those that cannot, and how many are held."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.datascience.models.bundle import pack
from core.datascience.models.pointers import CHALLENGER, CHAMPION, Alias, Pointer, Scope, pointer_key
from core.datascience.predictions.engine import PredictionEngine
from core.datascience.predictions.held import WARM_AFTER
from core.datascience.predictions.log import Logged, PredictionLog
from core.datascience.predictions.served import Served
from core.kit.clock import VirtualClock
from core.kit.errors import Invalid, Unavailable
from core.ports import Question
from tests.conftest import NOW
from tests.fakes import models
from tests.fakes.engines import FakeObjects

X, Y = models.data(600)
LINE = {"kind": "platt", "curve": [1.0, 0.0], "slope": 1.0, "shift": 0.0}
FILES = models.xgboost(X, Y, rounds=10)
ROW = Question(dict.fromkeys(models.NAMES, 0.5), segment="smb")
GLOBAL, SMB = Scope.everybody(), Scope.of_segment("smb")


def bundle(context: str = "forecast", **more: Any) -> bytes:
    return pack(models.meta("xgboost", calibration=LINE, context=context, **more), FILES)


BUNDLE = bundle()
NBYTES = Served(BUNDLE, basis="tenant", version="1").nbytes


class Book(PredictionLog):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.rows: list[Logged] = []

    def add(self, rows: Any) -> None:
        self.rows += rows

    async def close(self) -> None:
        return None


class Store(FakeObjects):
    """Counts what is read; can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.away = False

    async def get(self, key: str) -> bytes:
        self.reads += 1
        if self.away:
            raise Unavailable("The store does not answer.")
        return await super().get(key)


class Shop:
    """A store with models, and an engine over it whose tenants won 30 of 100."""

    def __init__(self, fresh_s: float = 0.0, most_bytes: int = 1 << 30) -> None:
        self.objects, self.log = Store(), Book()
        self.engine = PredictionEngine(
            self.objects, base_rates=self._base_rates, clock=VirtualClock(NOW), known=frozenset(models.NAMES),
            log=self.log, fresh_s=fresh_s, most_bytes=most_bytes,
        )  # fmt: skip

    async def _base_rates(self, tenant_id: UUID) -> Mapping[str, int]:
        return {"won": 30, "lost": 70}

    async def promote(
        self, scope: Scope, raw: bytes = BUNDLE, *, version: int = 1, sha256: str | None = None,
        context: str = "forecast", alias: Alias = CHAMPION, share: float = 0.0,
    ) -> None:  # fmt: skip
        key = f"models/{scope.name}/{version}.bundle"
        await self.objects.put(key, raw)
        pointer = Pointer(version, key, sha256 or hashlib.sha256(raw).hexdigest(), share)
        await self.objects.put(pointer_key(context, scope, alias), pointer.to_json())

    async def basis(self, tenant_id: UUID, row: Question = ROW, context: str = "forecast") -> tuple[str, str]:
        [told] = await self.engine.predict(tenant_id, [row], context=context)
        return told.basis, told.version


def own(tenant_id: UUID) -> Scope:
    return Scope.of_tenant(tenant_id)


async def test_tenant_then_segment_then_global_then_base_rate() -> None:
    shop, tenant = Shop(), uuid4()
    [told] = await shop.engine.predict(tenant, [ROW])
    assert (told.basis, told.model, told.version) == ("base_rate", "base_rate", "0")
    assert told.probability == pytest.approx(31 / 102)
    await shop.promote(GLOBAL)
    assert await shop.basis(tenant) == ("global", "1")
    await shop.promote(SMB, version=2)
    assert await shop.basis(tenant) == ("segment", "2")
    assert await shop.basis(tenant, Question(ROW.features, segment="enterprise")) == ("global", "1")
    assert await shop.basis(tenant, Question(ROW.features, segment="SMB")) == ("segment", "2")
    assert await shop.basis(tenant, Question(ROW.features, segment="../smb")) == ("global", "1")
    await shop.promote(own(tenant), version=3)
    assert await shop.basis(tenant) == ("tenant", "3")
    assert await shop.basis(uuid4()) == ("segment", "2")


async def test_rows_of_several_segments_are_answered_in_order() -> None:
    shop, tenant = Shop(), uuid4()
    await shop.promote(GLOBAL)
    await shop.promote(SMB, version=2)
    rows = [Question({**ROW.features, "size": n / 10}, segment="smb" if n % 3 else None) for n in range(20)]
    found = await shop.engine.predict(tenant, rows)
    assert [told.basis for told in found] == ["segment" if n % 3 else "global" for n in range(20)]
    one_by_one = [(await shop.engine.predict(tenant, [row]))[0] for row in rows]
    assert found == one_by_one
    assert await shop.engine.predict(tenant, []) == []


@pytest.mark.parametrize(("context", "basis", "odds"), [
    ("forecast", "base_rate", 31 / 102), ("risk", "base_rate", 71 / 102), ("followup", "rule", 0.5),
    ("simulation", "rule", 0.5),
])  # fmt: skip
async def test_each_context_has_its_own_models_and_fallback(context: str, basis: str, odds: float) -> None:
    shop, tenant = Shop(), uuid4()
    [told] = await shop.engine.predict(tenant, [ROW], context=context)
    assert (told.basis, told.context) == (basis, context)
    assert told.probability == pytest.approx(odds)
    assert told.low < told.probability < told.high
    for other in ("forecast", "risk", "followup", "simulation"):
        if other != context:
            await shop.promote(GLOBAL, bundle(other), context=other)
    assert await shop.basis(tenant, context=context) == (basis, "0")
    await shop.promote(GLOBAL, bundle(context), context=context, version=5)
    assert await shop.basis(tenant, context=context) == ("global", "5")


async def test_a_context_that_is_none_is_refused() -> None:
    with pytest.raises(Invalid, match="no such context"):
        await Shop().engine.predict(uuid4(), [ROW], context="weather")


async def test_a_champion_taken_back_is_served_no_more() -> None:
    shop, tenant = Shop(), uuid4()
    await shop.promote(own(tenant))
    assert await shop.basis(tenant) == ("tenant", "1")
    await shop.objects.delete(pointer_key("forecast", own(tenant), CHAMPION))
    assert await shop.basis(tenant) == ("base_rate", "0")


async def test_within_its_time_an_answer_is_not_looked_up_again() -> None:
    shop, tenant = Shop(fresh_s=3600), uuid4()
    assert await shop.basis(tenant) == ("base_rate", "0")
    await shop.promote(GLOBAL)
    reads = shop.objects.reads
    assert await shop.basis(tenant) == ("base_rate", "0")
    assert shop.objects.reads == reads


async def test_many_at_once_share_one_look() -> None:
    shop, tenants = Shop(fresh_s=3600), [uuid4() for _ in range(4)]
    for number, tenant in enumerate(tenants):
        await shop.promote(own(tenant), version=number)
    found = await asyncio.gather(*(shop.basis(tenants[n % 4]) for n in range(40)))
    assert found == [("tenant", str(n % 4)) for n in range(40)]
    assert shop.objects.reads == 4 * 2 + 4  # pointer and bundle, and no challenger


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "other features": lambda _: pack(models.meta("xgboost", (*models.NAMES[1:], "shoe_size"), calibration=LINE), FILES),
    "no calibration": lambda _: pack(models.meta("xgboost"), FILES),
    "cut short": lambda raw: raw[: len(raw) // 2],
    "not a zip": lambda _: b"rubbish",
    "nothing": lambda _: b"",
    "a model of rubbish": lambda _: pack(models.meta("xgboost", calibration=LINE), {"model.ubj": b"x"}),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_broken_champion_is_passed_over(case: str) -> None:
    shop, tenant = Shop(), uuid4()
    await shop.promote(own(tenant), BROKEN[case](BUNDLE))
    assert await shop.basis(tenant) == ("base_rate", "0")
    await shop.promote(GLOBAL)
    assert await shop.basis(tenant) == ("global", "1")


async def test_a_bundle_that_is_not_the_registered_one_is_passed_over() -> None:
    shop = Shop()
    await shop.promote(GLOBAL, sha256="0" * 64)
    assert await shop.basis(uuid4()) == ("base_rate", "0")


@pytest.mark.parametrize("pointer", [b"", b"[]", b"{}", b"\xff", b'{"key": "x", "version": "1"}'])
async def test_a_pointer_that_cannot_be_read_is_passed_over(pointer: bytes) -> None:
    shop = Shop()
    await shop.objects.put(pointer_key("forecast", GLOBAL, CHAMPION), pointer)
    assert await shop.basis(uuid4()) == ("base_rate", "0")


async def test_a_pointer_to_nothing_is_passed_over_until_it_comes() -> None:
    shop = Shop()
    await shop.promote(GLOBAL)
    await shop.objects.delete("models/global/1.bundle")
    assert await shop.basis(uuid4()) == ("base_rate", "0")
    await shop.objects.put("models/global/1.bundle", BUNDLE)
    assert await shop.basis(uuid4()) == ("global", "1")


async def test_while_the_store_is_away_what_is_held_answers() -> None:
    shop, tenant = Shop(), uuid4()
    shop.objects.away = True
    with pytest.raises(Unavailable):
        await shop.basis(tenant)
    shop.objects.away = False
    await shop.promote(own(tenant))
    assert await shop.basis(tenant) == ("tenant", "1")
    shop.objects.away = True
    assert await shop.basis(tenant) == ("tenant", "1")


async def test_memory_is_bounded_by_bytes() -> None:
    shop, tenants = Shop(fresh_s=3600, most_bytes=3 * NBYTES + 20_000), [uuid4() for _ in range(6)]
    for number, tenant in enumerate(tenants):
        await shop.promote(own(tenant), version=number)
    for _ in range(2):
        assert [await shop.basis(tenant) for tenant in tenants] == [("tenant", str(n)) for n in range(6)]
        use = shop.engine.use()
        assert use.models == 3
        assert 3 * NBYTES <= use.held_bytes <= 3 * NBYTES + 20_000
    for _ in range(10):
        await shop.basis(tenants[-1])
    assert shop.engine.use().evictions > use.evictions - 1 >= 3
    assert shop.engine.use().hits - use.hits == 20  # champion, and no challenger, ten times


async def test_a_model_that_is_asked_often_is_made_ready_and_counted() -> None:
    shop, tenant = Shop(fresh_s=3600), uuid4()
    await shop.promote(own(tenant))
    first = (await shop.engine.predict(tenant, [ROW]))[0]
    seldom = shop.engine.use().held_bytes
    for _ in range(WARM_AFTER + 1):
        await shop.engine.predict(tenant, [ROW])
    await shop.engine.predict(tenant, [ROW] * 10)  # on the same thread, hence after it
    await asyncio.sleep(0)
    assert shop.engine.use().held_bytes > seldom + 10_000
    [told] = await shop.engine.predict(tenant, [ROW])
    assert told.probability == pytest.approx(first.probability, abs=1e-6)
    assert [reason.feature for reason in told.reasons[:2]] == [reason.feature for reason in first.reasons[:2]]


async def test_a_model_larger_than_the_bound_is_served_alone() -> None:
    shop, tenants = Shop(fresh_s=3600, most_bytes=NBYTES // 2), [uuid4(), uuid4()]
    for tenant in tenants:
        await shop.promote(own(tenant))
        assert await shop.basis(tenant) == ("tenant", "1")
    assert shop.engine.use().models <= 1


async def test_unknown_features_are_refused_where_it_is_asked_for() -> None:
    shop, tenant = Shop(), uuid4()
    odd = [ROW, Question({**ROW.features, "shoe_size": 44.0})]
    for _ in range(2):
        with pytest.raises(Invalid, match="shoe_size"):
            await shop.engine.predict(tenant, odd, strict=True)
        assert len(await shop.engine.predict(tenant, odd)) == 2
        await shop.promote(GLOBAL)


# ── challengers, and the log ─────────────────────────────────────────────────────────────────────────────────────────


async def test_every_answer_is_logged_with_its_input() -> None:
    shop, tenant = Shop(), uuid4()
    [told] = await shop.engine.predict(tenant, [ROW], source="http")
    await shop.promote(GLOBAL)
    [other] = await shop.engine.predict(tenant, [ROW], source="http")
    assert [(row.answer, row.question, row.tenant_id, row.source, row.role) for row in shop.log.rows] == [
        (told, ROW, tenant, "http", "champion"), (other, ROW, tenant, "http", "champion"),
    ]  # fmt: skip
    assert all(row.at == NOW and row.latency_ms > 0 for row in shop.log.rows)


async def test_a_challenger_answers_its_share_of_the_deals_and_always_the_same() -> None:
    shop, tenant = Shop(), uuid4()
    await shop.promote(own(tenant))
    await shop.promote(own(tenant), version=2, alias=CHALLENGER, share=0.3)
    rows = [Question(ROW.features, deal_id=uuid4()) for _ in range(400)]
    first = [told.version for told in await shop.engine.predict(tenant, rows)]
    assert 0.2 < first.count("2") / 400 < 0.4
    assert [told.version for told in await shop.engine.predict(tenant, rows)] == first
    assert {(row.answer.version, row.role) for row in shop.log.rows} == {("1", "champion"), ("2", "challenger")}
    assert [row.question.deal_id for row in shop.log.rows if row.role == "challenger"][: first.count("2")] == [
        row.deal_id for row, version in zip(rows, first, strict=True) if version == "2"
    ]
    assert await shop.basis(tenant) == ("tenant", "1")  # no deal, no side


async def test_a_shadow_is_logged_and_not_heard() -> None:
    shop, tenant = Shop(), uuid4()
    await shop.promote(own(tenant))
    await shop.promote(own(tenant), version=2, alias=CHALLENGER)
    assert await shop.basis(tenant) == ("tenant", "1")
    await shop.engine.close()
    assert [(row.answer.version, row.role) for row in shop.log.rows] == [("1", "champion"), ("2", "shadow")]
