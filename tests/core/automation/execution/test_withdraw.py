"""Nobody is written to who has answered: whatever was open is taken back, and a mail and an answer never cross."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from core.automation import repository
from core.automation.execution.carry_out import Executor
from core.automation.execution.destinations import destinations
from core.deals.change import add_activity
from core.deals.schemas import ActivityIn
from core.kit.db import Database
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.ports import Mail
from tests.core.automation.conftest import Office

ANSWER = {"kind": "email", "direction": "in"}


async def answers(office: Office) -> None:
    made = await office.ana.post(f"/v1/deals/{office.deal_id}/activities", json=ANSWER)
    assert made.status_code == 201, made.text


async def test_an_answer_withdraws_what_is_open_and_says_why(office: Office) -> None:
    suggested, waiting = await office.task("notify_user", status="suggested"), await office.task()
    approved = await office.approved(in_days=1)
    await answers(office)
    await office.work()
    for task_id in (suggested, waiting, approved):
        told = (await office.ana.get(f"/v1/tasks/{task_id}")).json()
        assert (told["status"], told["withdrawn_because"]) == ("withdrawn", "customer_answered")
    assert (await office.ana.post(f"/v1/tasks/{waiting}/approve")).status_code == 409
    listed = (await office.ana.get("/v1/tasks", params={"status": "withdrawn"})).json()["items"]
    assert {task["id"] for task in listed} == {str(suggested), str(waiting), str(approved)}
    assert len(await office.rows("SELECT id FROM events WHERE type = 'TASK_WITHDRAWN'")) == 3
    await office.after(2 * 86_400)
    assert office.post.sent == []


async def test_a_closed_deal_withdraws_too_and_a_note_or_mail_of_ours_does_not(office: Office) -> None:
    task_id = await office.task()
    for kind, direction in (("note", "in"), ("email", "out")):
        body = {"kind": kind, "direction": direction}
        await office.ana.post(f"/v1/deals/{office.deal_id}/activities", json=body)
    await office.work()
    assert await office.status(task_id) == "waiting"
    await office.ana.patch(f"/v1/deals/{office.deal_id}", json={"stage": "closed_lost"})
    await office.work()
    assert (await office.ana.get(f"/v1/tasks/{task_id}")).json()["withdrawn_because"] == "deal_closed"


async def test_what_the_seller_owes_stays(office: Office) -> None:
    task_id = await office.task("create_crm_task")
    async with office.api.services.db.tenant(office.tenant_id) as tx:
        (await repository.task(tx, task_id)).reasons = [{"key": repository.OWED, "weight": 1.0, "evidence": "today"}]
    await answers(office)
    await office.work()
    assert await office.status(task_id) == "waiting"


async def test_an_answer_that_the_agent_has_not_heard_of_yet_stops_the_mail(office: Office) -> None:
    task_id = await office.approved(in_days=1)
    await answers(office)  # and no reaction runs before the executor does
    async with office.api.services.db.tenant(office.tenant_id) as tx:
        await office.api.services.executor.carry_out(tx, task_id)
    assert (office.post.sent, await office.status(task_id)) == ([], "withdrawn")
    assert await office.outcomes(task_id) == [], "it was not even tried"


async def test_an_answer_between_two_tries_stops_the_second(office: Office) -> None:
    office.post.down = True
    task_id = await office.approved()
    office.post.down = False
    await answers(office)
    await office.after(3_600)
    assert (office.post.sent, await office.status(task_id)) == ([], "withdrawn")


class Watching:
    """A mail server that looks, in the moment in which a mail comes, whether the customer's answer is known."""

    def __init__(self, db: Database, tenant_id: UUID, turn: asyncio.Event) -> None:
        self._db, self._tenant_id, self._turn = db, tenant_id, turn
        self.sent = 0
        self.crossed = 0

    async def send(self, mail: Mail) -> bool:
        self._turn.set()  # whoever waits to answer does it now, while the mail is on its way
        await asyncio.sleep(0)
        async with self._db.tenant(self._tenant_id) as tx:
            known = await tx.session.execute(text("SELECT count(*) FROM activities WHERE direction = 'in'"))
            self.crossed += known.scalar_one()
        self.sent += 1
        return True


async def test_mail_and_answer_never_cross(office: Office) -> None:
    """A race of the executor against an answer, begun at any moment between claim and sending."""
    db, chance, sent = office.api.services.db, random.Random(7), 0
    rounds = 24
    for number in range(rounds):
        task_id = await office.task(status="waiting")
        async with db.tenant(office.tenant_id) as tx:
            task = await repository.task(tx, task_id)
            task.status, task.decided_by, task.decided_at = "approved", office.user_id, tx.clock.now()
        turn = asyncio.Event()
        post = Watching(db, office.tenant_id, turn)
        executor = Executor(db, destinations(post, office.api.services.consents))
        late = number % 3 == 0

        async def answer(turn: asyncio.Event = turn, late: bool = late, steps: int = chance.randrange(60)) -> None:
            if late:
                await turn.wait()
            for _ in range(steps):
                await asyncio.sleep(0)
            async with db.tenant(office.tenant_id) as tx:
                await add_activity(tx, office.deal_id, ActivityIn(kind="email", direction="in"))

        await asyncio.gather(_carry_out(db, executor, office.tenant_id, task_id, turn), answer())
        assert post.crossed == 0, f"round {number}: the customer had answered, and was written to"
        assert await office.status(task_id) == ("done" if post.sent else "withdrawn")
        sent += post.sent
        async with db.tenant(office.tenant_id) as tx:
            await tx.session.execute(text("DELETE FROM activities"))
    assert 0 < sent < rounds, "both happened"


async def _carry_out(db: Database, executor: Executor, tenant_id: UUID, task_id: UUID, over: asyncio.Event) -> None:
    async with db.tenant(tenant_id) as tx:
        await executor.carry_out(tx, task_id)
    over.set()


async def test_what_the_agent_decides_beside_an_answer_knows_of_it(office: Office) -> None:
    """It waits until the answer is written: its task is never of a moment in which the answer was unknown."""
    db = office.api.services.db
    data = {"forecast_id": str(new_id()), "cause": str(new_id()), "cause_type": "DEAL_CHANGED", "probability": 0.1, "before": 0.9}  # fmt: skip # noqa: E501
    async with db.tenant(office.tenant_id) as tx:
        silent_since = tx.clock.now() - timedelta(days=20)
        await add_activity(tx, office.deal_id, ActivityIn(kind="email", direction="out", at=silent_since))
    async with db.tenant(office.tenant_id) as tx:
        await add_activity(tx, office.deal_id, ActivityIn(kind="email", direction="in"))
        fell = Event(EventType.FORECAST_CHANGED, office.tenant_id, office.deal_id, data)
        deciding = asyncio.create_task(office.api.services.agents.handle(fell))
        await _until_somebody_waits_for_a_lock(db, office.tenant_id)
    await deciding
    assert await office.rows("SELECT kind FROM tasks") == [("notify_user",)]


async def _until_somebody_waits_for_a_lock(db: Database, tenant_id: UUID) -> None:
    query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with asyncio.timeout(20):
        while True:
            async with db.tenant(tenant_id) as tx:
                if (await tx.session.execute(query)).scalar_one():
                    return
