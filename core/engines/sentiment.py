"""The mood of a text: small linear heads over its vector, as plain arrays beside this file.

`training/sentiment.py` fits them on the sentences of `training/sentences/`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.ports import Embedder, Emotion, Intention, Mood

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEADS = Path(__file__).parent / "heads" / "sentiment.npz"


class SentimentHead:
    """Vectors to moods. Arrays: `<task>_w` (dimensions, classes) and `<task>_b` (classes,) for each task."""

    def __init__(self, path: Path = HEADS) -> None:
        import numpy as np

        with np.load(path, allow_pickle=False) as file:
            self._arrays: dict[str, Any] = {name: file[name] for name in file.files}
        self.meta: dict[str, Any] = json.loads(str(self._arrays.pop("meta")))

    def moods(self, vectors: NDArray[np.float32]) -> list[Mood]:
        """`vectors`: float32 (texts, dimensions), unit length."""
        import numpy as np

        valence = self._odds("valence", vectors)[:, 1]
        arousal = np.clip(self._scores("arousal", vectors)[:, 0], 0, 1)
        emotion, intention = self._odds("emotion", vectors), self._odds("intention", vectors)
        emotions = [Emotion(name) for name in self.meta["emotions"]]
        intentions = [Intention(name) for name in self.meta["intentions"]]
        return [
            Mood(
                valence=round(float(2 * v - 1), 4), valence_confidence=round(float(max(v, 1 - v)), 4),
                arousal=round(float(a), 4),
                emotion=emotions[int(e.argmax())], emotion_confidence=round(float(e.max()), 4),
                intention=intentions[int(i.argmax())], intention_confidence=round(float(i.max()), 4),
            )
            for v, a, e, i in zip(valence, arousal, emotion, intention, strict=True)
        ]  # fmt: skip

    def _scores(self, task: str, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = vectors @ self._arrays[f"{task}_w"] + self._arrays[f"{task}_b"]
        return result

    def _odds(self, task: str, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        scores = self._scores(task, vectors)
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        result: NDArray[np.float32] = raised / raised.sum(axis=1, keepdims=True)
        return result


class EmbeddingSentiment:
    """`SentimentAnalyzer`: whoever embeds, embeds; the head is a few products."""

    def __init__(self, embedder: Embedder, head: SentimentHead) -> None:
        self._embedder = embedder
        self._head = head

    @classmethod
    def load(cls, embedder: Embedder) -> EmbeddingSentiment:
        return cls(embedder, SentimentHead())

    async def analyze(self, texts: Sequence[str]) -> list[Mood]:
        if not texts:
            return []
        return self._head.moods(await self._embedder.embed(texts))
