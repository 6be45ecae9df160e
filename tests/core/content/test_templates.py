from __future__ import annotations

import dataclasses
import itertools
from datetime import date

import pytest

from core.content.check import problems
from core.content.facts import Material, Step, facts_for, labels
from core.content.templates import KINDS, LANGUAGES, TONES, TemplateGenerator
from core.kit.errors import Invalid
from core.ports import Brief, Fact, Text
from core.settings import configs_dir

FULL = Material(
    deal_id="d1", deal_name="CRM roll-out", value_cents=12_000_000, currency="BRL", contact_name="Maria Souza",
    seller_name="Ana Martins", company="Northwind Cloud", account_name="Acme", call_id="c1",
    called_on=date(2026, 11, 24), topics=(("pricing", "c"), ("integration", "c"), ("security", "c")),
    open_objections=tuple((kind, "c") for kind in labels()["objections"]),
    steps=(
        Step("seller", "I will send you the proposal by Friday", date(2026, 11, 27), "c"),
        Step("customer", "Eu te dou um retorno na terça", date(2026, 12, 1), "c"),
        Step("seller", "vamos marcar", None, "c"),
    ),
    competitors=("Salesforce",),
)  # fmt: skip
OPTIONAL = ("contact_name", "called_on", "account_name")
EMPTY = ("topics", "open_objections", "steps", "competitors")


@pytest.fixture(scope="module")
def templates() -> TemplateGenerator:
    return TemplateGenerator(configs_dir() / "content")


async def written(templates: TemplateGenerator, kind: str, language: str, tone: str, material: Material) -> Text:
    return await templates.write(Brief(kind, language, tone, facts_for(material, language)))


@pytest.mark.parametrize(("kind", "language", "tone"), list(itertools.product(KINDS, LANGUAGES, TONES)))
async def test_no_template_says_more_than_its_facts(
    templates: TemplateGenerator, kind: str, language: str, tone: str
) -> None:
    """Whatever is missing: each subset of what may be unknown leaves a whole and traceable draft."""
    known = (*OPTIONAL, *EMPTY)
    for missing in itertools.chain.from_iterable(itertools.combinations(known, n) for n in (0, 1, len(known))):
        change = {name: None if name in OPTIONAL else () for name in missing}
        for named in (False, True):
            material = dataclasses.replace(FULL, name_competitors=named, **change)  # type: ignore[arg-type]
            brief = Brief(kind, language, tone, facts_for(material, language))
            text = await templates.write(brief)
            assert problems(brief, text) == [], missing
            assert "  " not in text.body
            assert "\n\n\n" not in text.body


@pytest.mark.parametrize(("kind", "language", "tone"), list(itertools.product(KINDS, LANGUAGES, TONES)))
async def test_with_no_fact_at_all_there_is_still_a_draft(
    templates: TemplateGenerator, kind: str, language: str, tone: str
) -> None:
    brief = Brief(kind, language, tone, ())
    text = await templates.write(brief)
    assert problems(brief, text) == []
    assert text.used == ()


async def test_a_follow_up_reads_as_a_seller_would_write_it(templates: TemplateGenerator) -> None:
    material = dataclasses.replace(FULL, open_objections=(("price", "c"),))
    text = await written(templates, "follow_up", "en", "friendly", material)
    assert text.subject == "Next steps: CRM roll-out"
    assert text.body.startswith("Hi Maria,\n\nThank you for our conversation on Tuesday, November 24.")
    assert "pricing, integration with the systems you already use and data security" in text.body
    assert "About the investment: " in text.body
    assert "looking at other options" in text.body
    assert "Salesforce" not in text.body
    assert "- Proposal: Friday, November 27 (Ana)\n- “Eu te dou um retorno na terça”: Tuesday, December 1" in text.body
    assert text.body.endswith("Warm regards,\nAna Martins\nNorthwind Cloud")


async def test_a_proposal_names_the_value(templates: TemplateGenerator) -> None:
    text = await written(templates, "proposal", "pt", "formal", FULL)
    assert text.body.startswith("Prezado(a) Maria Souza,\n\nSegue a nossa proposta para CRM roll-out")
    assert "no valor total de R$ 120.000." in text.body
    assert {"value", "deal_name", "contact_name", "company"} <= set(text.used)


async def test_every_kind_of_objection_has_its_own_answer(templates: TemplateGenerator) -> None:
    for language in LANGUAGES:
        answers = set()
        for kind, label in labels()["objections"].items():
            material = dataclasses.replace(FULL, open_objections=((kind, "c"),))
            body = (await written(templates, "objection", language, "direct", material)).body
            [line] = [line for line in body.splitlines() if label[language] in line]
            answers.add(line.partition(": ")[2])
        assert len(answers) == len(labels()["objections"])


async def test_tone_changes_how_it_greets_and_ends(templates: TemplateGenerator) -> None:
    bodies = [(await written(templates, "follow_up", "pt", tone, FULL)).body for tone in TONES]
    assert len({body.splitlines()[0] for body in bodies}) == len(TONES)
    assert len({body.splitlines()[-3] for body in bodies}) == len(TONES)


async def test_the_company_signs_once_where_nobody_owns_the_deal(templates: TemplateGenerator) -> None:
    text = await written(templates, "follow_up", "en", "direct", dataclasses.replace(FULL, seller_name=FULL.company))
    assert text.body.endswith("Best,\nNorthwind Cloud")
    assert "(Northwind Cloud)" in text.body


async def test_only_what_was_said_counts_as_used(templates: TemplateGenerator) -> None:
    text = await written(templates, "re_engage", "en", "friendly", FULL)
    assert "value" not in text.used
    assert not any(name.startswith("step") for name in text.used)


@pytest.mark.parametrize(
    ("brief", "field"),
    [
        (Brief("poem", "en", "formal", ()), "kind"),
        (Brief("follow_up", "fr", "formal", ()), "language"),
        (Brief("follow_up", "en", "../x", ()), "tone"),
    ],
)
async def test_an_unknown_brief_is_refused(templates: TemplateGenerator, brief: Brief, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        await templates.write(brief)
    assert [problem.field for problem in refused.value.problems] == [field]


async def test_a_fact_of_nothing_counts_as_missing(templates: TemplateGenerator) -> None:
    text = await templates.write(Brief("follow_up", "en", "friendly", (Fact("contact_name", "\u200b \n", "x"),)))
    assert text.body.startswith("Hi there,")
