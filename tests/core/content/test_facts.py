from __future__ import annotations

import dataclasses
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.content.facts import LONGEST, Material, Step, clean, facts_for, first_name, labels, say_date
from core.ports import Fact

MATERIAL = Material(
    deal_id="d1", deal_name="CRM roll-out", value_cents=12_345_678, currency="BRL", contact_name="Dra. Maria Souza",
    seller_name="Ana Martins", company="Northwind", call_id="c1", called_on=date(2026, 11, 24),
)  # fmt: skip


def facts(material: Material = MATERIAL, language: str = "pt") -> dict[str, Fact]:
    return {fact.name: fact for fact in facts_for(material, language)}


def texts(material: Material, language: str = "pt") -> dict[str, str]:
    return {name: fact.text for name, fact in facts(material, language).items()}


@pytest.mark.parametrize(
    ("language", "value", "day"),
    [("pt", "R$ 123.456,78", "terça-feira, 24 de novembro"), ("en", "R$ 123,456.78", "Tuesday, November 24")],
)
def test_money_and_dates_are_written_as_the_language_writes_them(language: str, value: str, day: str) -> None:
    found = texts(MATERIAL, language)
    assert (found["value"], found["called_on"]) == (value, day)


def test_the_first_of_a_month_in_portuguese() -> None:
    assert say_date(date(2026, 12, 1), "pt") == "terça-feira, 1º de dezembro"


def test_every_fact_has_its_source() -> None:
    step = Step("seller", "I will send the proposal", date(2026, 11, 27), "call:c1@90.0")
    found = facts(dataclasses.replace(MATERIAL, topics=(("pricing", "call:c1@12.5"),), steps=(step,)))
    assert found["topic_1"].source == "call:c1@12.5"
    assert found["step_1_due"].source == "call:c1@90.0"
    assert found["value"].source == "deal:d1.value"
    assert all(fact.source for fact in found.values())


def test_what_is_not_known_is_no_fact() -> None:
    bare = Material("d1", "Deal", 0, "BRL", None, "Northwind", "Northwind")
    assert set(facts(bare)) == {"company", "deal_name"}


def test_topics_are_named_at_most_three_and_never_those_that_are_nobodys_business() -> None:
    names = ("small_talk", "pricing", "competition", "security", "support", "contract")
    found = texts(dataclasses.replace(MATERIAL, topics=tuple((name, "call:c1") for name in names)))
    assert [found[f"topic_{n}"] for n in (1, 2, 3)] == ["investimento", "segurança dos dados", "suporte"]
    assert "topic_4" not in found


def test_an_unknown_objection_is_an_open_point() -> None:
    given_ = (("price", "call:c1@1.0"), ("price", "call:c1@9.0"), ("moonlight", "call:c1@5.0"))
    found = facts(dataclasses.replace(MATERIAL, open_objections=given_), "en")
    assert found["objection_price"].source == "call:c1@1.0"
    assert found["objection_other"].text == "the point that is still open"


def test_steps_are_labelled_and_told_once() -> None:
    friday = date(2026, 11, 27)
    steps = (
        Step("seller", "Te mando a proposta até sexta", friday, "call:c1@1.0"),
        Step("seller", "I will send you the proposal by Friday", friday, "call:c1@2.0"),
        Step("customer", "Eu te aviso na segunda", date(2026, 11, 30), "call:c1@3.0"),
        Step("customer", "A gente vai pensando", None, "call:c1@4.0"),
    )
    found = texts(dataclasses.replace(MATERIAL, steps=steps))
    assert (found["step_1"], found["step_1_due"], found["step_1_owner"]) == (
        "proposta", "sexta-feira, 27 de novembro", "Ana"
    )  # fmt: skip
    assert (found["step_2"], found["step_2_owner"]) == ("“Eu te aviso na segunda”", "Maria")
    assert "step_3" not in found


def test_competitors_stay_unnamed_unless_allowed() -> None:
    step = Step("customer", "Na sexta eu comparo com a salesforce", date(2026, 11, 27), "call:c1@1.0")
    named = dataclasses.replace(
        MATERIAL, deal_name="Troca do Salesforce", competitors=("Salesforce", "Salesforce"), steps=(step,)
    )
    quiet = texts(named)
    assert not any("salesforce" in text.casefold() for text in quiet.values())
    assert quiet["comparison"] == "outras opções"
    open_ = texts(dataclasses.replace(named, name_competitors=True))
    assert (open_["competitor_1"], open_["deal_name"]) == ("Salesforce", "Troca do Salesforce")
    assert "competitor_2" not in open_
    assert "comparison" not in open_


@given(st.text())
def test_clean_text_is_one_short_printable_line(text: str) -> None:
    line = clean(text)
    assert len(line) <= LONGEST
    assert line == line.strip()
    assert line.splitlines() in ([], [line])
    assert clean(line) == line


@pytest.mark.parametrize(
    ("name", "first"),
    [("Maria Souza", "Maria"), ("Dr. João Lima", "João"), ("Sra. Dra. Eva", "Eva"), ("Dr.", "Dr."), ("", "")],
)
def test_first_name(name: str, first: str) -> None:
    assert first_name(name) == first


@pytest.mark.parametrize("kind", ["topics", "objections"])
def test_every_label_exists_in_both_languages(kind: str) -> None:
    for label in labels()[kind].values():
        assert label is None or (label["pt"] and label["en"])
