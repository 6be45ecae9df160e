"""Writes a draft from the templates in `configs/content`. It can only say what a fact carries, and it records which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.content.facts import clean, first_name
from core.kit.errors import FieldProblem, Invalid
from core.ports import Brief, Text

KINDS = ("follow_up", "objection", "re_engage", "meeting_recap", "proposal")
LANGUAGES = ("pt", "en")
TONES = ("friendly", "formal", "direct")


class TemplateGenerator:
    """A `TextGenerator` that needs no model. `folder` holds `<language>/<kind>.j2`: subject, empty line, body."""

    def __init__(self, folder: Path) -> None:
        from jinja2 import FileSystemLoader, StrictUndefined
        from jinja2.sandbox import SandboxedEnvironment

        # Plain text, so nothing is escaped; a fact is a value and is never read as a template.
        self._environment = SandboxedEnvironment(
            loader=FileSystemLoader(folder), undefined=StrictUndefined, autoescape=False,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._environment.filters["capital"] = lambda text: text[:1].upper() + text[1:]

    async def write(self, brief: Brief) -> Text:
        _check(brief)
        said = _Said({fact.name: clean(fact.text) for fact in brief.facts}, brief.language)
        template = self._environment.get_template(f"{brief.language}/{brief.kind}.j2")
        written = template.render(tone=brief.tone, **said.helpers())
        subject, _, body = written.strip().partition("\n\n")
        return Text(" ".join(subject.split()), _tidy(body), "templates", tuple(said.used))


class _Said:
    """The facts of one draft; remembers which were said."""

    def __init__(self, facts: Mapping[str, str], language: str) -> None:
        self._facts = {name: text for name, text in facts.items() if text}
        self._and = {"pt": " e ", "en": " and "}[language]
        self.used: dict[str, None] = {}

    def helpers(self) -> dict[str, Any]:
        return {"has": self.has, "say": self.say, "first": self.first, "each": self.each, "listing": self.listing}

    def has(self, name: str) -> bool:
        return name in self._facts

    def say(self, name: str) -> str:
        if name not in self._facts:
            raise Invalid(f"The template says {name}, which the brief lacks: ask has('{name}') first.")
        self.used[name] = None
        return self._facts[name]

    def first(self, name: str) -> str:
        """The first name of a person."""
        return first_name(self.say(name))

    def each(self, kind: str) -> list[str]:
        """The names of all facts of a kind: `step` → `step_1`, `step_2`."""
        return [name for name in self._facts if re.fullmatch(rf"{kind}_[^_]+", name)]

    def listing(self, kind: str) -> str:
        """All facts of a kind in one phrase: `a, b and c`."""
        texts = [self.say(name) for name in self.each(kind)]
        return self._and.join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))


def _check(brief: Brief) -> None:
    problems = [
        FieldProblem(field, f"is none of {', '.join(known)}")
        for field, value, known in (
            ("kind", brief.kind, KINDS), ("language", brief.language, LANGUAGES), ("tone", brief.tone, TONES),
        )
        if value not in known
    ]  # fmt: skip
    if problems:
        raise Invalid("There is no template for this brief.", problems=problems)


def _tidy(body: str) -> str:
    lines = "\n".join(line.rstrip() for line in body.strip().splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines)
