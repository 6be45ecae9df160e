"""Drafts."""

from __future__ import annotations

from collections.abc import Callable

from ray import serve

from core.ports import Brief, Text, TextGenerator


@serve.deployment
class Content:
    def __init__(self, make: Callable[[], TextGenerator]) -> None:
        self._engine = make()

    async def write(self, brief: Brief) -> Text:
        return await self._engine.write(brief)
