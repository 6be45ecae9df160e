"""Writes drafts from templates: the engine that always answers. Each fact that is used is noted as it is put in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined, TemplateNotFound
from jinja2.sandbox import SandboxedEnvironment

from core.kit.errors import BadAnswer, BadInput
from core.ports import Brief, Fact, Text

KINDS = ("follow_up", "objection", "re_engage", "meeting_recap", "proposal")
LANGUAGES = ("pt", "en")
TONES = ("friendly", "formal", "direct")


class _Facts(Mapping[str, str]):
    """Facts by name for a template; remembers which were asked for and there."""

    def __init__(self, facts: tuple[Fact, ...]) -> None:
        self._facts = {fact.name: fact.text for fact in facts}
        self.used: dict[str, None] = {}

    def __getitem__(self, name: str) -> str:
        if name not in self._facts:
            return ""
        self.used[name] = None
        return self._facts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def like(self, start: str) -> list[str]:
        """The facts whose names begin so, such as all topics."""
        return [self[name] for name in self._facts if name.startswith(start)]


class TemplateGenerator:
    """`TextGenerator`. `folder`: `<language>/<kind>.j2`, first line the subject, then an empty line and the body."""

    name = "templates"

    def __init__(self, folder: Path) -> None:
        self._environment = SandboxedEnvironment(
            loader=FileSystemLoader(folder), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
            autoescape=False,  # noqa: S701 - plain text, and facts are clean lines
        )  # fmt: skip

    async def write(self, brief: Brief) -> Text:
        if brief.kind not in KINDS or brief.language not in LANGUAGES or brief.tone not in TONES:
            raise BadInput(f"There is no template for {brief.kind} in {brief.language}, {brief.tone}.")
        facts = _Facts(brief.facts)
        try:
            template = self._environment.get_template(f"{brief.language}/{brief.kind}.j2")
        except TemplateNotFound:
            raise BadAnswer(f"The template {brief.language}/{brief.kind} is missing.") from None
        subject, _, body = template.render(facts=facts, tone=brief.tone).strip().partition("\n")
        return Text(subject.strip(), _tidy(body), self.name, tuple(facts.used))


def _tidy(body: str) -> str:
    """No run of empty lines, none at the ends."""
    lines: list[str] = []
    for line in body.strip().splitlines():
        if line.strip() or (lines and lines[-1]):
            lines.append(line.rstrip())
    return "\n".join(lines)
