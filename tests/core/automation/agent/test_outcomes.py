"""What people and customers make of the agent's tasks changes what it chooses; all of it is in the database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core import bootstrap
from core.automation.agent import repository
from core.automation.residents import agent_host
from tests.core.automation.agent.test_watch import activity, call, decisions, fell, work
from tests.core.automation.conftest import Office
from tests.fakes.engines import FakePredictor


async def mailed(office: Office) -> Any:
    """The agent's e-mail after a call, as it decided on it."""
    call_id = await call(office)
    await fell(office, call_id=str(call_id))
    [decision] = [one for one in await decisions(office) if one.kind == "send_email"]
    return decision


async def arms(office: Office) -> dict[tuple[str, str, str], tuple[float, float]]:
    rows = await office.rows("SELECT dimension, context, name, won, lost FROM agent_arms")
    return {(dimension, context, name): (won, lost) for dimension, context, name, won, lost in rows}


async def passes(office: Office, days: float) -> None:
    """Nobody's token lives so long: what follows is asked of the database."""
    office.clock.advance(timedelta(days=days))
    await work(office)


@pytest.mark.parametrize(("verdict", "edit", "said", "counts"), [
    ("approve", False, "approved", (0.5, 0.0)),
    ("approve", True, "edited", (0.2, 0.3)),
    ("dismiss", False, "dismissed", (0.0, 1.0)),
])  # fmt: skip
async def test_a_persons_verdict_is_about_the_text(
    office: Office, verdict: str, edit: bool, said: str, counts: tuple[float, float]
) -> None:
    decision = await mailed(office)
    if edit:
        draft = (await office.ana.get(f"/v1/tasks/{decision.task_id}")).json()["draft"]
        changed = await office.ana.patch(f"/v1/drafts/{draft['id']}", json={"body": "Dear Maria, in my own words."})
        assert changed.status_code == 200, changed.text
    await office.ana.post(f"/v1/tasks/{decision.task_id}/{verdict}")
    await work(office)
    assert await arms(office) == {("template", "follow_up", decision.template): counts}
    assert await office.rows("SELECT said FROM agent_decisions WHERE id = :id", id=decision.id) == [(said,)]
    [told] = (await office.ana.get("/v1/automation/learning")).json()
    assert (told["won"], told["lost"]) == counts
    assert 0 < told["share"] < 1


async def test_an_answer_speaks_for_text_and_hour_and_counts_once(office: Office) -> None:
    decision = await mailed(office)
    await office.ana.post(f"/v1/tasks/{decision.task_id}/approve")
    await passes(office, 3)
    assert len(office.post.sent) == 1
    for _ in range(2):
        await activity(office, "email", "in")
    hour = ("hour", "send_email", str(decision.hour))
    assert await arms(office) == {("template", "follow_up", decision.template): (1.5, 0.0), hour: (1.0, 0.0)}
    await passes(office, 30)
    assert (await arms(office))[hour] == (1.0, 0.0), "its days are over, and it was answered"


async def test_silence_speaks_against_both_when_the_days_for_an_answer_are_over(office: Office) -> None:
    decision = await mailed(office)
    await office.ana.post(f"/v1/tasks/{decision.task_id}/approve")
    await passes(office, 3)
    await passes(office, 4)
    hour = ("hour", "send_email", str(decision.hour))
    assert hour not in await arms(office)
    await passes(office, 7)
    assert (await arms(office))[hour] == (0.0, 0.5)
    await activity(office, "email", "in")
    assert (await arms(office))[hour] == (0.0, 0.5), "too late"
    assert await office.rows("SELECT answered FROM agent_decisions WHERE id = :id", id=decision.id) == [(False,)]


async def test_what_was_learned_is_known_after_a_restart_and_to_nobody_else(office: Office) -> None:
    decision = await mailed(office)
    await office.ana.post(f"/v1/tasks/{decision.task_id}/dismiss")
    await work(office)
    host = agent_host(office.api.services.db, FakePredictor(), bootstrap.deal_inputs)
    office.api.services.agents = host
    await activity(office, "email", "out")
    resident, _ = host._awake[office.tenant_id].residents["agent"]
    known = resident._agent.state.learned.known()  # type: ignore[attr-defined]
    assert {(arm.dimension, arm.context, arm.name): counts for arm, counts in known.items()} == await arms(office)
    async with office.api.services.db.tenant(office.user_id) as tx:  # no tenant of that id
        assert await repository.arms(tx) == []
