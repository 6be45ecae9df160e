"""On virtual time: a history that is lived through in one go, and one with the agent's host killed between any two of
its events, end at the same tasks, decisions, timers and lessons."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, make_url, text

from core import bootstrap
from core.automation.decide_task import decide
from core.automation.host import AgentHost
from core.automation.repository import tasks
from core.automation.residents import agent_host
from core.deals import repository as deals
from core.deals.model import Activity
from core.kit.clock import VirtualClock
from core.kit.db import Database, Tx
from core.kit.events import Event, EventType
from core.kit.pages import PageRequest
from core.settings import Settings
from tests.conftest import NOW
from tests.fakes.engines import FakePredictor

TENANT, ACCOUNT = UUID(int=1), UUID(int=2)
DEALS = [UUID(int=10 + number) for number in range(2)]
CONTACT = UUID(int=3)
Kind = Literal["odds", "in", "out", "approve", "dismiss", "done", "close", "wait"]


@dataclass(frozen=True)
class Step:
    """One thing that happens: to which deal, and with which number (of percent, or of hours)."""

    kind: Kind
    deal: int
    number: int


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["odds", "odds", "in", "out", "approve", "dismiss", "done", "close", "wait", "wait", "wait"]),
        st.integers(0, len(DEALS) - 1), st.integers(1, 99),
    ),
    min_size=3, max_size=12,
)  # fmt: skip


class World:
    """One company, whose history is lived through again and again from the same beginning."""

    def __init__(self, settings: Settings) -> None:
        bootstrap.load_models()
        self.clock = VirtualClock(NOW)
        self.db = Database(bootstrap.database_url(settings), clock=self.clock)
        assert settings.database.admin_url is not None
        url = make_url(settings.database.admin_url.get_secret_value()).set(drivername="postgresql+psycopg")
        self._owner = create_engine(url, isolation_level="AUTOCOMMIT")
        with self._owner.connect() as connection:
            for statement in _COMPANY.split(";\n"):
                connection.execute(text(statement))

    def begin(self) -> None:
        self.clock.advance(NOW - self.clock.now())
        with self._owner.connect() as connection:
            for table in _WRITTEN:
                connection.execute(text(f"DELETE FROM {table}"))
            connection.execute(text("UPDATE deals SET stage = 'proposal', outcome = NULL"))

    async def close(self) -> None:
        await self.db.close()
        self._owner.dispose()

    def host(self) -> AgentHost:
        return agent_host(self.db, FakePredictor(), bootstrap.deal_inputs)

    async def live(self, history: Sequence[Step], deaths: Collection[int]) -> dict[str, list[Any]]:
        """`deaths`: before which events the host is another. Returns all that was written, without the ids of rows."""
        self.begin()
        taken, host = 0, self.host()
        for number, step in enumerate(history):
            for event in await self._events(step, number):
                host = self.host() if taken in deaths else host
                await host.handle(event)
                taken += 1
        async with self.db.tenant(TENANT) as tx:
            return {name: [tuple(row) for row in await tx.session.execute(text(query))] for name, query in _ALL.items()}

    async def _events(self, step: Step, number: int) -> list[Event]:
        if step.kind == "wait":
            self.clock.advance(timedelta(hours=step.number))
            return await self._rung()
        async with self.db.tenant(TENANT) as tx:
            return await self._happens(tx, step, UUID(int=1_000 + number))

    async def _rung(self) -> list[Event]:
        """Timers that are due, as the ticker tells them, under ids that follow from what they are."""
        query = text("DELETE FROM timers WHERE due_at <= :now RETURNING kind, key, subject, due_at")
        async with self.db.tenant(TENANT) as tx:
            rows = list(await tx.session.execute(query, {"now": self.clock.now()}))
        decided = {one.id: one.event_id for one in await self._tasks()}
        return [
            Event(
                EventType.TIMER_DUE, TENANT, row.subject,
                {"kind": row.kind, "key": row.key, "due_at": row.due_at.isoformat()},
                id=uuid5(_about(row.key, decided), f"{row.kind}{row.due_at}"), at=self.clock.now(),
            )
            for row in sorted(rows, key=lambda row: (row.due_at, row.kind, str(_about(row.key, decided))))
        ]  # fmt: skip

    async def _happens(self, tx: Tx, step: Step, event_id: UUID) -> list[Event]:
        deal_id, now = DEALS[step.deal], self.clock.now()

        def event(what: EventType, subject: UUID, **data: Any) -> list[Event]:
            return [Event(what, TENANT, subject, data, id=event_id, at=now)]

        if step.kind == "odds":
            return event(EventType.FORECAST_CHANGED, deal_id, probability=step.number / 100, before=0.8)
        if step.kind in ("in", "out"):
            row = Activity(id=event_id, tenant_id=TENANT, deal_id=deal_id, kind="email", direction=step.kind, at=now,
                           recorded_at=now, objections=0, unanswered_objections=0, competitors=0, buying_signals=0,
                           has_next_step=False)  # fmt: skip
            tx.session.add(row)
            return event(EventType.DEAL_CHANGED, deal_id, fields=["activities"], kind="email", direction=step.kind)
        if step.kind == "close":
            deal = await deals.deal(tx, deal_id)
            deal.stage, deal.outcome = ("closed_lost", "lost") if step.number > 50 else ("proposal", None)
            return event(EventType.DEAL_CHANGED, deal_id, fields=["stage"])
        return await self._judged(tx, step, event)

    async def _judged(self, tx: Tx, step: Step, event: Any) -> list[Event]:
        """A person's word, or the executor's, on one of the tasks that are open."""
        wanted = ("approved",) if step.kind == "done" else ("waiting",)
        able = sorted((one for one in await self._tasks(tx) if one.status in wanted), key=lambda one: one.event_id)
        if not able:
            return []
        task = able[step.number % len(able)]
        about = {"deal_id": str(task.deal_id), "kind": task.kind}
        if step.kind == "done":
            task.status = "done"
            return list(event(EventType.TASK_FINISHED, task.id, **about, status="done"))
        verdict: Literal["approved", "dismissed"] = "approved" if step.kind == "approve" else "dismissed"
        await decide(tx, task.id, verdict, by=UUID(int=9))
        return list(event(EventType.TASK_DECIDED, task.id, **about, verdict=verdict, edited=step.number > 70))

    async def _tasks(self, tx: Tx | None = None) -> list[Any]:
        page = PageRequest(limit=200, before=None)
        if tx is not None:
            return await tasks(tx, page, status=None, deal_id=None)
        async with self.db.tenant(TENANT) as own:
            return await tasks(own, page, status=None, deal_id=None)


def _about(key: str, decided: dict[UUID, UUID]) -> UUID:
    """What does not differ from life to life: for a task's key the event that it came of."""
    first, _, rest = key.partition(":")
    return uuid5(decided.get(UUID(first), UUID(first)), rest)


_COMPANY = f"""
INSERT INTO tenants (id, name, slug, plan, locale, time_zone, currency, limits, autonomy)
VALUES ('{TENANT}', 'T', 't', 'STARTER', 'pt-BR', 'America/Sao_Paulo', 'BRL', '{{}}', 'approve');
INSERT INTO accounts (id, tenant_id, name, created_at) VALUES ('{ACCOUNT}', '{TENANT}', 'A', now());
INSERT INTO contacts (id, tenant_id, account_id, name, email, language, created_at)
VALUES ('{CONTACT}', '{TENANT}', '{ACCOUNT}', 'C', 'c@example.com', 'pt', now());
INSERT INTO deals (id, tenant_id, account_id, contact_id, name, value_cents, currency, stage, products, opened_at)
SELECT id, '{TENANT}', '{ACCOUNT}', '{CONTACT}', 'D', 9000000, 'BRL', 'proposal', '[]', timestamptz '2026-11-01'
FROM unnest(ARRAY['{"', '".join(map(str, DEALS))}']::uuid[]) AS id
"""
_WRITTEN = ("agent_decisions", "agent_arms", "tasks", "activities", "handled_events", "resident_turns", "timers",
            "deliveries", "events")  # fmt: skip
_ALL = {
    "tasks": """SELECT event_id, deal_id, kind, template, status, withdrawn_because, priority, title, due_at, reasons,
                       created_at FROM tasks ORDER BY event_id, kind""",
    "decisions": """SELECT event_id, deal_id, cause, at, verdict, why, kind, template, usual, hour, due_at, weight,
                           signals, odds, helps, said, sent_at, answered, task_id IS NULL
                    FROM agent_decisions ORDER BY event_id""",
    "arms": "SELECT dimension, context, name, won, lost FROM agent_arms ORDER BY 1, 2, 3",
    "timers": "SELECT kind, subject, due_at FROM timers ORDER BY 1, 2, 3",
}


@pytest.fixture
def world(settings: Settings) -> World:
    return World(settings)


async def test_the_histories_are_about_all_that_the_agent_does(world: World) -> None:
    """One that is known: so nothing that is compared below is empty by mistake."""
    history = [
        Step("out", 0, 1), Step("wait", 0, 99), Step("wait", 0, 99), Step("approve", 0, 1), Step("done", 0, 1),
        Step("in", 0, 1), Step("odds", 1, 20), Step("in", 1, 1), Step("wait", 0, 99), Step("odds", 1, 75),
    ]  # fmt: skip
    whole = await world.live(history, deaths=())
    assert {row[4] for row in whole["decisions"]} == {"acted", "waited", "withdrew"}
    assert {row[2] for row in whole["decisions"]} >= {"FORECAST_CHANGED", "no_follow_up", "deal_stalled"}
    assert all(whole.values())
    assert await world.live(history, deaths=range(99)) == whole
    await world.close()


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=STEPS, data=st.data())
async def test_no_death_between_two_events_changes_anything(world: World, history: list[Step], data: Any) -> None:
    whole = await world.live(history, deaths=())
    assert await world.live(history, deaths=range(len(history) * 4)) == whole, "another host for each event"
    deaths = data.draw(st.sets(st.integers(0, len(history) * 2)), label="deaths")
    assert await world.live(history, deaths) == whole
