"""A fallback is what it falls back for: tried in order, and a bad answer falls through like an exception."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from core.content.check import problems
from core.kit.errors import BadAnswer, Unavailable
from core.kit.log import logger
from core.ports import Brief, Text, TextGenerator

T = TypeVar("T")
log = logger("fallback")


async def first_good(tries: Sequence[Callable[[], Awaitable[T]]], *, timeout_s: float) -> T:
    """The first answer that comes in time; `Unavailable` where none does."""
    for number, attempt in enumerate(tries):
        try:
            async with asyncio.timeout(timeout_s):
                return await attempt()
        except Exception as error:
            log.warning("fell_back", number=number, error=type(error).__name__)
    raise Unavailable("None of the engines gave a usable answer. Try again in a moment.")


class FallbackGenerator:
    """`TextGenerator` over several: an answer that says what it was not given counts as none."""

    def __init__(self, generators: Sequence[TextGenerator], *, timeout_s: float = 20.0) -> None:
        self._generators = generators
        self._timeout_s = timeout_s

    async def write(self, brief: Brief) -> Text:
        async def checked(generator: TextGenerator) -> Text:
            text = await generator.write(brief)
            found = problems(brief, text)
            if found:
                raise BadAnswer(f"The draft was refused: {len(found)} problems.")
            return text

        def attempt(generator: TextGenerator) -> Callable[[], Awaitable[Text]]:
            return lambda: checked(generator)

        return await first_good([attempt(generator) for generator in self._generators], timeout_s=self._timeout_s)
