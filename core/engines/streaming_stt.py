"""Speech to text for windows that grow, of many sessions on one model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.engines.streaming_windows import Engine, Job, Request
from core.ports_live import Hypothesis

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.settings import ModelSettings

_PATIENCE_S = 0.5  # what is not urgent waits so much longer


def make(models: ModelSettings, *, most: int, threads: int) -> SharedTranscriber:
    """On the model that transcribes recorded calls. `most`: windows in one pass, which takes so many threads."""
    folder = models.dir / models.stt
    if models.stt_device == "cpu":
        from core.engines.streaming_quick import QuickWhisper

        return SharedTranscriber(QuickWhisper(folder, threads=threads), most=most)
    from core.engines.streaming_batched import BatchedWhisper

    batched = BatchedWhisper(folder, device=models.stt_device, compute_type=models.stt_compute_type, threads=threads)
    return SharedTranscriber(batched, most=most)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    job: Job
    answer: asyncio.Future[Hypothesis]
    at_s: float
    due_s: float


class SharedTranscriber:
    """A `StreamTranscriber` of many sessions around one engine: windows that wait for it share its next pass, those
    that are due first (earliest deadline first: Liu and Layland, JACM 20(1), 1973)."""

    def __init__(self, engine: Engine, *, most: int = 4) -> None:
        """`most`: windows in one pass."""
        self._engine = engine
        self._most = most
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live-stt")
        self._waiting: list[_Asked] = []
        self._working: asyncio.Task[None] | None = None

    async def decode(
        self, window: NDArray[np.float32], *, language: str | None = None, prompt: str = "", agreed: str = "",
        draft: str = "", hints: Sequence[str] = (), urgent: bool = False,
    ) -> Hypothesis:  # fmt: skip
        job = self._engine.prepare(Request(window, language, prompt, agreed, tuple(hints), draft, careful=urgent))
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        asked = _Asked(job, loop.create_future(), now_s, now_s + (0.0 if urgent else _PATIENCE_S))
        self._waiting.append(asked)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await asked.answer

    async def _work(self) -> None:
        """Until nobody waits: what is due first, and those of its kind."""
        while self._waiting:
            self._waiting.sort(key=lambda one: one.due_s)
            kind = self._waiting[0].job.kind
            now = [one for one in self._waiting if one.job.kind == kind][: self._most]
            for one in now:
                self._waiting.remove(one)
            # Some who asked may be gone.
            await self._answer([one for one in now if not one.answer.done()])

    async def _answer(self, asked: Sequence[_Asked]) -> None:
        if not asked:
            return
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        try:
            found = await loop.run_in_executor(self._thread, self._engine.decode, [one.job for one in asked])
        except Exception as error:
            for one in asked:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        for one, hypothesis in zip(asked, found, strict=True):
            if not one.answer.done():
                one.answer.set_result(replace(hypothesis, waited_s=begun_s - one.at_s))
