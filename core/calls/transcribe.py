"""Sound to turns: decode, find speech, hear each stretch, put the sides together, keep the transcript."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from core.calls import repository, turns
from core.calls.model import Call, Transcript
from core.kit import audio
from core.kit.db import Tx
from core.ports import (
    SAMPLE_RATE_HZ,
    Diarizer,
    Heard,
    ObjectStore,
    Progress,
    Span,
    SpeechDetector,
    Transcriber,
)
from core.settings import CallSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# One window is heard while the next is on its way; more would only wait in the replica's queue.
_IN_FLIGHT = 2


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one channel that is heard in one go."""

    channel: int
    span: Span


async def transcribe(
    tx: Tx, call_id: UUID, *, objects: ObjectStore, transcriber: Transcriber, detector: SpeechDetector,
    diarizer: Diarizer, progress: Progress, settings: CallSettings, hints: Sequence[str],
) -> None:  # fmt: skip
    call = await repository.call(tx, call_id)
    if await repository.transcript(tx, call_id) is not None:
        return
    await progress.set(call_id, "decode", 0.0)
    sound = await audio.decode(
        await objects.get(call.object_key), max_decoded_s=settings.max_decoded_s, timeout_s=settings.decode_timeout_s
    )
    pcm = await asyncio.to_thread(audio.loudness_normalise, sound.samples)
    windows = await asyncio.to_thread(_windows, pcm, detector)
    language, heard = await _hear(call, pcm, windows, transcriber, progress, hints)
    said = await asyncio.to_thread(_turns, call, pcm, heard, diarizer)
    await repository.add(
        tx,
        Transcript(
            id=call_id, tenant_id=tx.tenant_id, language=language[0], language_confidence=language[1],
            engine=heard[0][1].engine if heard else "none", turns=[dataclasses.asdict(turn) for turn in said],
            created_at=tx.clock.now(),
        ),
    )  # fmt: skip
    call.language = language[0]
    await repository.set_status(tx, call_id, "transcribed")


def _windows(pcm: NDArray[np.int16], detector: SpeechDetector) -> list[Window]:
    found = [
        Window(number, span) for number, channel in enumerate(pcm) for span in turns.plan(detector.speech(channel))
    ]
    return sorted(found, key=lambda window: window.span.start_s)


async def _hear(
    call: Call, pcm: NDArray[np.int16], windows: Sequence[Window], transcriber: Transcriber, progress: Progress,
    hints: Sequence[str],
) -> tuple[tuple[str, float], list[tuple[Window, Heard]]]:  # fmt: skip
    """Every window, in the language that was given or that the longest window is found to be in."""
    if not windows:
        return (call.language or "pt", 0.0), []
    done = 0

    async def one(window: Window, language: str | None) -> tuple[Window, Heard]:
        nonlocal done
        start, end = (round(at * SAMPLE_RATE_HZ) for at in (window.span.start_s, window.span.end_s))
        heard = await transcriber.transcribe(pcm[window.channel, start:end], language=language, hints=hints)
        done += 1
        await progress.set(call.id, "transcribe", done / len(windows))
        return window, heard

    longest = max(windows, key=lambda window: window.span.end_s - window.span.start_s)
    first = await one(longest, call.language)
    language = first[1].language
    free = asyncio.Semaphore(_IN_FLIGHT)

    async def in_turn(window: Window) -> tuple[Window, Heard]:
        async with free:
            return await one(window, language)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(in_turn(window)) for window in windows if window is not longest]
    rest = [first, *(task.result() for task in tasks)]
    confidence = 1.0 if call.language else first[1].language_confidence
    return (language, confidence), sorted(rest, key=lambda pair: pair[0].span.start_s)


def _turns(
    call: Call, pcm: NDArray[np.int16], heard: Sequence[tuple[Window, Heard]], diarizer: Diarizer
) -> list[turns.Turn]:
    pieces = [turns.Piece(window.channel, window.span.start_s, answer.utterances) for window, answer in heard]
    if len(pcm) == 2:
        return turns.stereo(pieces, pcm, seller_channel=call.seller_channel)
    return turns.mono(pieces, pcm[0], diarizer)
