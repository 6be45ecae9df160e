"""The ports of core over Serve handles: whoever holds one cannot tell it from an engine.

Every call here only asks, so one that loses its replica is sent again to another. A full queue and a part that stays
away become `Unavailable`, which callers know how to treat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from core.kit.errors import SalesEdgeError, Unavailable
from core.kit.retry import backoff_s
from core.ports import Brief, Heard, Mood, Prediction, Question, Text
from core.ports_live import Hypothesis

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TRIES = 8


async def ask(handle: Any, method: str, *arguments: Any) -> Any:
    """Call a deployment; a lost replica or a full queue is tried again for some seconds."""
    from ray.exceptions import RayActorError, RayTaskError
    from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

    for attempt in range(_TRIES):
        try:
            return await getattr(handle, method).remote(*arguments)
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, SalesEdgeError) else None
            if cause is not None:
                raise cause from None
            raise
        except (RayActorError, BackPressureError, DeploymentUnavailableError):
            await asyncio.sleep(backoff_s(attempt, base_s=0.1, most_s=4.0))
    raise Unavailable("A model does not answer just now. Try again in a moment.")


class RemoteTranscriber:
    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def transcribe(
        self, pcm: NDArray[np.int16], *, language: str | None = None, hints: Sequence[str] = ()
    ) -> Heard:
        heard: Heard = await ask(self._handle, "transcribe", pcm, language, tuple(hints))
        return heard


class RemoteStreamTranscriber:
    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def decode(
        self, window: NDArray[np.float32], *, language: str | None = None, prompt: str = "", agreed: str = "",
        draft: str = "", hints: Sequence[str] = (), urgent: bool = False,
    ) -> Hypothesis:  # fmt: skip
        import numpy as np

        pcm = np.clip(np.rint(window * np.float32(32768)), -32768, 32767).astype(np.int16)
        found: Hypothesis = await ask(
            self._handle, "decode", pcm, language, prompt, agreed, draft, tuple(hints), urgent
        )
        return found


class RemoteEmbedder:
    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = await ask(self._handle, "embed", list(texts))
        return vectors


class RemoteSentiment:
    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def analyze(self, texts: Sequence[str]) -> list[Mood]:
        moods: list[Mood] = await ask(self._handle, "analyze", list(texts))
        return moods


class RemotePredictor:
    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def predict(
        self, tenant_id: UUID, rows: Sequence[Question], *, context: str = "forecast", source: str = "flow",
        strict: bool = False, what_if: bool = False,
    ) -> list[Prediction]:  # fmt: skip
        how = {"context": context, "source": source, "strict": strict, "what_if": what_if}
        predictions: list[Prediction] = await ask(self._handle, "predict", tenant_id, list(rows), how)
        return predictions


class _Late:
    """The handle of a deployment that need not run yet: it is looked for when it is first asked."""

    def __init__(self, deployment: str, app: str) -> None:
        self._deployment = deployment
        self._app = app
        self._handle: Any = None

    def __getattr__(self, method: str) -> Any:
        from ray import serve
        from ray.serve.exceptions import RayServeException

        if self._handle is None:
            try:
                self._handle = serve.get_deployment_handle(self._deployment, self._app)
            except RayServeException:
                raise Unavailable(f"{self._deployment} does not run yet.") from None
        return getattr(self._handle, method)


def forecasting(app: str) -> RemotePredictor:
    """The engine of a running app, for processes beside it."""
    return RemotePredictor(_Late("forecasting", app))


class RemoteGenerator:
    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def write(self, brief: Brief) -> Text:
        text: Text = await ask(self._handle, "write", brief)
        return text
