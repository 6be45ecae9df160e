"""The sound of a running session: what is newest in memory, what is older in the object store, all of it as one file at
the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO
from uuid import UUID

import numpy as np

from core.ports import SAMPLE_RATE_HZ, ObjectStore

if TYPE_CHECKING:
    from numpy.typing import NDArray


_BLOCK = 60 * SAMPLE_RATE_HZ


class Recording:
    """`settled`: all samples before this one lie in the object store, int16, channels interleaved, in objects that are
    named for their first sample. Written again by another host, one is overwritten by the same bytes or by more."""

    def __init__(
        self, objects: ObjectStore, tenant_id: UUID, session: UUID, channels: int, *, settled: int = 0
    ) -> None:
        self._objects = objects
        self._prefix = f"{tenant_id}/live/{session}/"
        self._channels = channels
        self._fresh: list[NDArray[np.int16]] = []
        self.settled = settled

    @property
    def length(self) -> int:
        """Samples of each channel in all."""
        return self.settled + sum(len(part[0]) for part in self._fresh)

    def add(self, samples: NDArray[np.float32]) -> None:
        """float32 (channels, samples) in [-1, 1], the next of the session."""
        scaled = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767)
        self._fresh.append(scaled.astype(np.int16))

    async def settle(self, until: int) -> None:
        """Bring what lies before sample `until` to the object store."""
        fresh = self._joined()
        count = min(until - self.settled, fresh.shape[1])
        if count <= 0:
            return
        await self._objects.put(f"{self._prefix}{self.settled:012d}", fresh[:, :count].T.tobytes())
        self._fresh = [fresh[:, count:]]
        self.settled += count

    async def write(self, file: BinaryIO, *, most_bytes: int) -> None:
        """All of it as FLAC, or as Opus where that would be too large."""
        parts = [await self._objects.get(key) for key in sorted(await self._objects.keys(self._prefix))]
        older = [np.frombuffer(part, np.int16).reshape(-1, self._channels).T for part in parts]
        lossless = 2 * self._channels * self.length < most_bytes
        await asyncio.to_thread(_write, file, [*older, self._joined()], "flac" if lossless else "libopus")

    async def forget(self) -> None:
        for key in await self._objects.keys(self._prefix):
            await self._objects.delete(key)

    def _joined(self) -> NDArray[np.int16]:
        empty = np.zeros((self._channels, 0), np.int16)
        return np.concatenate([empty, *self._fresh], axis=1)


def _write(file: BinaryIO, parts: Sequence[NDArray[np.int16]], codec: str) -> None:
    import av

    layout = "mono" if parts[0].shape[0] == 1 else "stereo"
    with av.open(file, "w", format="flac" if codec == "flac" else "ogg") as container:
        stream: Any = container.add_stream(codec, rate=SAMPLE_RATE_HZ, layout=layout)
        stream.format = "s16"
        stream.codec_context.open()
        waiting: Any = av.AudioFifo()
        at = 0
        for part in parts:
            for begin in range(0, part.shape[1], _BLOCK):
                flat = np.ascontiguousarray(part[:, begin : begin + _BLOCK].T).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(flat, format="s16", layout=layout)
                frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, at, Fraction(1, SAMPLE_RATE_HZ)
                at += frame.samples
                waiting.write(frame)
                for whole in waiting.read_many(stream.codec_context.frame_size):
                    container.mux(stream.encode(whole))
        rest = waiting.read(partial=True)
        if rest is not None:
            container.mux(stream.encode(rest))
        container.mux(stream.encode(None))
    file.seek(0)
