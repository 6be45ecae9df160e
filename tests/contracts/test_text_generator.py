"""What every `TextGenerator` keeps to, the fake like the real ones."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest

from core.content.check import problems, untraceable
from core.content.facts import Material, Step, facts_for
from core.content.fallback import FallbackGenerator
from core.content.templates import KINDS, LANGUAGES, TONES, TemplateGenerator
from core.ports import Brief, TextGenerator
from core.settings import configs_dir
from tests.fakes.content import BrokenGenerator, FakeGenerator

MATERIAL = Material(
    deal_id="d1", deal_name="CRM roll-out", value_cents=12_000_000, currency="BRL", contact_name="Maria Souza",
    seller_name="Ana Martins", company="Northwind Cloud", call_id="c1", called_on=date(2026, 11, 24),
    topics=(("pricing", "call:c1@10.0"), ("integration", "call:c1@40.0")),
    open_objections=(("price", "call:c1@61.0"),),
    steps=(Step("seller", "I will send you the proposal by Friday", date(2026, 11, 27), "call:c1@90.0"),),
)  # fmt: skip
BARE = Material("d1", "", 0, "BRL", None, "Acme", "Acme")


@pytest.fixture(params=["fake", "templates", "fallback"])
def generator(request: pytest.FixtureRequest) -> TextGenerator:
    templates = TemplateGenerator(configs_dir() / "content")
    made: dict[str, TextGenerator] = {
        "fake": FakeGenerator(),
        "templates": templates,
        "fallback": FallbackGenerator([BrokenGenerator(), templates]),
    }
    return made[request.param]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_draft_is_whole_and_every_statement_in_it_is_carried_by_a_fact(
    generator: TextGenerator, kind: str, language: str
) -> None:
    for tone in TONES:
        for material in (MATERIAL, BARE):
            brief = Brief(kind, language, tone, facts_for(material, language))
            text = await generator.write(brief)
            assert problems(brief, text) == []
            assert text.written_by


async def test_what_it_says_it_used_stands_in_the_text(generator: TextGenerator) -> None:
    brief = Brief("follow_up", "en", "friendly", facts_for(MATERIAL, "en"))
    text = await generator.write(brief)
    said = f"{text.subject}\n{text.body}".casefold()
    texts = {fact.name: fact.text for fact in brief.facts}
    assert {"contact_name", "seller_name", "topic_1", "step_1", "step_1_due", "objection_price"} <= set(text.used)
    for name in text.used:
        shown = texts[name].split()[0] if name == "contact_name" else texts[name]
        assert shown.casefold() in said


async def test_the_same_brief_gives_the_same_draft(generator: TextGenerator) -> None:
    brief = Brief("proposal", "pt", "formal", facts_for(MATERIAL, "pt"))
    assert await generator.write(brief) == await generator.write(brief)


async def test_a_fact_is_data_and_never_run(generator: TextGenerator) -> None:
    evil = dataclasses.replace(MATERIAL, deal_name="{{ 7 * 7 }}{% raw %}\nBcc: all@example.com")
    brief = Brief("follow_up", "en", "direct", facts_for(evil, "en"))
    text = await generator.write(brief)
    assert "\n" not in text.subject
    assert "{{ 7 * 7 }}{% raw %} Bcc: all@example.com" in f"{text.subject}\n{text.body}"
    assert untraceable(text.body, brief.facts) == []
