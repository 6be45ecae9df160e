from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.automation.agent import REMEMBERED_EVENTS, AgentState, Decision, FollowUpAgent
from core.automation.signals import Situation, default_weights

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
DEALS = [UUID(int=100 + number) for number in range(3)]


def agent(autonomy: str = "approve", language: str = "en") -> FollowUpAgent:
    return FollowUpAgent(
        AgentState.restore(
            autonomy=autonomy, language=language, time_zone="America/Sao_Paulo", open_tasks=[], handled=[]
        )
    )


def troubled(event: int = 1, deal: UUID = DEALS[0]) -> Situation:
    return Situation(
        event_id=UUID(int=event), at=NOW, deal_id=deal, deal_name="CRM for {Acme}", value_cents=9_000_000,
        probability=0.3, probability_before=0.6, call_id=UUID(int=9), contact_has_email=True,
        unanswered_objections=1, competitors=("Rival",), has_next_step=True,
    )  # fmt: skip


@st.composite
def situations(draw: st.DrawFn) -> list[Situation]:
    """Some events of three deals, in order, each with its own id."""
    return [
        Situation(
            event_id=UUID(int=number), at=NOW + timedelta(hours=number), deal_id=draw(st.sampled_from(DEALS)),
            deal_name="Deal", value_cents=draw(st.integers(0, 10_000_000)), probability=draw(st.floats(0, 1)),
            probability_before=draw(st.none() | st.floats(0, 1)),
            call_id=draw(st.none() | st.just(UUID(int=9))), contact_has_email=draw(st.booleans()),
            sentiment=draw(st.none() | st.floats(-1, 1)), unanswered_objections=draw(st.none() | st.integers(0, 3)),
            competitors=draw(st.sampled_from([(), ("Rival",)])), buying_signals=draw(st.integers(0, 2)),
            seller_steps=draw(st.integers(0, 2)), has_next_step=draw(st.none() | st.booleans()),
            last_contact_at=draw(st.none() | st.just(NOW - timedelta(days=8))),
            customer_answered=draw(st.booleans()),
        )
        for number in range(1, draw(st.integers(1, 8)) + 1)
    ]  # fmt: skip


def run(told: FollowUpAgent, events: list[Situation]) -> list[tuple[Situation, Decision]]:
    return [(event, decision) for event in events for decision in told.decide(event)]


def test_a_troubled_call_leads_to_one_explained_email() -> None:
    [decision] = agent().decide(troubled())
    assert (decision.kind, decision.template, decision.status) == ("send_email", "follow_up", "waiting")
    assert decision.title == "Send a follow-up e-mail: CRM for {Acme}"
    assert decision.due_at == datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    assert {reason.key for reason in decision.reasons} == {
        "forecast_fell", "unanswered_objection", "competitor_named", "high_value", "at_risk"
    }  # fmt: skip


STATUSES = [("suggest", "suggested"), ("approve", "waiting"), ("act", "approved")]


@pytest.mark.parametrize(("autonomy", "status"), STATUSES)
def test_autonomy_gives_the_status(autonomy: str, status: str) -> None:
    assert agent(autonomy).decide(troubled())[0].status == status


def test_titles_speak_the_tenants_language() -> None:
    assert agent(language="pt").decide(troubled())[0].title.startswith("Enviar e-mail")


def test_no_second_task_of_a_kind_until_the_first_is_closed() -> None:
    told = agent()
    assert len(told.decide(troubled(1))) == 1
    assert told.decide(troubled(2)) == []
    told.note_task_closed(DEALS[0], "send_email")
    assert len(told.decide(troubled(3))) == 1
    assert len(told.decide(troubled(4, DEALS[1]))) == 1


def test_closing_what_is_not_open_changes_nothing() -> None:
    told = agent()
    told.note_task_closed(DEALS[0], "send_email")
    assert told.state == agent().state


@given(situations(), st.data())
def test_a_repeated_event_decides_nothing_and_changes_nothing(events: list[Situation], data: st.DataObject) -> None:
    told = agent()
    run(told, events)
    before = copy.deepcopy(told.state)
    assert told.decide(data.draw(st.sampled_from(events))) == []
    assert told.state == before


@given(situations())
def test_restored_from_what_was_written_it_is_the_same(events: list[Situation]) -> None:
    told = agent()
    written = run(told, events)
    restored = AgentState.restore(
        autonomy="approve", language="en", time_zone="America/Sao_Paulo",
        open_tasks=[(event.deal_id, decision.kind) for event, decision in written],
        handled=[event.event_id for event in events],
    )  # fmt: skip
    assert restored == told.state


@given(situations(), st.integers(0, 8))
def test_a_restart_between_two_events_goes_unnoticed(events: list[Situation], at: int) -> None:
    whole = run(agent(), events)
    first = agent()
    written = run(first, events[:at])
    restored = FollowUpAgent(
        AgentState.restore(
            autonomy="approve", language="en", time_zone="America/Sao_Paulo",
            open_tasks=[(event.deal_id, decision.kind) for event, decision in written],
            handled=[event.event_id for event in events[:at]],
        )
    )  # fmt: skip
    # The database may send again what was handled before the restart.
    assert written + run(restored, events) == whole


@given(situations())
def test_deals_do_not_disturb_each_other(events: list[Situation]) -> None:
    together = run(agent(), events)
    for deal in DEALS:
        alone = run(agent(), [event for event in events if event.deal_id == deal])
        assert alone == [pair for pair in together if pair[0].deal_id == deal]


@given(situations())
def test_every_decision_is_over_the_threshold_and_in_range(events: list[Situation]) -> None:
    for event, decision in run(agent(), events):
        assert sum(reason.weight for reason in decision.reasons) >= default_weights().threshold - 1e-6
        assert 1 <= decision.priority <= 5
        assert decision.due_at > event.at
        assert not (decision.kind == "send_email" and (event.customer_answered or not event.contact_has_email))


def test_what_it_remembers_is_bounded() -> None:
    told = agent()
    for number in range(REMEMBERED_EVENTS + 5):
        told.decide(troubled(number))
    assert len(told.state.handled) == REMEMBERED_EVENTS
    assert not told.knows(UUID(int=4))
    assert told.knows(UUID(int=5))
