"""Foreign audio in, 16 kHz samples out. A child process with limits decodes; nothing of it stays behind."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from core.kit.apart import run_apart
from core.kit.errors import BadAudio, Timeout, TooLarge
from core.ports import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Source = bytes | Path | BinaryIO

_DECODER = Path(__file__).with_name("audio_decoder.py")
_BLOCK_SAMPLES = 60 * SAMPLE_RATE_HZ
# Two channels that differ by less than this (-40 dB) are one channel written twice.
_SAME_SHARE = 0.01

_TARGET_DBFS = -20.0
_MAX_GAIN_DB = 30.0
# One side may be lifted this much more than the other: a quiet person is, an echo stays quieter than its origin.
_MAX_APART_DB = 12.0
_SILENCE_DBFS = -60.0
_KNEE = 0.8


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file holds, found without decoding it whole."""

    duration_s: float
    channels: int
    codec: str
    source_rate_hz: int


@dataclass(frozen=True, slots=True)
class Pcm:
    """`samples`: int16 (channels, samples), 16 kHz, one or two channels that differ."""

    samples: NDArray[np.int16]
    duration_s: float
    source_codec: str
    source_rate_hz: int


async def probe(source: Source, *, max_decoded_s: float, timeout_s: float) -> Probe:
    """Raises `BadAudio`, `TooLarge` or `Timeout`. Decodes the first seconds and counts the rest."""
    async with _answer("probe", source, max_decoded_s, timeout_s) as (found, _):
        return Probe(found["duration_s"], found["channels"], found["codec"], found["source_rate_hz"])


async def decode(source: Source, *, max_decoded_s: float, timeout_s: float) -> Pcm:
    """Raises `BadAudio`, `TooLarge` or `Timeout`."""
    async with _answer("decode", source, max_decoded_s, timeout_s) as (found, folder):
        samples = await asyncio.to_thread(_load, folder, found["channels"])
    return Pcm(samples, samples.shape[1] / SAMPLE_RATE_HZ, found["codec"], found["source_rate_hz"])


@asynccontextmanager
async def _answer(
    mode: str, source: Source, max_decoded_s: float, timeout_s: float
) -> AsyncIterator[tuple[dict[str, Any], Path]]:
    # Made and removed without a pause in between where a cancelled caller could leave it behind.
    folder = Path(tempfile.mkdtemp(prefix="salesedge-audio-"))
    try:
        path = await asyncio.to_thread(_placed, source, folder)
        # Less CPU time than wall time: a file that burns it is told apart from a machine that is busy.
        cpu_s = max(1.0, 0.8 * timeout_s)
        arguments = [mode, str(path), str(folder), str(max_decoded_s), str(cpu_s)]
        yield _judged(await _run(arguments, timeout_s)), folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _placed(source: Source, folder: Path) -> Path:
    if isinstance(source, Path):
        return source
    path = folder / "input"
    if isinstance(source, bytes):
        path.write_bytes(source)
        return path
    source.seek(0)
    with path.open("wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
    source.seek(0)
    return path


async def _run(arguments: list[str], timeout_s: float) -> bytes:
    try:
        return await run_apart(_DECODER, arguments, timeout_s=timeout_s)
    except TimeoutError:
        raise Timeout(f"Decoding the recording took over {timeout_s:.0f} s. Try again when less is going on.") from None


def _judged(printed: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(printed)
    except ValueError:
        raise BadAudio("The file could not be decoded within the limits. Export the recording again.") from None
    if "error" in found:
        raise (TooLarge if found["error"] == "large" else BadAudio)(found["detail"])
    return found


def _load(folder: Path, channels: int) -> NDArray[np.int16]:
    import numpy as np

    parts = [np.fromfile(folder / f"{i}.pcm", np.int16) for i in range(channels)]
    if channels == 2 and _same(parts[0], parts[1]):
        return parts[0][np.newaxis]
    return np.stack(parts)


def _same(left: NDArray[np.int16], right: NDArray[np.int16]) -> bool:
    """Whether both channels hold one signal, but for what a lossy codec adds."""
    import numpy as np

    apart = whole = 0.0
    for start in range(0, left.size, _BLOCK_SAMPLES):
        a, b = (x[start : start + _BLOCK_SAMPLES].astype(np.float32) for x in (left, right))
        apart += float(np.square(a - b).sum(dtype=np.float64))
        whole += float(np.square(a).sum(dtype=np.float64) + np.square(b).sum(dtype=np.float64)) / 2
    return apart <= _SAME_SHARE**2 * whole


def loudness_normalise(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Each channel towards -20 dBFS of its loud parts, peaks bent softly. Silence is left as it is.

    `samples`: int16 (channels, samples), 16 kHz.
    """
    import numpy as np

    levels = [_speech_dbfs(channel) for channel in samples]
    gains = [0.0 if level < _SILENCE_DBFS else min(_MAX_GAIN_DB, _TARGET_DBFS - level) for level in levels]
    heard = [gain for gain, level in zip(gains, levels, strict=True) if level >= _SILENCE_DBFS]
    result = np.empty_like(samples)
    for channel, gain_db, level, out in zip(samples, gains, levels, result, strict=True):
        if level < _SILENCE_DBFS:
            out[:] = channel
            continue
        factor = np.float32(10 ** (min(gain_db, min(heard) + _MAX_APART_DB) / 20) / 32768)
        for start in range(0, channel.size, _BLOCK_SAMPLES):
            part = channel[start : start + _BLOCK_SAMPLES] * factor
            out[start : start + _BLOCK_SAMPLES] = _limited(part) * np.float32(32767)
    return result


def _speech_dbfs(channel: NDArray[np.int16]) -> float:
    """The level of the louder half of the parts that are not silent, so that pauses do not count; -inf: none."""
    import numpy as np

    size = SAMPLE_RATE_HZ // 10
    powers = []
    for start in range(0, channel.size - size + 1, _BLOCK_SAMPLES):
        block = channel[start : start + _BLOCK_SAMPLES]
        frames = block[: block.size // size * size].reshape(-1, size).astype(np.float32) / 32768
        powers.append(np.mean(np.square(frames), axis=1))
    power = np.concatenate(powers) if powers else np.zeros(0, np.float32)
    active = power[power > 10 ** (_SILENCE_DBFS / 10)]
    if not active.size:
        return float("-inf")
    return float(10 * np.log10(np.mean(active[active >= np.median(active)])))


def _limited(part: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear up to the knee, then bent so that nothing passes full scale."""
    import numpy as np

    size = np.abs(part)
    over = size > _KNEE
    if over.any():
        room = 1 - _KNEE
        bent = _KNEE + room * np.tanh((size[over] - _KNEE) / room)
        part[over] = np.copysign(bent, part[over])
    return part
