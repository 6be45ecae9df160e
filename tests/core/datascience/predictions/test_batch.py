"""Many rows as columns: the answers of one by one, each by its tenant's and segment's model, in the given order."""

from __future__ import annotations

from uuid import UUID, uuid4

import numpy as np
import pytest

from cluster.scoring import Worker
from core.datascience.models.pointers import Scope
from core.datascience.predictions.batch import BatchScorer, Columns
from core.datascience.predictions.log import PredictionLog
from core.kit.clock import VirtualClock
from core.kit.db import Database
from core.kit.errors import BadInput
from core.ports import Question
from tests.conftest import NOW
from tests.core.datascience.predictions.test_engine import GLOBAL, SMB, Shop, X, bundle
from tests.core.datascience.predictions.test_log import found as logged
from tests.fakes import models
from tests.support import Api, sign_up

ROWS = 40


def table(*tenants: UUID) -> Columns:
    columns: Columns = {name: X[:ROWS, place].astype(np.float64) for place, name in enumerate(models.NAMES)}
    columns["tenant_id"] = np.array([str(tenants[n % len(tenants)]) for n in range(ROWS)])
    columns["segment"] = np.array(["smb" if n % 3 else "" for n in range(ROWS)])
    columns["note"] = np.array([f"row {n}" for n in range(ROWS)])
    return columns


def questions(columns: Columns) -> list[Question]:
    return [
        Question({n: None if np.isnan(v := columns[n][row]) else float(v) for n in models.NAMES},
                 segment=str(columns["segment"][row]) or None)
        for row in range(ROWS)
    ]  # fmt: skip


async def test_a_table_is_answered_as_its_rows_one_by_one() -> None:
    shop, tenants = Shop(), [uuid4(), uuid4()]
    tables = {
        "interval": {"edges": [0.5], "evidence": [30.0, 40.0], "drift": 0.1},
        "days": {"by": "rank", "edges": [0.0], "low": [3.0, 9.0], "middle": [20.0, 40.0], "high": [50.0, 99.0]},
    }  # fmt: skip
    await shop.promote(GLOBAL, bundle(**tables))
    await shop.promote(SMB, bundle(**tables), version=2)
    await shop.promote(Scope.of_tenant(tenants[1]), bundle(), version=3)
    given = table(*tenants)
    told = await BatchScorer(shop.engine, VirtualClock(NOW), context="forecast", reasons=3).score(given)
    assert set(told["version"]) == {"1", "2", "3"}
    for row, question in enumerate(questions(given)):
        [one] = await shop.engine.predict(tenants[row % 2], [question])
        assert (told["version"][row], told["basis"][row], told["model"][row]) == (one.version, one.basis, one.model)
        for column, name in (
            ("probability", "probability"),
            ("low", "low"),
            ("high", "high"),
            ("days", "days_to_close"),
        ):
            assert told[column][row] == pytest.approx(getattr(one, name))
        assert told["note"][row] == f"row {row}"
        strongest = [(told[f"reason_{n}"][row], told[f"impact_{n}"][row]) for n in (1, 2, 3)]
        assert strongest == [(reason.feature, pytest.approx(reason.impact)) for reason in one.reasons[:3]]
        assert told["outside"][row] == ",".join(one.outside)


async def test_without_a_model_the_table_says_so() -> None:
    given = table(uuid4())
    told = await BatchScorer(Shop().engine, VirtualClock(NOW), context="risk", reasons=1).score(given)
    assert set(told["basis"]) == {"base_rate"}
    assert set(told["probability"]) == {71 / 102}
    assert set(told["reason_1"]) == {""}


async def test_what_a_table_lacks_is_unknown() -> None:
    shop, tenant = Shop(), uuid4()
    await shop.promote(GLOBAL)
    given = {"tenant_id": np.array([str(tenant)]), "size": np.array([1.0])}
    told = await BatchScorer(shop.engine, VirtualClock(NOW), context="forecast", reasons=0).score(given)
    [one] = await shop.engine.predict(tenant, [Question({"size": 1.0})])
    assert told["probability"][0] == pytest.approx(one.probability)


async def test_each_row_is_logged(db: Database, api: Api) -> None:
    shop, tenant, deal = Shop(), UUID((await sign_up(api, "acme"))["tenant_id"]), uuid4()
    await shop.promote(GLOBAL)
    given = table(tenant)
    given["deal_id"] = np.array([str(deal) if n == 0 else "" for n in range(ROWS)])
    told = await BatchScorer(
        shop.engine, VirtualClock(NOW), context="forecast", reasons=2, log=PredictionLog(db)
    ).score(given)  # fmt: skip
    rows = await logged(db, tenant, source="batch")
    assert sorted(row.probability for row in rows) == pytest.approx(sorted(told["probability"]))
    [mine] = [row for row in rows if row.deal_id == deal]
    assert set(mine.input["features"]) == set(models.NAMES)
    assert list(mine.output["reasons"]) == [told["reason_1"][0], told["reason_2"][0]]


async def test_a_deal_that_is_none_is_refused(db: Database) -> None:
    scorer = BatchScorer(Shop().engine, VirtualClock(NOW), context="forecast", reasons=0, log=PredictionLog(db))
    with pytest.raises(BadInput, match="no UUID"):
        await scorer.score({"tenant_id": np.array([str(uuid4())]), "deal_id": np.array(["seven"])})


def test_a_worker_answers_batch_after_batch() -> None:
    tenant = uuid4()
    make = lambda: BatchScorer(Shop().engine, VirtualClock(NOW), context="forecast", reasons=0)  # noqa: E731
    worker = Worker(make, str(tenant))
    rows = {"size": np.array([1.0, 2.0])}
    for _ in range(2):
        assert worker(rows)["basis"].tolist() == ["base_rate", "base_rate"]
