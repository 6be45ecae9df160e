from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.automation.agent.decide import AgentState, Decision, FollowUpAgent, House, Plan
from core.automation.agent.learn import Learned, default_learning
from core.automation.agent.signals import Cause, Situation, default_weights
from core.automation.rules.calendar import WorkingDays

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
DEALS = [UUID(int=100 + number) for number in range(3)]
CALENDAR = WorkingDays("America/Sao_Paulo", "BR")
HOUSE = House("approve", "en", CALENDAR)


def agent(open_tasks: list[tuple[UUID, str]] | None = None, *, tries: bool = False) -> FollowUpAgent:
    """`tries`: also other texts and hours than the usual ones."""
    table = default_learning() if tries else replace(default_learning(), templates={}, hours=(9,))
    return FollowUpAgent(AgentState.restore(open_tasks or [], Learned(table=table)))


def troubled(event: int = 1, deal: UUID = DEALS[0], cause: Cause = "FORECAST_CHANGED", **change: object) -> Situation:
    known: dict[str, object] = {
        "event_id": UUID(int=event), "at": NOW, "deal_id": deal, "deal_name": "CRM for {Acme}",
        "value_cents": 9_000_000, "cause": cause, "probability": 0.3, "probability_before": 0.6,
        "call_id": UUID(int=9), "contact_has_email": True, "unanswered_objections": 1, "competitors": ("Rival",),
        "has_next_step": True,
    }  # fmt: skip
    return Situation(**{**known, **change})  # type: ignore[arg-type]


@st.composite
def situations(draw: st.DrawFn) -> list[Situation]:
    """Some events of three deals, in order, each with its own id."""
    days = st.none() | st.integers(0, 9)
    return [
        Situation(
            event_id=UUID(int=number), at=NOW + timedelta(hours=number), deal_id=draw(st.sampled_from(DEALS)),
            deal_name="Deal", value_cents=draw(st.integers(0, 10_000_000)),
            cause=draw(st.sampled_from(["FORECAST_CHANGED", "no_follow_up", "deal_stalled"])),
            is_open=draw(st.booleans()), probability=draw(st.none() | st.floats(0, 1)),
            probability_before=draw(st.none() | st.floats(0, 1)),
            call_id=draw(st.none() | st.just(UUID(int=9))), contact_has_email=draw(st.booleans()),
            sentiment=draw(st.none() | st.floats(-1, 1)), unanswered_objections=draw(st.none() | st.integers(0, 3)),
            competitors=draw(st.sampled_from([(), ("Rival",)])), buying_signals=draw(st.integers(0, 2)),
            seller_steps=draw(st.integers(0, 2)), has_next_step=draw(st.none() | st.booleans()),
            silent_days=draw(days), unreplied_days=draw(days), wrote_last=draw(st.booleans()),
            turned_down=draw(st.sampled_from([frozenset(), frozenset({"send_email"})])),
        )
        for number in range(1, draw(st.integers(1, 8)) + 1)
    ]  # fmt: skip


Run = list[tuple[Situation, Decision]]


def run(told: FollowUpAgent, events: list[Situation]) -> Run:
    return [(event, told.decide(event, HOUSE)) for event in events]


def planned(found: Run) -> list[tuple[Situation, Plan]]:
    return [(event, decision.plan) for event, decision in found if decision.plan is not None]


def plan(decision: Decision) -> Plan:
    assert decision.plan is not None, decision.why
    return decision.plan


def test_a_troubled_call_leads_to_one_explained_email() -> None:
    decision = agent().decide(troubled(), HOUSE)
    made = plan(decision)
    assert (made.kind, made.template, made.status) == ("send_email", "follow_up", "waiting")
    assert made.title == "Send a follow-up e-mail: CRM for {Acme}"
    assert made.due_at == datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    assert {reason.key for reason in decision.reasons} == {
        "forecast_fell", "unanswered_objection", "competitor_named", "high_value", "at_risk"
    }  # fmt: skip


def test_other_texts_and_hours_are_tried_by_the_events_id_alone() -> None:
    made = [plan(agent(tries=True).decide(troubled(number), HOUSE)) for number in range(1, 40)]
    assert made == [plan(agent(tries=True).decide(troubled(number), HOUSE)) for number in range(1, 40)]
    assert {(one.usual, one.template) for one in made} == {("follow_up", "follow_up"), ("follow_up", "meeting_recap")}
    assert {one.hour for one in made} == set(default_learning().hours)
    assert all(CALENDAR.local(one.due_at).hour == one.hour for one in made)


def test_due_is_a_working_morning_of_the_company() -> None:
    closed = House("approve", "en", WorkingDays("America/Sao_Paulo", "BR", closed=[datetime(2026, 11, 25).date()]))
    assert plan(agent().decide(troubled(), closed)).due_at == datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


STATUSES = [("suggest", "suggested"), ("approve", "waiting"), ("act", "approved")]


@pytest.mark.parametrize(("autonomy", "status"), STATUSES)
def test_autonomy_gives_the_status(autonomy: str, status: str) -> None:
    assert plan(agent().decide(troubled(), House(autonomy, "en", CALENDAR))).status == status


def test_titles_speak_the_tenants_language() -> None:
    assert plan(agent().decide(troubled(), House("act", "pt", CALENDAR))).title.startswith("Enviar e-mail")


@pytest.mark.parametrize(
    ("situation", "why"),
    [
        (troubled(is_open=False), "deal_closed"),
        (troubled(probability=0.6, unanswered_objections=0, competitors=()), "nothing_seen"),
        (troubled(probability=0.6, unanswered_objections=0), "below_threshold"),
        (troubled(cause="no_follow_up", unreplied_days=1), "no_longer_true"),
        (troubled(cause="promise_due"), "no_longer_true"),
        (troubled(cause="deal_stalled", silent_days=6, turned_down=frozenset({"send_email"})), "turned_down"),
    ],
)
def test_where_it_does_nothing_it_says_why(situation: Situation, why: str) -> None:
    decision = agent().decide(situation, HOUSE)
    assert (decision.plan, decision.why) == (None, why)


def test_a_promise_is_due_at_once_and_is_the_sellers() -> None:
    made = plan(agent().decide(troubled(cause="promise_due", promised_on="2026-11-24"), HOUSE))
    assert (made.kind, made.due_at, made.title) == ("create_crm_task", NOW, "Promised for today: CRM for {Acme}")


def test_no_second_task_of_a_kind_until_the_first_is_closed() -> None:
    told = agent()
    assert plan(told.decide(troubled(1), HOUSE))
    assert told.decide(troubled(2), HOUSE).why == "already_open"
    told.note_task_closed(DEALS[0], "send_email")
    assert plan(told.decide(troubled(3), HOUSE))
    assert plan(told.decide(troubled(4, DEALS[1]), HOUSE))


def test_closing_what_is_not_open_changes_nothing() -> None:
    told = agent()
    told.note_task_closed(DEALS[0], "send_email")
    assert told.state.open_tasks == {}


@given(situations(), st.integers(0, 8))
def test_a_restart_between_two_events_goes_unnoticed(events: list[Situation], at: int) -> None:
    whole = run(agent(tries=True), events)
    first = run(agent(tries=True), events[:at])
    restored = agent([(event.deal_id, made.kind) for event, made in planned(first)], tries=True)
    assert first + run(restored, events[at:]) == whole


@given(situations())
def test_deals_do_not_disturb_each_other(events: list[Situation]) -> None:
    together = run(agent(), events)
    for deal in DEALS:
        alone = run(agent(), [event for event in events if event.deal_id == deal])
        assert alone == [pair for pair in together if pair[0].deal_id == deal]


@given(situations())
def test_every_decision_is_over_the_threshold_and_in_range(events: list[Situation]) -> None:
    for event, made in planned(run(agent(), events)):
        assert 1 <= made.priority <= 5
        assert made.due_at > event.at
        assert event.is_open
        assert not (made.kind == "send_email" and (event.wrote_last or not event.contact_has_email))
    for _, decision in run(agent(), events):
        assert (decision.plan is None) == (decision.why is not None)
        enough = decision.weight >= default_weights().threshold
        assert enough or decision.plan is None


def test_nothing_is_remembered_of_what_is_not_done() -> None:
    told = agent()
    before = copy.deepcopy(told.state.open_tasks)
    told.decide(troubled(is_open=False), HOUSE)
    told.decide(troubled(cause="promise_due"), HOUSE)
    assert told.state.open_tasks == before
