"""The mood of texts: a small head over the vectors of the embeddings deployment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ray import serve

from core.ports import Embedder, Mood, SentimentAnalyzer
from deployments.clients import RemoteEmbedder


@serve.deployment
class SentimentAnalysis:
    def __init__(self, make: Callable[[Embedder], SentimentAnalyzer], embeddings: Any) -> None:
        self._engine = make(RemoteEmbedder(embeddings))

    async def analyze(self, texts: Sequence[str]) -> list[Mood]:
        return await self._engine.analyze(texts)
