"""Does a text say only what it was given? The guard before a draft is kept, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.ports import Brief, Fact, Text

_CLAIMS = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.]+"  # an address
    r"|https?://\S+"
    r"|(?:R\$|US\$|€|£|\$)\s?[\d.,]*\d"  # money
    r"|\d+(?:[.,]\d+)*\s?%?"  # any number
)
_NAMES = re.compile(r"(?<=[a-zà-ÿ,;:] )[A-ZÀ-Ý][\wÀ-ÿ]+(?: [A-ZÀ-Ý][\wÀ-ÿ]+)*")
_LONGEST = 6_000
_ORDINARY = {"CRM", "I", "Abraço", "Atenciosamente"} | set(
    "January February March April May June July August September October November December".split()
)


def untraceable(text: str, facts: Sequence[Fact]) -> list[str]:
    """Numbers, amounts, addresses and names in the text that no fact carries."""
    known = " \n ".join(fact.text for fact in facts)
    claims = _CLAIMS.findall(text) + _NAMES.findall(text)
    return [claim for claim in claims if claim not in _ORDINARY and claim.strip() not in known]


def problems(brief: Brief, text: Text) -> list[str]:
    """Why a draft cannot be kept; empty where it can."""
    found = []
    if not text.subject.strip() or not text.body.strip():
        found.append("empty")
    if "\n" in text.subject or len(text.subject) > 300 or len(text.body) > _LONGEST:
        found.append("malformed")
    said = f"{text.subject}\n{text.body}"
    found += [f"untraceable: {claim}" for claim in untraceable(said, brief.facts)]
    names = {fact.name for fact in brief.facts}
    found += [f"unknown fact: {name}" for name in text.used if name not in names]
    return found
