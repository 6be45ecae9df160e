from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.content.check import problems, untraceable
from core.content.facts import say_date
from core.kit.money import format_cents
from core.ports import Brief, Fact, Text

FACTS = tuple(
    Fact(name, text, "test")
    for name, text in {
        "contact_name": "Maria Souza",
        "seller_name": "Ana Martins",
        "company": "Northwind Cloud",
        "deal_name": "CRM roll-out 2026",
        "value": "R$ 120.000",
        "called_on": "Tuesday, November 24",
        "step_1_due": "sexta-feira, 27 de novembro",
        "discount": "10%",
        "seats": "35",
        "email": "ana@northwind.com",
        "meeting": "10:30",
    }.items()
)


@pytest.mark.parametrize(
    "text",
    [
        "Thank you, Maria. I'm glad that we talked, and I will come back to you.",
        "Olá, Maria! Agradeço pela conversa. Você pode me dizer o que achou?",
        "It is R$ 120,000.00 in total.",
        "São 120 mil reais.",
        "BRL 120000",
        "On November 24 we met; on 27/11 you get it.",
        "até 27 de novembro, uma sexta",
        "Is Friday fine?",
        "em novembro",
        "10 % off, or ten percent",
        "for 35 people",
        "Write to ana@northwind.com at 10h30, or 10:30 am.",
        "the crm ROLL-OUT 2026",
        "Best,\nAna Martins\nNorthwind Cloud",
        "Northwind's team and Maria's",
        "We may meet one day.",
    ],
)
def test_what_the_facts_carry_passes_however_it_is_written(text: str) -> None:
    assert untraceable(text, FACTS) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is R$ 12.000.", "R$ 12.000"),
        ("It is US$ 120,000.", "US$ 120,000"),
        ("São 130 mil reais.", "130 mil reais"),
        ("That is 120000 euros.", "120000 euros"),
        ("You get 15% off.", "15%"),
        ("vinte por cento de desconto", "vinte por cento"),
        ("We have 10 seats.", "10"),
        ("R$ 35 only", "R$ 35"),
        ("We met on November 25.", "November 25"),
        ("We met on 24 November 2025.", "24 November 2025"),
        ("até 28/11", "28/11"),
        ("on 2026-12-01", "2026-12-01"),
        ("by Thursday", "Thursday"),
        ("na quarta-feira", "quarta-feira"),
        ("até segunda-feira", "segunda-feira"),
        ("in december", "december"),
        ("see you tomorrow", "tomorrow"),
        ("at 11:30", "11:30"),
        ("at 10:30 pm", "10:30 pm"),
        ("It saves twenty hours.", "twenty"),
        ("três vezes mais rápido", "três"),
        ("write to bob@evil.com", "bob@evil.com"),
        ("go to https://evil.example/x now", "https://evil.example/x"),
        ("go to northwind.com.br", "northwind.com.br"),
        ("as Pedro told me", "Pedro"),
        ("Salesforce cannot do that.", "Salesforce"),
        ("we beat HubSpot", "HubSpot"),
        ("it is GDPR compliant", "GDPR"),
        ("as Ana Souza said", "Ana Souza"),
        ("as Maria Martins said", "Maria Martins"),
    ],
)
def test_what_no_fact_carries_is_found(text: str, found: str) -> None:
    assert untraceable(text, FACTS) == [found]


def test_a_number_does_not_pass_because_it_is_part_of_another() -> None:
    assert untraceable("for 12 people, 120 or 135 of them", FACTS) == ["12", "120", "135"]


@given(st.integers(1, 10**10), st.integers(1, 10**10), st.sampled_from(["pt", "en"]), st.sampled_from(["pt", "en"]))
def test_an_amount_passes_in_either_language_and_no_other_does(given_: int, said: int, fact: str, text: str) -> None:
    facts = [Fact("value", format_cents(given_, "BRL", fact), "deal")]
    assert untraceable(f"total: {format_cents(given_, 'BRL', text)}.", facts) == []
    found = untraceable(f"total: {format_cents(said, 'BRL', text)}.", facts)
    assert bool(found) == (said != given_)


@given(st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.dates(date(2026, 1, 1), date(2026, 12, 31)))
def test_a_day_passes_in_either_language_and_no_other_does(given_: date, said: date) -> None:
    facts = [Fact("due", say_date(given_, "pt"), "call")]
    assert untraceable(f"by {say_date(given_, 'en')}.", facts) == []
    assert bool(untraceable(f"by {say_date(said, 'en')}.", facts)) == (said != given_)


@given(st.text(), st.lists(st.text(max_size=30), max_size=3))
def test_any_text_can_be_checked(text: str, facts: list[str]) -> None:
    found = untraceable(text, [Fact(f"fact_{n}", fact, "test") for n, fact in enumerate(facts)])
    assert len(found) == len(set(found))


def test_problems_name_everything_that_is_wrong() -> None:
    brief = Brief("follow_up", "en", "direct", FACTS)
    assert problems(brief, Text("Hello", "Thanks, Maria.", "x", ("contact_name",))) == []
    assert problems(brief, Text(" ", "Thanks.", "x", ())) == ["empty"]
    assert problems(brief, Text("some\nlines", "Thanks.", "x", ())) == ["malformed"]
    assert problems(brief, Text("Hello", "so " * 2_001, "x", ())) == ["malformed"]
    assert problems(brief, Text("15% off", "Thanks.", "x", ("vip",))) == ["untraceable: 15%", "unknown fact: vip"]
