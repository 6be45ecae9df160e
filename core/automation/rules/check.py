"""Checks a condition before it is kept: names the place of each mistake, and what would be right there.

A condition is bounded in size and depth, has no loops and no patterns, so its cost is bounded too.
"""

from __future__ import annotations

import difflib
import math
import re
from typing import Any

from core.automation.rules.definition import Battlecard, Definition
from core.automation.rules.fields import CALLS, Trigger, fields
from core.automation.rules.operators import OPERATORS
from core.kit.errors import FieldProblem

MOST_NODES = 100
MOST_DEPTH = 8
MOST_ITEMS = 50
LONGEST_TEXT = 200
_BRACES = re.compile(r"\{[^{}]*\}")

_SAID: dict[str, tuple[str, str]] = {
    "shape": (
        'precisa ser um objeto com um operador, como {{"<": [{{"var": "score.probability"}}, 0.35]}}',
        'has to be an object with one operator, as {{"<": [{{"var": "score.probability"}}, 0.35]}}',
    ),
    "operator": ("o operador {found} não existe; há {known}", "there is no operator {found}; there are {known}"),
    "count": ("{found} leva {wanted}, e aqui há {given}", "{found} takes {wanted}, and here are {given}"),
    "field": ("o campo {found} não existe{hint}", "there is no field {found}{hint}"),
    "field_text": (
        'precisa do nome de um campo, como {{"var": "deal.stage"}}',
        'needs the name of a field, as {{"var": "deal.stage"}}',
    ),
    "when": (
        "{found} só é conhecido quando `on` é {known}",
        "{found} is only known where `on` is {known}",
    ),
    "type": ("aqui cabe {wanted}, e isto é {given}", "this has to be {wanted}, and it is {given}"),
    "same": ("compara {given} com {wanted}, que nunca são iguais", "compares {given} with {wanted}, never the same"),
    "long": ("tem mais de {most} caracteres", "has more than {most} characters"),
    "items": ("a lista tem mais de {most} itens", "the list has more than {most} items"),
    "number": ("não é um número que se possa comparar", "is no number that can be compared"),
    "size": ("a condição tem mais de {most} partes; divida a regra em duas",
             "the condition has more than {most} parts; make two rules of it"),
    "no_call": (
        "um battlecard fala dos concorrentes de uma ligação: `on` precisa ser {known}",
        "a battlecard is about the competitors of a call: `on` has to be {known}",
    ),
    "placeholder": (
        "o texto só pode ter {{deal}} entre chaves, e tem {found}",
        "the text may hold only {{deal}} in braces, and holds {found}",
    ),
    "depth": ("a condição tem mais de {most} níveis", "the condition is more than {most} levels deep"),
}  # fmt: skip
_KINDS = {
    "number": ("um número", "a number"),
    "text": ("um texto", "a text"),
    "flag": ("sim ou não", "yes or no"),
    "texts": ("uma lista de textos", "a list of texts"),
    "null": ("desconhecido (null)", "unknown (null)"),
}
_COUNTS: dict[str, tuple[int, int]] = {
    "var": (1, 1), "!": (1, 1), "and": (1, MOST_ITEMS), "or": (1, MOST_ITEMS), "+": (2, MOST_ITEMS),
    "*": (2, MOST_ITEMS),
}  # fmt: skip


class _Check:
    def __init__(self, on: Trigger, language: str) -> None:
        self._on = on
        self._column = 0 if language == "pt" else 1
        self.problems: list[FieldProblem] = []
        self._nodes = 0

    def note(self, place: str, what: str, **values: Any) -> None:
        self.problems.append(FieldProblem(place, _SAID[what][self._column].format(**values)))

    def kind(self, kind: str) -> str:
        return _KINDS[kind][self._column]

    def look(self, node: Any, place: str, depth: int = 0) -> str | None:
        """The type of its value; None where that cannot be said, because it is wrong itself."""
        self._nodes += 1
        if self._nodes > MOST_NODES:
            if self._nodes == MOST_NODES + 1:
                self.note(place, "size", most=MOST_NODES)
            return None
        if depth > MOST_DEPTH:
            self.note(place, "depth", most=MOST_DEPTH)
            return None
        if isinstance(node, dict):
            return self._operator(node, place, depth)
        if isinstance(node, list):
            return self._list(node, place)
        return self._plain(node, place)

    def _plain(self, node: Any, place: str) -> str | None:
        if node is None:
            return "null"
        if isinstance(node, bool):
            return "flag"
        if isinstance(node, int | float):
            if not math.isfinite(node) or abs(node) > 1e15:
                self.note(place, "number")
                return None
            return "number"
        if len(node) > LONGEST_TEXT:
            self.note(place, "long", most=LONGEST_TEXT)
            return None
        return "text"

    def _list(self, node: list[Any], place: str) -> str | None:
        if len(node) > MOST_ITEMS:
            self.note(place, "items", most=MOST_ITEMS)
            return None
        wrong = False
        for index, item in enumerate(node):
            if not isinstance(item, str):
                self.note(f"{place}.{index}", "type", wanted=self.kind("text"), given=self._named(item))
                wrong = True
            elif self._plain(item, f"{place}.{index}") is None:
                wrong = True
        return None if wrong else "texts"

    def _named(self, item: Any) -> str:
        if isinstance(item, dict | list):
            return type(item).__name__
        return self.kind("null" if item is None else "flag" if isinstance(item, bool) else "text" if isinstance(item, str) else "number")  # fmt: skip # noqa: E501

    def _operator(self, node: dict[Any, Any], place: str, depth: int) -> str | None:
        if len(node) != 1:
            self.note(place, "shape")
            return None
        name, given = next(iter(node.items()))
        if name not in OPERATORS:
            self.note(place, "operator", found=repr(name[:40]), known=" ".join(OPERATORS))
            return None
        place = f"{place}.{name}"
        if name == "var":
            return self._field(given[0] if isinstance(given, list) and len(given) == 1 else given, place)
        arguments = given if isinstance(given, list) else [given]
        least, most = _COUNTS.get(name, (2, 2))
        if not least <= len(arguments) <= most:
            wanted = str(least) if least == most else f"{least}-{most}"
            self.note(place, "count", found=name, wanted=wanted, given=len(arguments))
            return None
        kinds = [self.look(one, f"{place}.{index}", depth + 1) for index, one in enumerate(arguments)]
        return self._result(name, kinds, place)

    def _result(self, name: str, kinds: list[str | None], place: str) -> str:
        if name in ("and", "or", "!"):
            self._want("flag", kinds, place)
        elif name in ("<", "<=", ">", ">="):
            self._want("number", kinds, place)
        elif name in ("+", "-", "*"):
            self._want("number", kinds, place)
            return "number"
        elif name == "in":
            self._want("text", kinds[:1], place)
            if kinds[1] not in ("texts", None):
                self.note(f"{place}.1", "type", wanted=self.kind("texts"), given=self.kind(kinds[1]))
        elif None not in kinds and kinds[0] != kinds[1] and "null" not in kinds:
            self.note(place, "same", given=self.kind(str(kinds[0])), wanted=self.kind(str(kinds[1])))
        return "flag"

    def _want(self, wanted: str, kinds: list[str | None], place: str) -> None:
        for index, kind in enumerate(kinds):
            if kind not in (wanted, None):
                self.note(f"{place}.{index}", "type", wanted=self.kind(wanted), given=self.kind(kind))

    def _field(self, name: Any, place: str) -> str | None:
        if not isinstance(name, str):
            self.note(place, "field_text")
            return None
        field = fields().get(name)
        if field is None:
            near = difflib.get_close_matches(name[:100], fields(), 2, 0.5)
            hint = ("; talvez " if self._column == 0 else "; perhaps ") + " / ".join(near) if near else ""
            self.note(place, "field", found=repr(name[:100]), hint=hint)
            return None
        if field.when and self._on not in field.when:
            self.note(place, "when", found=name, known=" / ".join(field.when))
            return None
        return field.kind


def problems(condition: Any, on: Trigger, language: str, place: str = "body.condition") -> list[FieldProblem]:
    """All that is wrong with it; empty: it can be kept."""
    check = _Check(on, language)
    if not isinstance(condition, dict):
        check.note(place, "shape")
        return check.problems
    kind = check.look(condition, place)
    if kind not in ("flag", None):
        check.note(place, "type", wanted=check.kind("flag"), given=check.kind(kind))
    return check.problems


def definition_problems(says: Definition, language: str, place: str = "body") -> list[FieldProblem]:
    """All that is wrong with a rule beyond its form."""
    check = _Check(says.on, language)
    for index, action in enumerate(says.actions):
        if isinstance(action, Battlecard) and says.on not in CALLS:
            check.note(f"{place}.actions.{index}.kind", "no_call", known=" / ".join(CALLS))
        text = getattr(action, "text", None) or ""
        for found in _BRACES.findall(text):
            if found != "{deal}":
                check.note(f"{place}.actions.{index}.text", "placeholder", found=found)
    if says.condition is None:
        return check.problems
    return [*check.problems, *problems(says.condition, says.on, language, f"{place}.condition")]
