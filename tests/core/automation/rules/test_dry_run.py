"""What a dry run tells of a history is what the same rule did while that history happened."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import text

from core.kit.clock import VirtualClock
from core.kit.ids import new_id
from tests.core.automation.rules.made import Company, rule
from tests.support import Api, Client, sign_up

RULES: tuple[dict[str, Any], ...] = (
    rule(on="contact_made", wait={"working_days": 2}, actions=[{"kind": "send_email"}]),
    rule(
        on="contact_made", wait={"hours": 30}, quiet_from="18:00", quiet_until="09:00",
        condition={"<": [{"var": "deal.value_cents"}, 3_000]}, at_most={"times": 1, "days": 5, "per": "company"},
    ),
    rule(on="deal_changed", condition={"in": ["value_cents", {"var": "event.fields"}]}, quiet_from="10:00",
         quiet_until="14:00"),
    rule(on="customer_answered", condition={">=": [{"var": "time.working_days_since_contact"}, 0]},
         at_most={"times": 2, "days": 3, "per": "deal"}),
    rule(on="score_changed", condition={"!=": [{"var": "score.before"}, None]}),
)  # fmt: skip
STEPS = some.lists(
    some.tuples(some.integers(0, 1), some.sampled_from(["out", "in", "cheap", "dear", "lost"]), some.integers(1, 40)),
    min_size=3, max_size=4,
)  # fmt: skip


async def live(company: Company, deals: list[str], steps: list[tuple[int, str, int]]) -> None:
    for which, what, hours in steps:
        if what in ("out", "in"):
            await company.touch(deals[which], what)
        else:
            says: dict[str, dict[str, Any]] = {
                "cheap": {"value_cents": hours}, "dear": {"value_cents": 5_000 + hours},
                "lost": {"stage": "closed_lost"},
            }  # fmt: skip
            await company.admin.patch(f"/v1/deals/{deals[which]}", json=says[what])
        await through(company, hours)


async def through(company: Company, hours: int) -> None:
    """The time passes, and each timer rings when it is due."""
    until = company.clock.now() + timedelta(hours=hours)
    await company.settle()
    while True:
        async with company.api.services.db.tenant(company.tenant_id) as tx:
            due = (await tx.session.execute(text("SELECT min(due_at) FROM timers WHERE kind = 'rules.wait'"))).scalar()
        if due is None or due > until:
            break
        await company.until(due)
    await company.until(until)


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_a_dry_run_tells_what_really_happened(
    api: Api, clock: VirtualClock, steps: list[tuple[int, str, int]]
) -> None:
    slug = f"c-{new_id()}"
    ana = Client(api, (await sign_up(api, slug))["access_token"])
    company = Company(api, ana, clock, slug)
    begun = clock.now()
    made = [(await company.rule(**says), says) for says in RULES]
    deals = [await company.deal(), await company.deal()]
    await through(company, 1)
    await live(company, deals, steps)
    await through(company, 100)
    days = (clock.now() - begun).days + 1
    for row, says in made:
        really = [(one["at"], one["deal_id"], one["seen"]) for one in await company.firings(row["id"])]
        body = {"rule": says, "days": days}
        told = (await ana.post("/v1/automation/rules/dry-run", json=body)).json()
        assert [(one["at"], one["deal_id"], one["seen"]) for one in told["examples"]] == really[:20], says
        assert told["fires"] == len(really)


@pytest.mark.parametrize("language", ["pt", "en"])
async def test_each_template_can_be_tried_and_does_nothing(
    api: Api, ana: Client, clock: VirtualClock, language: str
) -> None:
    company = Company(api, ana, clock)
    deal = await company.deal()
    await company.touch(deal, "out")
    found = (await ana.get(f"/v1/automation/rules/templates?language={language}")).json()
    for template in found:
        answer = await ana.post("/v1/automation/rules/dry-run", json={"rule": template["rule"]})
        assert answer.status_code == 200, answer.text
    waiting = {one["key"]: one["rule"] for one in found}["no_answer"]
    told = (await ana.post("/v1/automation/rules/dry-run", json={"rule": waiting})).json()
    assert (told["waits"], told["waiting"], told["fires"]) == (1, 1, 0)
    await company.settle()
    assert await company.tasks(deal) == []


async def test_mistakes_are_told_in_the_language_asked_for_or_the_companys(ana: Client) -> None:
    wrong = rule(condition={"<": [{"var": "deal.valu_cents"}, 3]})
    answer = await ana.post("/v1/automation/rules", json=wrong)
    assert answer.status_code == 422
    [problem] = answer.json()["errors"]
    assert problem["field"] == "body.condition.<.0.var"
    assert "talvez deal.value_cents" in problem["message"]
    tried = await ana.post("/v1/automation/rules/dry-run", json={"rule": wrong})
    assert tried.json()["errors"][0]["field"] == "body.rule.condition.<.0.var"
    right = (await ana.post("/v1/automation/rules", json=rule())).json()["id"]
    for method, path in (("POST", ""), ("POST", "/dry-run"), ("PUT", f"/{right}")):
        body = {"rule": wrong} if path == "/dry-run" else wrong
        said = await ana.request(method, f"/v1/automation/rules{path}?language=en", json=body)
        assert "perhaps deal.value_cents" in said.json()["errors"][0]["message"], path
