"""Say a suggestion in words that fit the moment, where a model manages that in time; else it stays as it is written."""

from __future__ import annotations

import asyncio
import re

from core.content.facts import clean
from core.kit.errors import SalesEdgeError
from core.ports import Brief, Fact, TextGenerator

KIND = "live_suggestion"
"""Of the brief: `say` is what to say, `said` what the customer said; both are data."""
_LONGEST = 300
_FIGURES = re.compile(r"\d+(?:[.,]\d+)*")


class Rephraser:
    """`budget_s`: how long it may take; what comes later is thrown away."""

    def __init__(self, generator: TextGenerator, *, budget_s: float = 0.15) -> None:
        self._generator = generator
        self._budget_s = budget_s

    async def rephrase(self, text: str, said: str, language: str) -> str | None:
        """None: not in time, or not to be trusted."""
        facts = (Fact("say", clean(text, _LONGEST), "suggestion"), Fact("said", clean(said), "call"))
        try:
            async with asyncio.timeout(self._budget_s):
                written = await self._generator.write(Brief(KIND, language, "direct", facts))
        except (TimeoutError, SalesEdgeError):
            return None
        if len(written.body) > _LONGEST:
            return None
        found = clean(written.body, _LONGEST)
        return found if found and faithful(found, text) else None


def faithful(new: str, old: str) -> bool:
    """No figure that was not there, and none that went."""
    return sorted(_FIGURES.findall(new)) == sorted(_FIGURES.findall(old))
