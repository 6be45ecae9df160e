"""A card about a competitor for the moment in which he is named: what he is good at, where we are better, what to ask.

It says what the tenant entered about the competitor and nothing else; of one about whom nothing is known there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.competitors.model import Competitor

_SAYS = {
    "pt": ("Pontos fortes de {name}: {those}.", "Pontos fracos: {those}.", "Pergunte como resolvem hoje: {first}."),
    "en": ("{name} is strong at: {those}.", "Weak at: {those}.", "Ask how they handle this today: {first}."),
}


@dataclass(frozen=True, slots=True)
class Battlecard:
    competitor_id: UUID
    name: str
    strengths: tuple[str, ...]
    weaknesses: tuple[str, ...]
    text: str


def battlecard(competitor: Competitor, language: str) -> Battlecard | None:
    strengths, weaknesses = tuple(competitor.strengths), tuple(competitor.weaknesses)
    if not strengths and not weaknesses:
        return None
    strong, weak, ask = _SAYS[language]
    lines = [strong.format(name=competitor.name, those=_list(strengths))] if strengths else [f"{competitor.name}."]
    if weaknesses:
        lines += [weak.format(those=_list(weaknesses)), ask.format(first=_list(weaknesses[:1]))]
    return Battlecard(competitor.id, competitor.name, strengths, weaknesses, " ".join(lines))


def _list(phrases: Sequence[str]) -> str:
    return ", ".join(phrase.rstrip(".") for phrase in phrases[:4])
