"""The words of `configs/analysis/lexicon.yaml`, ready to be looked for."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from core.settings import configs_dir

Patterns = Mapping[str, re.Pattern[str]]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """One language's patterns. Topics and objections by kind; the others as one pattern each."""

    topics: Patterns
    objections: Patterns
    objection_cues: re.Pattern[str]
    answers: re.Pattern[str]
    next_steps: re.Pattern[str]
    questions: re.Pattern[str]


@functools.cache
def lexicon(language: str) -> Lexicon:
    raw = yaml.safe_load((configs_dir() / "analysis" / "lexicon.yaml").read_text("utf-8"))

    def kinds(name: str) -> Patterns:
        return {kind: _any(words[language]) for kind, words in raw[name].items()}

    return Lexicon(
        kinds("topics"), kinds("objections"), _any(raw["objection_cues"][language]), _any(raw["answers"][language]),
        _any(raw["next_steps"][language]), _starts(raw["questions"][language]),
    )  # fmt: skip


def _any(stems: Sequence[str]) -> re.Pattern[str]:
    """A stem at the start of a word; engines write an apostrophe as ' or as ’."""
    found = "|".join(re.escape(stem).replace("'", "['’]") for stem in stems)
    return re.compile(rf"\b(?:{found})", re.IGNORECASE)


def _starts(words: Sequence[str]) -> re.Pattern[str]:
    """A sentence that begins with one of the words, perhaps after a short filler."""
    return re.compile(
        r"^(?:(?:so|and|but|well|e|mas|então|bom|ah|oh|okay|ok)[, ]+)*(?:" + "|".join(map(re.escape, words)) + r")\b",
        re.IGNORECASE,
    )
