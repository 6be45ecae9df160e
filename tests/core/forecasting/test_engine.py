"""A small model that was really trained: its odds, its reasons, and what happens with a bundle that cannot be used."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
import xgboost

from core.forecasting.engine import GLOBAL, ForecastEngine, ModelForecaster, pointer_key
from core.forecasting.features import NAMES, build
from core.kit.errors import BadAnswer
from tests.fakes.engines import FakeObjects
from training import recipes
from training.forecasting import Report, pack, train
from training.simulated_pipeline import SimulatedDeal, simulate

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
Row = dict[str, float | None]


@pytest.fixture(scope="module")
def deals() -> list[SimulatedDeal]:
    return simulate(deals=600, until=UNTIL, seed=11)


@pytest.fixture(scope="module")
def report(deals: list[SimulatedDeal]) -> Report:
    return train([deal.history for deal in deals], how=recipes.of("xgboost").changed({"rounds": 60}), on_ray=False)


@pytest.fixture(scope="module")
def rows(deals: list[SimulatedDeal]) -> list[Row]:
    return [build(deal.history, UNTIL) for deal in deals if deal.history.won is None]


@pytest.fixture(scope="module")
def engine(report: Report) -> ForecastEngine:
    return ForecastEngine(report.bundle, basis="tenant", version="3")


def unpacked(bundle: bytes) -> tuple[bytes, dict[str, Any]]:
    with zipfile.ZipFile(io.BytesIO(bundle)) as file:
        return file.read("model.ubj"), json.loads(file.read("meta.json"))


def with_meta(bundle: bytes, **changed: Any) -> bytes:
    model, meta = unpacked(bundle)
    return pack(model, {**meta, **changed})


def without(bundle: bytes, name: str) -> bytes:
    model, meta = unpacked(bundle)
    return pack(model, {key: value for key, value in meta.items() if key != name})


def test_every_prediction_is_within_its_interval(engine: ForecastEngine, rows: list[Row]) -> None:
    found = engine.predict(rows)
    assert len(found) == len(rows) > 20
    for told in found:
        assert 0 < told.low < told.probability < told.high < 1
        assert 0 <= told.days_low <= told.days_to_close <= told.days_high
        assert (told.model, told.version, told.basis) == ("forecasting", "3", "tenant")
    assert np.std([told.probability for told in found]) > 0.05


def test_the_reasons_sum_to_the_odds(engine: ForecastEngine, report: Report, rows: list[Row]) -> None:
    """What the reasons leave over is the same for every deal: the model's bias after calibration."""
    model, meta = unpacked(report.bundle)
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(model))
    values = np.array([[math.nan if row[name] is None else row[name] for name in NAMES] for row in rows], np.float32)
    matrix = xgboost.DMatrix(values, feature_names=list(NAMES))
    raw = booster.predict(matrix, output_margin=True)
    bias = float(booster.predict(matrix, pred_contribs=True)[0, -1])
    slope, shift = meta["calibration"]
    for row, margin, told in zip(rows, raw, engine.predict(rows), strict=True):
        odds = math.log(told.probability / (1 - told.probability))
        assert odds == pytest.approx(slope * float(margin) + shift, abs=1e-4)
        assert sum(r.impact for r in told.reasons) == pytest.approx(odds - (slope * bias + shift), abs=5e-3)
        assert {reason.feature: reason.value for reason in told.reasons} == row
        sizes = [abs(reason.impact) for reason in told.reasons]
        assert sizes == sorted(sizes, reverse=True)


def test_a_good_call_raises_the_odds(engine: ForecastEngine, rows: list[Row]) -> None:
    good = {"sentiment_last": 0.8, "sentiment_mean": 0.6, "unanswered_objections": 0.0, "next_step": 1.0}
    bad = {"sentiment_last": -0.8, "sentiment_mean": -0.6, "unanswered_objections": 3.0, "next_step": 0.0}
    better, worse = (engine.predict([{**row, **heard} for row in rows]) for heard in (good, bad))
    assert np.mean([b.probability - w.probability for b, w in zip(better, worse, strict=True)]) > 0.1


def test_no_rows_no_answers_and_unknown_features_are_allowed(engine: ForecastEngine) -> None:
    assert engine.predict([]) == []
    [told] = engine.predict([{}])
    assert told.low < told.probability < told.high


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "other features": (lambda b: with_meta(b, features=[*NAMES[1:], "shoe_size"]), "other features"),
    "features in another order": (lambda b: with_meta(b, features=list(reversed(NAMES))), "other features"),
    "no calibration": (lambda b: without(b, "calibration"), "lacks calibration"),
    "cut short": (lambda b: b[: len(b) // 2], "cannot be read"),
    "not a zip": (lambda _: b"rubbish", "cannot be read"),
    "nothing": (lambda _: b"", "cannot be read"),
    "a model of rubbish": (lambda b: pack(b"rubbish", unpacked(b)[1]), "cannot be read"),
}


@pytest.mark.parametrize(("spoil", "said"), BROKEN.values(), ids=BROKEN)
def test_a_bundle_that_cannot_be_used_is_refused(report: Report, spoil: Callable[[bytes], bytes], said: str) -> None:
    with pytest.raises(BadAnswer) as refused:
        ForecastEngine(spoil(report.bundle), basis="tenant", version="1")
    assert said in refused.value.detail


# ── the champion of a tenant, of all, or none ────────────────────────────────────────────────────────────────────────


class Shop:
    """A store with champions, and a forecaster over it whose tenants won 30 of 100."""

    def __init__(self, fresh_s: float = 0.0) -> None:
        self.objects = FakeObjects()
        self.forecaster = ModelForecaster(self.objects, base_rates=self._base_rates, most_tenants=2, fresh_s=fresh_s)

    async def _base_rates(self, tenant_id: UUID) -> Mapping[str, int]:
        return {"won": 30, "lost": 70}

    async def promote(self, scope: str, bundle: bytes, *, version: str = "1", sha256: str | None = None) -> None:
        await self.objects.put(f"models/{scope}/{version}.zip", bundle)
        pointer = {
            "key": f"models/{scope}/{version}.zip", "version": version,
            "sha256": sha256 or hashlib.sha256(bundle).hexdigest(),
        }  # fmt: skip
        await self.objects.put(pointer_key(scope), json.dumps(pointer).encode())

    async def basis(self, tenant_id: UUID, row: Row) -> tuple[str, str]:
        [told] = await self.forecaster.predict(tenant_id, [row])
        return told.basis, told.version


async def test_own_champion_then_global_then_base_rate(report: Report, rows: list[Row]) -> None:
    shop, tenant = Shop(), uuid4()
    [told] = await shop.forecaster.predict(tenant, rows[:1])
    assert (told.basis, told.version) == ("base_rate", "0")
    assert told.probability == pytest.approx(31 / 102)
    await shop.promote(GLOBAL, report.bundle)
    assert await shop.basis(tenant, rows[0]) == ("global", "1")
    await shop.promote(str(tenant), report.bundle, version="2")
    assert await shop.basis(tenant, rows[0]) == ("tenant", "2")
    assert await shop.basis(uuid4(), rows[0]) == ("global", "1")


async def test_a_champion_taken_back_is_served_no_more(report: Report, rows: list[Row]) -> None:
    shop, tenant = Shop(), uuid4()
    await shop.promote(str(tenant), report.bundle)
    assert await shop.basis(tenant, rows[0]) == ("tenant", "1")
    await shop.objects.delete(pointer_key(str(tenant)))
    assert await shop.basis(tenant, rows[0]) == ("base_rate", "0")


async def test_within_its_time_an_answer_is_not_looked_up_again(report: Report, rows: list[Row]) -> None:
    shop, tenant = Shop(fresh_s=3600), uuid4()
    assert await shop.basis(tenant, rows[0]) == ("base_rate", "0")
    await shop.promote(GLOBAL, report.bundle)
    assert await shop.basis(tenant, rows[0]) == ("base_rate", "0")


async def test_many_at_once_get_the_same_answer(report: Report, rows: list[Row]) -> None:
    shop, tenants = Shop(), [uuid4() for _ in range(4)]
    for number, tenant in enumerate(tenants):
        await shop.promote(str(tenant), report.bundle, version=str(number))
    found = await asyncio.gather(*(shop.basis(tenants[n % 4], rows[0]) for n in range(24)))
    assert found == [("tenant", str(n % 4)) for n in range(24)]


@pytest.mark.parametrize("spoil", [spoil for spoil, _ in BROKEN.values()], ids=BROKEN)
async def test_a_broken_champion_is_passed_over(
    report: Report, rows: list[Row], spoil: Callable[[bytes], bytes]
) -> None:
    shop, tenant = Shop(), uuid4()
    await shop.promote(str(tenant), spoil(report.bundle))
    assert await shop.basis(tenant, rows[0]) == ("base_rate", "0")
    await shop.promote(GLOBAL, report.bundle)
    assert await shop.basis(tenant, rows[0]) == ("global", "1")


async def test_a_bundle_that_is_not_the_registered_one_is_passed_over(report: Report, rows: list[Row]) -> None:
    shop = Shop()
    await shop.promote(GLOBAL, report.bundle, sha256="0" * 64)
    assert await shop.basis(uuid4(), rows[0]) == ("base_rate", "0")


@pytest.mark.parametrize("pointer", [b"", b"[]", b"{}", b"\xff", b'{"key": "x", "version": "1"}'])
async def test_a_pointer_that_cannot_be_read_is_passed_over(rows: list[Row], pointer: bytes) -> None:
    shop = Shop()
    await shop.objects.put(pointer_key(GLOBAL), pointer)
    assert await shop.basis(uuid4(), rows[0]) == ("base_rate", "0")


async def test_a_pointer_to_nothing_is_passed_over(report: Report, rows: list[Row]) -> None:
    shop = Shop()
    await shop.promote(GLOBAL, report.bundle)
    await shop.objects.delete(f"models/{GLOBAL}/1.zip")
    assert await shop.basis(uuid4(), rows[0]) == ("base_rate", "0")


async def test_more_tenants_than_memory_holds_are_still_answered(report: Report, rows: list[Row]) -> None:
    shop, tenants = Shop(), [uuid4() for _ in range(4)]
    for number, tenant in enumerate(tenants):
        await shop.promote(str(tenant), report.bundle, version=str(number))
    for _ in range(2):
        assert [await shop.basis(tenant, rows[0]) for tenant in tenants] == [("tenant", str(n)) for n in range(4)]


async def test_rows_are_answered_in_order(report: Report, rows: list[Row], engine: ForecastEngine) -> None:
    shop, tenant = Shop(), uuid4()
    await shop.promote(str(tenant), report.bundle, version="3")
    assert await shop.forecaster.predict(tenant, rows) == engine.predict(rows)
    assert [dataclasses.asdict(p)["basis"] for p in await shop.forecaster.predict(tenant, [])] == []
