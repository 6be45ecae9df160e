"""What was agreed: who does it and by when, in both languages."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.analysis.next_steps import NextStep, due_date, find
from core.calls.turns import Turn

TUESDAY = date(2026, 11, 24)


def turn(speaker: str, text: str, start_s: float = 0.0) -> Turn:
    return Turn(speaker, start_s, start_s + 5.0, text, (), 0.9)


SAID_BY_THE_SELLER = [
    ("en", "I'll send you the proposal by Friday.", "seller", date(2026, 11, 27)),
    ("en", "I’ll send you the proposal by Friday.", "seller", date(2026, 11, 27)),
    ("en", "Let's meet the day after tomorrow.", "seller", date(2026, 11, 26)),
    ("en", "Let's schedule a demo next week.", "seller", date(2026, 12, 1)),
    ("en", "I will send it in 10 days.", "seller", date(2026, 12, 4)),
    ("en", "I'll bring it today.", "seller", TUESDAY),
    ("en", "We'll send the contract.", "seller", None),
    ("en", "Can you send me the contract tomorrow?", "customer", date(2026, 11, 25)),
    ("pt", "Vou te enviar a proposta até sexta.", "seller", date(2026, 11, 27)),
    ("pt", "Vou te enviar a proposta até sexta-feira.", "seller", date(2026, 11, 27)),
    ("pt", "Vamos marcar para depois de amanhã.", "seller", date(2026, 11, 26)),
    ("pt", "Vamos agendar na semana que vem.", "seller", date(2026, 12, 1)),
    ("pt", "Te mando em 3 dias.", "seller", date(2026, 11, 27)),
    ("pt", "Te mando hoje.", "seller", TUESDAY),
    ("pt", "Vou enviar o contrato.", "seller", None),
    ("pt", "Você pode me enviar o contrato amanhã?", "customer", date(2026, 11, 25)),
]


@pytest.mark.parametrize(("language", "text", "owner", "due_on"), SAID_BY_THE_SELLER)
def test_a_step_has_its_owner_and_its_day(language: str, text: str, owner: str, due_on: date | None) -> None:
    turns = [turn("seller", text), turn("customer", "Ok.")]
    assert find(turns, language, TUESDAY) == [NextStep(owner, text, 0, due_on)]


def test_what_the_customer_asks_for_is_the_sellers_to_do() -> None:
    turns = [turn("seller", "Olá."), turn("customer", "Me manda a proposta amanhã.")]
    assert find(turns, "pt", TUESDAY) == [NextStep("seller", "Me manda a proposta amanhã.", 1, date(2026, 11, 25))]


def test_each_sentence_is_a_step_of_its_own() -> None:
    said = "Great! I'll send the deck tomorrow. It is long. Let's talk on Monday."
    assert find([turn("customer", "Hi"), turn("seller", said)], "en", TUESDAY) == [
        NextStep("seller", "I'll send the deck tomorrow.", 1, date(2026, 11, 25)),
        NextStep("seller", "Let's talk on Monday.", 1, date(2026, 11, 30)),
    ]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "We sent it on Friday."), ("en", "It rained today."), ("en", "Send it wherever you like."),
        ("pt", "Isso foi na sexta."), ("pt", "Hoje está chovendo."), ("pt", "Ele mandou tudo ontem."),
    ],
)  # fmt: skip
def test_a_day_alone_or_a_thing_of_the_past_is_no_step(language: str, text: str) -> None:
    assert find([turn("seller", text)], language, TUESDAY) == []


def test_a_request_to_nobody_else_stays_with_its_speaker() -> None:
    assert find([turn("seller", "Can you send it?")], "en", TUESDAY)[0].owner == "seller"


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("pt", ["segunda", "terça", "quarta", "quinta", "sexta", "sábado", "domingo"]),
        ("en", ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]),
    ],
)
def test_a_weekday_is_the_next_one_and_never_today(language: str, names: list[str]) -> None:
    # From a Tuesday: Tuesday itself is a week away.
    assert [due_date(f"… {name}!", language, TUESDAY) for name in names] == [
        date(2026, 11, 30), date(2026, 12, 1), date(2026, 11, 25), date(2026, 11, 26), date(2026, 11, 27),
        date(2026, 11, 28), date(2026, 11, 29),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "in 99999999999 days"), ("pt", "em 99999999999 dias"), ("en", "Mondays"), ("en", "sundaymorning"),
        ("pt", "em dias"), ("en", ""),
    ],
)  # fmt: skip
def test_what_names_no_day_gives_none(language: str, text: str) -> None:
    assert due_date(text, language, TUESDAY) is None


@given(st.text(), st.sampled_from(["pt", "en"]), st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_a_day_is_never_in_the_past_whatever_is_said(text: str, language: str, said_on: date) -> None:
    due_on = due_date(text, language, said_on)
    assert due_on is None or due_on >= said_on


@given(st.integers(0, 9999), st.sampled_from([("pt", "em {} dias"), ("en", "in {} days")]))
def test_a_number_of_days_is_counted_from_the_day_of_the_call(days: int, phrase: tuple[str, str]) -> None:
    assert due_date(phrase[1].format(days), phrase[0], TUESDAY) == TUESDAY + timedelta(days=days)
