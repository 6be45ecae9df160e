"""Blocks to passages: short enough to be embedded whole and read at a glance, cut only between sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.knowledge.read import Block

MOST_CHARACTERS = 480
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|\n+")
_PT = "de que não nao uma com para os em você do da por mais são como ou se e o as no na ao"
_EN = "the of and to is in that for with you on are this be or it as by from at an can not"


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document, numbered from 0."""

    number: int
    heading: str
    page: int | None
    text: str


def cut(blocks: Sequence[Block]) -> list[Passage]:
    """Neighbours of one heading and page share a passage where there is room."""
    found: list[Passage] = []
    for block in blocks:
        for sentence in _pieces(block.text):
            last = found[-1] if found else None
            fits = last is not None and len(last.text) + len(sentence) < MOST_CHARACTERS
            if last is not None and fits and (last.heading, last.page) == (block.heading, block.page):
                found[-1] = Passage(last.number, last.heading, last.page, f"{last.text} {sentence}")
            else:
                found.append(Passage(len(found), block.heading[:200], block.page, sentence))
    return found


def sentences(text: str) -> list[str]:
    return [part for piece in _SENTENCE.split(text) if (part := " ".join(piece.split()))]


def language_of(texts: Sequence[str]) -> str:
    """`pt` or `en`, by the commonest words."""
    words = " ".join(texts).lower().split()
    return "pt" if _count(words, _PT) > _count(words, _EN) else "en"


def _count(words: Sequence[str], common: str) -> int:
    known = frozenset(common.split())
    return sum(word in known for word in words)


def _pieces(text: str) -> Iterator[str]:
    """Sentences; one that is longer than a passage is cut between words."""
    for sentence in sentences(text):
        while len(sentence) > MOST_CHARACTERS:
            at = sentence.rfind(" ", 1, MOST_CHARACTERS)
            at = at if at > 0 else MOST_CHARACTERS
            yield sentence[:at].strip()
            sentence = sentence[at:].strip()
        if sentence:
            yield sentence
