"""Text generators that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from core.kit.errors import BadAnswer
from core.ports import Brief, Text


class FakeGenerator:
    """Says every fact, one a line; or what `answer` makes of the brief. Remembers what it was asked."""

    def __init__(self, answer: Callable[[Brief], Text] | None = None) -> None:
        self._answer = answer or _every_fact
        self.briefs: list[Brief] = []

    async def write(self, brief: Brief) -> Text:
        self.briefs.append(brief)
        return self._answer(brief)


class BrokenGenerator:
    async def write(self, brief: Brief) -> Text:
        raise BadAnswer("This one never writes.")


class SilentGenerator:
    """Never answers."""

    async def write(self, brief: Brief) -> Text:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets the event")


def _every_fact(brief: Brief) -> Text:
    return Text("about our conversation", "\n".join(fact.text for fact in brief.facts) or "hello", "fake",
                tuple(fact.name for fact in brief.facts))  # fmt: skip
