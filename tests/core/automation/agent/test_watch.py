"""What the agent notices because time goes by, on virtual time and durable timers; and how it tells why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core import bootstrap
from core.automation.agent import repository
from core.automation.agent.model import AgentDecision
from core.automation.residents import agent_host
from core.deals.change import add_activity
from core.deals.schemas import ActivityIn
from core.flows import REACTIONS
from core.kit.errors import Unavailable
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.pages import PageRequest
from core.kit.relay import Relay
from core.kit.timers import Ticker
from core.ports import Prediction, Question, WhatIf
from tests.core.automation.agent.made import talked
from tests.core.automation.conftest import Office
from tests.fakes.engines import FakePredictor

MINE = tuple(one for one in REACTIONS if one.name.startswith(("automation.", "timers.")))


@dataclass
class Engine(FakePredictor):
    """Says what it is told to say, and remembers what it was asked."""

    what_ifs: tuple[WhatIf, ...] = ()
    models_for: tuple[str, ...] = ("followup", "forecast")
    is_away: bool = False
    asked: list[tuple[str, bool]] = field(default_factory=list)

    async def predict(
        self, tenant_id: UUID, rows: Sequence[Question], *, context: str = "forecast", source: str = "flow",
        strict: bool = False, what_if: bool = False,
    ) -> list[Prediction]:  # fmt: skip
        self.asked.append((context, what_if))
        if self.is_away:
            raise Unavailable("The engine is away.")
        basis = "tenant" if context in self.models_for else "rule"
        return [Prediction(0.4, 0.3, 0.5, 30, 5, 90, (), "xgboost", "3", basis, context, what_ifs=self.what_ifs)]


@pytest.fixture
def engine(office: Office) -> Engine:
    made = Engine()
    office.api.services.agents = agent_host(office.api.services.db, made, bootstrap.deal_inputs)
    return made


async def work(office: Office) -> None:
    db = office.api.services.db
    while await Relay(db, MINE, office.api.services).drain() + await Ticker(db).fire_due():
        pass


async def until(office: Office, at: str) -> list[AgentDecision]:
    """Decisions so far, once it is so late."""
    office.clock.advance(datetime.fromisoformat(at).replace(tzinfo=UTC) - office.clock.now())
    await work(office)
    return await decisions(office)


async def decisions(office: Office) -> list[AgentDecision]:
    """Oldest first, without that to do nothing when the deal was opened."""
    async with office.api.services.db.tenant(office.tenant_id) as tx:
        page = PageRequest(limit=100, before=None)
        found = await repository.decisions(tx, page, deal_id=None, task_id=None, verdict=None)
    return found[::-1][1:]


async def call(office: Office) -> UUID:
    """On Tuesday 24 November, 11:00 in São Paulo; the seller promises the proposal by Friday."""
    call_id = new_id()
    async with office.api.services.db.tenant(office.tenant_id) as tx:
        await talked(tx, call_id, office.deal_id, office.user_id)
        data = {"call_id": str(call_id), "deal_id": str(office.deal_id)}
        await tx.emit(Event(EventType.INSIGHTS_READY, tx.tenant_id, call_id, data, at=tx.clock.now()))
    await work(office)
    return call_id


async def activity(office: Office, kind: str, direction: str) -> None:
    async with office.api.services.db.tenant(office.tenant_id) as tx:
        await add_activity(tx, office.deal_id, ActivityIn.model_validate({"kind": kind, "direction": direction}))
    await work(office)


async def fell(office: Office, **change: Any) -> None:
    data: Mapping[str, Any] = {
        "forecast_id": str(new_id()), "cause": str(new_id()), "cause_type": "DEAL_CHANGED", "probability": 0.3,
        "before": 0.7, **change,
    }  # fmt: skip
    async with office.api.services.db.tenant(office.tenant_id) as tx:
        await tx.emit(Event(EventType.FORECAST_CHANGED, tx.tenant_id, office.deal_id, data, at=tx.clock.now()))
    await work(office)


async def test_a_call_that_nobody_follows_up_is_noticed_after_two_working_days(office: Office, engine: Engine) -> None:
    call_id = await call(office)
    assert await until(office, "2026-11-26T11:59:59") == []
    [decision] = await until(office, "2026-11-26T12:00:01")
    assert (decision.cause, decision.verdict, decision.kind) == ("no_follow_up", "acted", "send_email")
    assert (decision.call_id, decision.usual) == (call_id, "follow_up")
    assert ("no_follow_up", 2) in [(one["key"], one["evidence"]) for one in decision.signals]
    assert decision.hour is not None
    # At that hour in São Paulo; nine has just begun.
    day = 27 if decision.hour == 9 else 26
    assert decision.due_at == datetime(2026, 11, day, decision.hour + 3, 0, tzinfo=UTC)
    assert await office.rows("SELECT id, status FROM tasks") == [(decision.task_id, "waiting")]


async def test_who_gets_back_to_the_customer_hears_nothing(office: Office, engine: Engine) -> None:
    await call(office)
    await activity(office, "email", "out")
    assert await until(office, "2026-11-26T23:00:00") == []


async def test_a_written_word_of_the_customer_is_the_sellers_to_answer(office: Office, engine: Engine) -> None:
    await activity(office, "email", "in")
    [decision] = await until(office, "2026-11-26T12:00:01")
    assert (decision.cause, decision.kind) == ("no_follow_up", "notify_user")
    assert await office.rows("SELECT title FROM tasks") == [("O cliente espera uma resposta: CRM roll-out",)]


async def test_a_promise_is_recalled_on_its_morning(office: Office, engine: Engine) -> None:
    await call(office)
    await activity(office, "email", "out")
    assert await until(office, "2026-11-27T11:59:59") == []
    [decision] = await until(office, "2026-11-27T12:00:01")
    assert (decision.cause, decision.kind, decision.due_at) == ("promise_due", "create_crm_task", decision.at)
    assert [one["evidence"] for one in decision.signals if one["key"] == "promise_due"] == ["2026-11-27"]
    await activity(office, "email", "in")
    assert await office.rows("SELECT status FROM tasks") == [("waiting",)], "an answer does not keep a promise"


async def test_a_promise_of_a_call_that_was_erased_is_not_recalled(office: Office, engine: Engine) -> None:
    call_id = await call(office)
    await activity(office, "email", "out")
    await office.rows("DELETE FROM insights WHERE id = :id RETURNING 1", id=call_id)
    [decision] = await until(office, "2026-11-27T12:00:01")
    assert (decision.verdict, decision.why) == ("waited", "no_longer_true")


async def test_a_deal_stalls_after_five_working_days_of_the_company(office: Office, engine: Engine) -> None:
    await office.ana.request("PUT", "/v1/automation/calendar", json={"country": "BR", "closed": ["2026-11-30"]})
    await activity(office, "email", "out")
    assert await until(office, "2026-12-02T11:59:59") == []
    [decision] = await until(office, "2026-12-02T12:00:01")
    assert (decision.cause, decision.kind, decision.template) == ("deal_stalled", "send_email", "re_engage")
    [_, again] = await until(office, "2026-12-09T12:00:01")
    assert (again.cause, again.verdict, again.why) == ("deal_stalled", "waited", "already_open")


async def test_of_a_closed_deal_nothing_is_waited_for(office: Office, engine: Engine) -> None:
    await activity(office, "email", "in")
    await office.ana.patch(f"/v1/deals/{office.deal_id}", json={"stage": "closed_won"})
    assert await until(office, "2026-12-24T12:00:00") == []
    assert await office.rows("SELECT kind FROM timers WHERE kind = 'agent.watch'") == []


async def test_the_engine_is_asked_for_a_follow_up_and_its_advice_is_taken(office: Office, engine: Engine) -> None:
    engine.what_ifs = (WhatIf("meeting", 0.52), WhatIf("customer_reply", 0.42))
    call_id = await call(office)
    await fell(office, call_id=str(call_id))
    [decision] = await decisions(office)
    assert engine.asked == [("followup", True)]
    assert (decision.kind, decision.helps) == ("schedule_meeting", "meeting")
    assert decision.odds is not None
    assert (decision.odds["probability"], decision.odds["basis"], decision.odds["version"]) == (0.4, "tenant", "3")


async def test_without_a_model_for_follow_ups_it_asks_for_the_forecast(office: Office, engine: Engine) -> None:
    engine.models_for = ("forecast",)
    await fell(office)
    assert engine.asked == [("followup", True), ("forecast", True)]
    [decision] = await decisions(office)
    assert decision.odds is not None
    assert decision.odds["context"] == "forecast"


async def test_where_the_engine_is_away_it_decides_by_the_forecast_and_says_so(office: Office, engine: Engine) -> None:
    engine.is_away = True
    await fell(office)
    told = (await office.ana.get("/v1/automation/decisions", params={"language": "en"})).json()["items"][0]
    assert (told["verdict"], told["odds"]) == ("acted", None)
    assert told["basis_text"] == "the prediction engine did not answer"
    assert "at_risk" in {one["key"] for one in told["reasons"]}, "by the odds of the forecast"


async def test_each_decision_is_told_in_both_languages_also_to_do_nothing(office: Office, engine: Engine) -> None:
    engine.what_ifs = (WhatIf("meeting", 0.52),)
    await fell(office)
    await fell(office)
    await fell(office, probability=0.69)
    await activity(office, "email", "in")
    told = (await office.ana.get("/v1/automation/decisions", params={"language": "en"})).json()["items"][::-1][1:]
    assert [(one["verdict"], one["text"]) for one in told] == [
        ("acted", "Decided to tell the seller."),
        ("waited", "Did not act: a task of that kind is open already."),
        ("waited", "Did not act: nothing asks for action."),
        ("withdrew", "The customer has spoken: what was open was withdrawn."),
    ]
    first = told[0]
    assert "the odds fell by 40 points" in {one["text"] for one in first["reasons"]}
    assert [one["text"] for one in first["odds"]["what_ifs"]] == ["with a meeting this week: 52 %"]
    path = f"/v1/automation/decisions/{first['id']}"
    pt = (await office.ana.get(path)).json()
    assert pt["text"] == "Decidiu avisar o vendedor."
    assert "as chances caíram 40 pontos" in {one["text"] for one in pt["reasons"]}
    by_task = (await office.ana.get("/v1/automation/decisions", params={"task_id": first["task_id"]})).json()["items"]
    assert [one["id"] for one in by_task] == [first["id"]]


@pytest.mark.parametrize(("autonomy", "status"), [("suggest", "suggested"), ("act", "approved")])
async def test_the_company_says_how_much_the_agent_may_do(
    office: Office, engine: Engine, autonomy: str, status: str
) -> None:
    await office.ana.patch("/v1/tenant", json={"autonomy": autonomy})
    await fell(office)
    assert [row[0] for row in await office.rows("SELECT status FROM tasks")] in ([status], ["done"])
    assert timedelta(0) < (await decisions(office))[0].due_at - office.clock.now()  # type: ignore[operator]
