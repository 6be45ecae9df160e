"""Sound to turns: decode, find speech, hear each stretch, put the sides together, keep the transcript."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from core.calls import repository, turns
from core.calls.model import Call, Transcript
from core.kit import audio
from core.kit.db import Tx
from core.ports import (
    Diarizer,
    Heard,
    ObjectStore,
    Progress,
    SpeechDetector,
    Transcriber,
)
from core.settings import CallSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# One window is heard while the next is on its way; more would only wait in the replica's queue.
_IN_FLIGHT = 2


async def transcribe(
    tx: Tx, call_id: UUID, *, objects: ObjectStore, transcriber: Transcriber, detector: SpeechDetector,
    diarizer: Diarizer, progress: Progress, settings: CallSettings, hints: Sequence[str],
) -> None:  # fmt: skip
    call = await repository.call(tx, call_id)
    if await repository.transcript(tx, call_id) is not None:
        return
    await progress.set(call_id, "decode", 0.0)
    recording = await objects.get(repository.object_key(call))
    sound = await audio.decode(
        recording, max_decoded_s=settings.max_decoded_s, timeout_s=settings.decode_timeout_s
    )  # fmt: skip
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


def _windows(pcm: NDArray[np.int16], detector: SpeechDetector) -> list[turns.Window]:
    found = [w for number, channel in enumerate(pcm) for w in turns.plan(number, detector.speech(channel))]
    return sorted(found, key=lambda window: window.spans[0].start_s)


async def _hear(
    call: Call, pcm: NDArray[np.int16], windows: Sequence[turns.Window], transcriber: Transcriber, progress: Progress,
    hints: Sequence[str],
) -> tuple[tuple[str, float], list[tuple[turns.Window, Heard]]]:  # fmt: skip
    """Every window, in the language that was given or that the longest window is found to be in."""
    if not windows:
        return (call.language or "pt", 0.0), []
    done = 0

    async def one(window: turns.Window, language: str | None) -> tuple[turns.Window, Heard]:
        nonlocal done
        heard = await transcriber.transcribe(window.cut(pcm), language=language, hints=hints)
        done += 1
        await progress.set(call.id, "transcribe", done / len(windows))
        return window, heard

    longest = max(windows, key=lambda window: window.speech_s)
    first = await one(longest, call.language)
    language = first[1].language
    free = asyncio.Semaphore(_IN_FLIGHT)

    async def in_turn(window: turns.Window) -> tuple[turns.Window, Heard]:
        async with free:
            return await one(window, language)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(in_turn(window)) for window in windows if window is not longest]
    rest = [first, *(task.result() for task in tasks)]
    confidence = 1.0 if call.language else first[1].language_confidence
    return (language, confidence), sorted(rest, key=lambda pair: pair[0].spans[0].start_s)


def _turns(
    call: Call, pcm: NDArray[np.int16], heard: Sequence[tuple[turns.Window, Heard]], diarizer: Diarizer
) -> list[turns.Turn]:
    pieces = [turns.Piece(window, answer.utterances) for window, answer in heard]
    if len(pcm) == 2:
        return turns.stereo(pieces, pcm, seller_channel=call.seller_channel)
    return turns.mono(pieces, pcm[0], diarizer)
