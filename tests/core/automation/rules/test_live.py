"""Rules over events as they come, on virtual time, over a real database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.kit.clock import VirtualClock
from tests.core.automation.rules.made import Company, rule
from tests.support import Api, Client

WON = {"and": [{"in": ["stage", {"var": "event.fields"}]}, {"==": [{"var": "deal.stage"}, "closed_won"]}]}
NO_ANSWER: dict[str, Any] = {"on": "contact_made", "wait": {"working_days": 5}, "actions": [{"kind": "send_email"}]}


@pytest.fixture
def company(api: Api, ana: Client, clock: VirtualClock) -> Company:
    return Company(api, ana, clock)


async def test_a_rule_fires_once_and_what_it_did_and_saw_is_kept(company: Company) -> None:
    made = await company.rule(condition=WON, actions=[
        {"kind": "create_crm_task", "text": "Invoice {deal}", "priority": 1},
        {"kind": "notify", "text": "We won {deal}", "to": "everyone"},
    ])  # fmt: skip
    deal = await company.deal(name="Fleet")
    await company.admin.patch(f"/v1/deals/{deal}", json={"value_cents": 1})
    await company.admin.patch(f"/v1/deals/{deal}", json={"stage": "closed_won"})
    await company.settle()
    await company.settle()
    [firing] = await company.firings(made["id"])
    assert firing["version"] == 1
    assert firing["seen"] == {"deal.stage": "closed_won", "event.fields": ["stage"]}
    assert firing["done"] == [{"kind": "create_crm_task", "outcome": "done"}, {"kind": "notify", "outcome": "done"}]
    [task] = await company.tasks(deal)
    assert (task["title"], task["priority"], task["status"]) == ("Invoice Fleet", 1, "waiting")
    assert task["reasons"][0] == {"key": "rule", "weight": 1.0, "evidence": "A rule"}
    told = (await company.admin.get("/v1/notifications")).json()["items"]
    assert [one["text"] for one in told if one["kind"] == "rule_matched"] == ["We won Fleet"]


async def test_no_answer_for_five_working_days_of_the_company(company: Company) -> None:
    """Written to on Tuesday; Thursday is closed by the company, so the fifth working day is the next Wednesday."""
    closed = {"country": "BR", "closed": ["2026-11-26"]}
    assert (await company.admin.request("put", "/v1/automation/calendar", json=closed)).status_code == 200
    made = await company.rule(**NO_ANSWER)
    deal = await company.deal()
    await company.touch(deal, "out")
    await company.until(datetime(2026, 12, 2, 13, 59, tzinfo=UTC))
    assert await company.firings(made["id"]) == []
    await company.until(datetime(2026, 12, 2, 14, 0, tzinfo=UTC))
    assert len(await company.firings(made["id"])) == 1
    [task] = await company.tasks(deal)
    assert (task["kind"], task["template"]) == ("send_email", "re_engage")


@pytest.mark.parametrize("what", ["answered", "closed", "disabled", "changed"])
async def test_nothing_is_done_once_the_reason_to_wait_is_gone(company: Company, what: str) -> None:
    made = await company.rule(**NO_ANSWER)
    deal = await company.deal()
    await company.touch(deal, "out")
    await company.later(days=1)
    if what == "answered":
        await company.touch(deal, "in")
    elif what == "closed":
        await company.admin.patch(f"/v1/deals/{deal}", json={"stage": "closed_lost"})
    elif what == "disabled":
        await company.admin.post(f"/v1/automation/rules/{made['id']}/disable")
        await company.admin.post(f"/v1/automation/rules/{made['id']}/enable")
    else:
        said = rule(**NO_ANSWER, name="Another")
        answer = await company.admin.request("put", f"/v1/automation/rules/{made['id']}", json=said)
        assert answer.json()["version"] == 2
    await company.later(days=20)
    assert await company.firings(made["id"]) == []


async def test_another_message_begins_the_wait_anew(company: Company) -> None:
    made = await company.rule(**NO_ANSWER | {"wait": {"hours": 48}})
    deal = await company.deal()
    await company.touch(deal, "out")
    await company.later(hours=40)
    await company.touch(deal, "out")
    await company.later(hours=47)
    assert await company.firings(made["id"]) == []
    await company.later(hours=2)
    assert len(await company.firings(made["id"])) == 1


async def test_in_quiet_hours_a_rule_waits_and_looks_again(company: Company) -> None:
    """14:00 UTC is 11:00 in São Paulo."""
    quiet = {"quiet_from": "10:00", "quiet_until": "15:30"}
    small = {"<": [{"var": "deal.value_cents"}, 100]}
    made = await company.rule(condition=small, **quiet)
    first, second = await company.deal(), await company.deal()
    for deal in (first, second):
        await company.admin.patch(f"/v1/deals/{deal}", json={"value_cents": 50})
    await company.later(hours=1)
    await company.admin.patch(f"/v1/deals/{second}", json={"value_cents": 5_000})
    await company.until(datetime(2026, 11, 24, 18, 29, tzinfo=UTC))
    assert await company.firings(made["id"]) == []
    await company.until(datetime(2026, 11, 24, 18, 30, tzinfo=UTC))
    assert [one["deal_id"] for one in await company.firings(made["id"])] == [first]


async def test_a_cap_holds_for_its_days(company: Company) -> None:
    made = await company.rule(at_most={"times": 2, "days": 3, "per": "company"})
    deal = await company.deal()
    for _ in range(4):
        await company.admin.patch(f"/v1/deals/{deal}", json={"name": str(company.clock.now())})
        await company.later(hours=1)
    assert len(await company.firings(made["id"])) == 2
    await company.later(days=3)
    await company.admin.patch(f"/v1/deals/{deal}", json={"name": "again"})
    await company.settle()
    firings = await company.firings(made["id"])
    assert len(firings) == 3
    assert firings[0]["done"] == [{"kind": "create_crm_task", "outcome": "already_open"}]


async def test_a_change_is_a_version_and_a_late_one_is_refused(company: Company) -> None:
    made = await company.rule(condition=WON)
    url = f"/v1/automation/rules/{made['id']}"
    read = await company.admin.get(url)
    tag = {"If-Match": read.headers["etag"]}
    same = await company.admin.request("put", url, json=rule(condition=WON), headers=tag)
    assert (same.status_code, same.json()["version"]) == (200, 1)
    second = await company.admin.request("put", url, json=rule(name="Second"), headers=tag)
    assert second.json()["version"] == 2
    late = await company.admin.request("put", url, json=rule(name="Third"), headers=tag)
    assert late.status_code == 412
    versions = (await company.admin.get(f"{url}/versions")).json()["items"]
    assert [(one["version"], one["rule"]["name"]) for one in versions] == [(2, "Second"), (1, "A rule")]


async def test_who_has_no_address_is_reached_by_somebody(company: Company) -> None:
    made = await company.rule(actions=[{"kind": "send_email"}])
    deal = await company.deal(contact_id=None)
    await company.admin.patch(f"/v1/deals/{deal}", json={"name": "New"})
    await company.settle()
    [firing] = await company.firings(made["id"])
    assert firing["done"] == [{"kind": "create_crm_task", "outcome": "done"}]
