"""What is wrong with a rule is told at its place, in both languages; what is right costs little and never fails."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from core.automation.rules.check import MOST_DEPTH, MOST_NODES, definition_problems, problems
from core.automation.rules.course import asked
from core.automation.rules.definition import Definition
from core.automation.rules.fields import TRIGGERS, fields
from core.automation.rules.operators import OPERATORS, compiled, holds
from core.automation.rules.templates import templates


def var(name: str) -> dict[str, Any]:
    return {"var": name}


@pytest.mark.parametrize(
    ("condition", "place", "pt", "en"),
    [
        ({"<": [var("score.probabilty"), 1]}, "body.condition.<.0.var", "score.probability", "perhaps score.probab"),
        ({"and": [{"<": [var("score.low"), "x"]}]}, "body.condition.and.0.<.1", "um número", "has to be a number"),
        ({"when": []}, "body.condition", "não existe", "there is no operator"),
        ({"<": [1]}, "body.condition.<", "leva 2", "takes 2"),
        ({"==": [var("deal.stage"), 3]}, "body.condition.==", "nunca", "never the same"),
        ({"in": ["A", var("call.competitors")]}, "body.condition.in.1.var", "call_understood", "only known where"),
        ({"in": [var("deal.stage"), "won"]}, "body.condition.in.1", "lista de textos", "a list of texts"),
        ({"in": [var("deal.stage"), ["a", 2]]}, "body.condition.in.1.1", "um texto", "a text"),
        (var("deal.value_cents"), "body.condition", "sim ou não", "yes or no"),
        ({"var": 3}, "body.condition.var", "nome de um campo", "name of a field"),
        ([], "body.condition", "um objeto", "an object"),
        ({"==": [var("deal.stage"), "x" * 201]}, "body.condition.==.1", "200 caracteres", "200 characters"),
        ({"<": [var("score.low"), float("inf")]}, "body.condition.<.1", "não é um número", "no number"),
    ],
)
def test_a_mistake_is_told_with_its_place(condition: Any, place: str, pt: str, en: str) -> None:
    [told] = problems(condition, "deal_changed", "pt")
    assert told.field == place
    assert pt in told.message
    [told] = problems(condition, "deal_changed", "en")
    assert en in told.message


def test_a_condition_is_bounded_in_depth_and_size() -> None:
    deep: dict[str, Any] = var("deal.is_open")
    for _ in range(MOST_DEPTH + 1):
        deep = {"!": [deep]}
    assert "levels deep" in problems(deep, "deal_changed", "en")[0].message
    wide = {"and": [{"or": [var("deal.is_open")] * 30}] * 4}
    [told] = problems(wide, "deal_changed", "en")
    assert f"more than {MOST_NODES} parts" in told.message


def test_actions_that_make_no_sense_are_told() -> None:
    says = Definition.model_validate(
        {"name": "x", "on": "deal_changed", "actions": [{"kind": "battlecard"}, {"kind": "notify", "text": "{mood}"}]}
    )
    assert [one.field for one in definition_problems(says, "en")] == ["body.actions.0.kind", "body.actions.1.text"]


NUMBERS = some.one_of(
    some.integers(-(10**15), 10**15), some.floats(-1e15, 1e15),
    some.sampled_from([var(one.name) for one in fields().values() if one.kind == "number"]),
)  # fmt: skip
VALUES = some.recursive(
    NUMBERS,
    lambda inner: some.tuples(some.sampled_from("+-*"), inner, inner).map(lambda made: {made[0]: [made[1], made[2]]}),
    max_leaves=4,
)
FLAGS = some.recursive(
    some.one_of(
        some.tuples(some.sampled_from(["<", "<=", ">", ">=", "==", "!="]), VALUES, VALUES).map(
            lambda made: {made[0]: [made[1], made[2]]}
        ),
        some.just(var("deal.is_open")),
        some.just({"in": [var("deal.stage"), ["proposal", "won"]]}),
        some.just({"in": ["Rival", var("call.competitors")]}),
    ),
    lambda inner: some.one_of(
        inner.map(lambda one: {"!": [one]}),
        some.tuples(some.sampled_from(["and", "or"]), some.lists(inner, min_size=1, max_size=3)).map(
            lambda made: {made[0]: made[1]}
        ),
    ),
    max_leaves=5,
)
FACTS = some.fixed_dictionaries(
    {
        one.name: some.none()
        | {
            "number": some.floats(-1e6, 1e6) | some.integers(-(10**9), 10**9),
            "text": some.text(max_size=5),
            "flag": some.booleans(),
            "texts": some.lists(some.sampled_from(["Rival", "Other"]), max_size=2),
        }[one.kind]
        for one in fields().values()
    }
)


@settings(max_examples=60, deadline=None)
@given(condition=FLAGS, facts=FACTS)
def test_what_was_let_through_never_fails_whatever_is_known(condition: dict[str, Any], facts: dict[str, Any]) -> None:
    if problems(condition, "call_understood", "en"):
        return
    told = holds(compiled(condition), facts)
    assert holds(compiled({"!": [condition]}), facts) is not told
    assert asked(condition) <= fields().keys()


@pytest.mark.parametrize("language", ["pt", "en"])
def test_templates_are_right_and_the_same_in_both_languages(language: str) -> None:
    found = templates(language)
    assert found.keys() == templates("pt").keys()
    for key, says in found.items():
        assert definition_problems(says, language) == []
        other = templates("pt")[key]
        assert (says.on, says.condition, says.wait, says.at_most) == (
            other.on,
            other.condition,
            other.wait,
            other.at_most,
        )


def test_the_docs_name_every_word_and_their_examples_are_right() -> None:
    text = (Path(__file__).resolve().parents[4] / "docs" / "rules.md").read_text("utf-8")
    assert [word for word in (*TRIGGERS, *fields(), *OPERATORS) if f"`{word}`" not in text] == []
    rule, won, _told = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.S))
    assert definition_problems(Definition.model_validate(rule), "en") == []
    assert problems(won, "deal_changed", "en") == []
