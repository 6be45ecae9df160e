"""Every prediction leaves a row: behind the answer, in bounded room, and nothing is lost in silence."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.datascience.predictions import repository
from core.datascience.predictions.fallback import base_rate
from core.datascience.predictions.log import Logged, PredictionLog
from core.kit.clock import VirtualClock
from core.kit.db import Database
from core.kit.pages import PageRequest
from core.ports import Question
from tests.conftest import NOW
from tests.support import Api, Client, new_deal, sign_up

EVERYTHING = PageRequest(limit=200, before=None)


def made(tenant_id: UUID, number: int = 0, **more: Any) -> Logged:
    question = Question({"size": float(number), "age": None}, segment="smb")
    values = {"source": "http", "role": "champion", "latency_ms": 1.0, "at": NOW, **more}
    return Logged(tenant_id=tenant_id, question=question, answer=base_rate(number, 5), **values)


async def found(db: Database, tenant_id: UUID, **wanted: Any) -> list[Any]:
    async with db.tenant(tenant_id) as tx:
        return await repository.rows(tx, EVERYTHING, repository.Wanted(**wanted))


@pytest.fixture
async def tenants(api: Api) -> list[UUID]:
    return [UUID((await sign_up(api, slug, email=f"a@{slug}.example"))["tenant_id"]) for slug in ("one", "two")]


async def test_rows_are_written_behind_the_answer_with_their_input(db: Database, tenants: list[UUID]) -> None:
    book = PredictionLog(db, within_s=0.01)
    rows = [made(tenants[n % 2], n) for n in range(30)]
    book.add(rows)
    assert book.state().waiting == 30, "nothing is written before the caller goes on"
    await book.close()
    assert (book.state().written, book.state().waiting, book.state().dropped) == (30, 0, 0)
    for place, tenant in enumerate(tenants):
        kept = await found(db, tenant)
        assert [row.id for row in kept] == [row.id for row in reversed(rows) if row.tenant_id == tenant]
        for row, told in zip(reversed(kept), rows[place::2], strict=True):
            assert (row.probability, row.basis) == (told.answer.probability, "base_rate")
            assert row.input == {"features": {"size": told.question.features["size"], "age": None}, "segment": "smb"}
            assert row.output["low"] == told.answer.low


async def test_the_writer_comes_by_itself(db: Database, tenants: list[UUID]) -> None:
    book = PredictionLog(db, within_s=0.001)
    for number in range(5):
        book.add([made(tenants[0], number)])
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))
    assert len(await found(db, tenants[0])) == 5


async def test_what_finds_no_room_is_counted(db: Database, tenants: list[UUID]) -> None:
    book = PredictionLog(db, most_waiting=10)
    book.add([made(tenants[0], n) for n in range(8)])
    book.add([made(tenants[0], n) for n in range(8)])
    assert (book.state().waiting, book.state().dropped) == (10, 6)
    await book.close()
    assert (book.state().written, book.state().dropped) == (10, 6)


async def test_a_database_that_stays_away_costs_the_rows_and_says_so(tenants: list[UUID]) -> None:
    book = PredictionLog(Database("postgresql://nobody@127.0.0.1:1/nothing"))
    book.add([made(tenants[0], n) for n in range(7)])
    await book.close()
    assert (book.state().written, book.state().waiting, book.state().dropped) == (0, 0, 7)


class Flaky(Database):
    """Loses its connection after the commit, now and then: nobody knows whether it took place."""

    failures = 2

    def tenant(self, tenant_id: UUID) -> Any:
        whole = super().tenant(tenant_id)
        if self.failures:
            self.failures -= 1
            return _Lost(whole)
        return whole


class _Lost:
    def __init__(self, whole: Any) -> None:
        self._whole = whole

    async def __aenter__(self) -> Any:
        return await self._whole.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        await self._whole.__aexit__(*error)
        raise ConnectionError("the answer was lost")


async def test_what_was_written_already_is_written_once(db: Database, tenants: list[UUID]) -> None:
    book = PredictionLog(Flaky(db.url), within_s=0.001)
    book.add([made(tenants[0], n) for n in range(4)])
    await book.close()
    assert book.state().waiting == 0
    assert len(await found(db, tenants[0])) == 4


async def test_rows_are_found_by_what_they_say(db: Database, tenants: list[UUID]) -> None:
    deal, book = uuid4(), PredictionLog(db)
    later = NOW + timedelta(hours=1)
    book.add([made(tenants[0]), made(tenants[0], source="stream", at=later), made(tenants[0], role="shadow")])
    await book.close()
    asked: list[tuple[dict[str, Any], int]] = [
        ({"source": "stream"}, 1), ({"role": "shadow"}, 1), ({"basis": "base_rate"}, 3), ({"basis": "tenant"}, 0),
        ({"since": later}, 1), ({"until": later}, 2), ({"context": "risk"}, 0), ({"deal_id": deal}, 0),
        ({"model": "base_rate", "version": "0"}, 3), ({"outside": True}, 0), ({"outside": False}, 3),
    ]  # fmt: skip
    for wanted, count in asked:
        assert len(await found(db, tenants[0], **wanted)) == count, wanted


async def test_nobody_changes_a_row(db: Database, tenants: list[UUID]) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import ProgrammingError

    with pytest.raises(ProgrammingError, match="permission denied"):
        async with db.tenant(tenants[0]) as tx:
            await tx.session.execute(text("UPDATE prediction_logs SET probability = 1"))


async def test_old_rows_go_when_their_time_is_over(api: Api, ana: Client, clock: VirtualClock) -> None:
    from core.privacy.retention import Stores, retain

    tenant = api.services.tokens.check(ana.token).tenant_id
    book = PredictionLog(api.services.db)
    book.add([made(tenant, at=NOW - timedelta(days=800)), made(tenant)])
    await book.close()
    stores = Stores(api.services.objects, api.services.features)
    assert await retain(api.services.db, stores) == {"predictions": 1}
    assert len(await found(api.services.db, tenant)) == 1


async def test_a_persons_copy_holds_what_was_predicted_of_his_deals(api: Api, ana: Client) -> None:
    from core.privacy import repository as privacy
    from core.privacy.model import PersonRequest
    from core.privacy.register import REGISTER

    account = (await ana.post("/v1/accounts", json={"name": "A"})).json()
    person = {"account_id": account["id"], "name": "Zélia Duarte", "email": "z@a.example"}
    contact = (await ana.post("/v1/contacts", json=person)).json()["id"]
    deal = await new_deal(ana, contact_id=contact, account_id=account["id"])
    tenant = api.services.tokens.check(ana.token).tenant_id
    book = PredictionLog(api.services.db)
    about = Logged(
        tenant, NOW, Question({"size": 1.0}, deal_id=UUID(deal["id"])), base_rate(1, 1), "http", "champion", 1
    )
    book.add([about, made(tenant)])
    await book.close()
    [holding] = [holding for holding in REGISTER if holding.table == "prediction_logs"]
    async with api.services.db.tenant(tenant) as tx:
        wanted = PersonRequest(id=uuid4(), tenant_id=tenant, kind="export", contact_id=UUID(contact), created_at=NOW)
        rows = await privacy.rows(tx, holding, await privacy.person(tx, wanted))
    assert [row["id"] for row in rows] == [about.id]
