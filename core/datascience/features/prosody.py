"""How each side of a call sounded: timbre (MFCC, Davis and Mermelstein, 1980), pitch, level, pace and pauses, in NumPy.

For pace, clarity and the quality of the line. Never for emotion: the EU bans inferring it from a voice at work.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.calls.turns import Turn
from core.datascience.features.behaviour import SIDES, pauses_s
from core.ports import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Frames = NDArray[np.float32]

COEFFICIENTS = 13
MOST_SPEECH_S = 600.0  # of a side: enough to know how somebody sounds
_FRAME, _HOP, _FFT = 400, 160, 512  # 25 ms every 10 ms
_BANDS, _LOW_HZ, _HIGH_HZ = 26, 50.0, 7_600.0
_PITCH_FRAME, _PITCH_HOP = 1024, 320  # 64 ms every 20 ms: two periods of the lowest voice and more
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 400.0
_VOICED = 0.5  # of the signal's own power that repeats after a period
_SILENT_DB = -55.0
_LEAST_FRAMES = 20


def build(samples: NDArray[np.int16], turns: Sequence[Turn], *, seller_channel: int) -> dict[str, Any]:
    """`samples`: int16 (channels, samples), 16 kHz. A side that is not known, or hardly heard, has no values."""
    found: dict[str, Any] = {}
    for side in SIDES:
        mine = [turn for turn in turns if turn.speaker == side]
        channel = 0 if len(samples) == 1 else seller_channel if side == "seller" else 1 - seller_channel
        heard = _heard(samples[channel], mine)
        if heard is not None:
            found |= {f"{side}_{name}": value for name, value in {**heard, **_pace(mine)}.items()}
    return found


def _heard(pcm: NDArray[np.int16], turns: Sequence[Turn]) -> dict[str, Any] | None:
    import numpy as np

    timbre, levels, pitches = [], [], []
    left_s = MOST_SPEECH_S
    for turn in turns:
        end_s = min(turn.end_s, turn.start_s + left_s)
        left_s -= end_s - turn.start_s
        part: Frames = pcm[round(turn.start_s * SAMPLE_RATE_HZ) : round(end_s * SAMPLE_RATE_HZ)].astype(
            np.float32
        ) / np.float32(32768)
        loud = _levels_db(part) > _SILENT_DB
        timbre.append(mfcc(part)[loud])
        levels.append(_levels_db(part)[loud])
        pitches.append(pitch_hz(part))
        if left_s <= 0:
            break
    if sum(len(level) for level in levels) < _LEAST_FRAMES:
        return None
    level = np.concatenate(levels)
    coefficients, pitch = np.concatenate(timbre), np.concatenate(pitches)
    voiced = pitch[pitch > 0]
    middle = float(np.median(voiced)) if voiced.size else None
    return {
        "mfcc_mean": _rounded(coefficients.mean(axis=0)), "mfcc_std": _rounded(coefficients.std(axis=0)),
        "energy_db": round(float(level.mean()), 3), "energy_spread_db": round(float(level.std()), 3),
        "pitch_hz": round(middle, 2) if middle else None,
        "pitch_spread": round(float(np.std(12 * np.log2(voiced / middle))), 3) if middle else None,
        "voiced_share": round(voiced.size / pitch.size, 4) if pitch.size else None,
    }  # fmt: skip


def _pace(turns: Sequence[Turn]) -> dict[str, Any]:
    speech_s = sum(turn.end_s - turn.start_s for turn in turns)
    paused_s = sum(pause for turn in turns for pause in pauses_s(turn))
    words = sum(len(turn.words) for turn in turns)
    return {
        "words_per_s": round(words / (speech_s - paused_s), 3) if speech_s > paused_s else None,
        "pause_share": round(min(1.0, paused_s / speech_s), 4) if speech_s else None,
    }


def mfcc(pcm: Frames) -> Frames:
    """`pcm`: float32 (samples,) in [-1, 1], 16 kHz → float32 (frames, 13)."""
    import numpy as np

    frames = _frames(pcm, _FRAME, _HOP) * np.hanning(_FRAME).astype(np.float32)
    power = np.abs(np.fft.rfft(frames, _FFT)) ** 2 / _FFT
    logs = np.log(np.maximum(power @ _bands().T, 1e-10))
    result: Frames = (logs @ _cosines().T).astype(np.float32)
    return result


def pitch_hz(pcm: Frames) -> Frames:
    """float32 (frames,): the fundamental frequency of each frame by autocorrelation (Boersma, 1993); 0: no voice."""
    import numpy as np

    frames = _frames(pcm, _PITCH_FRAME, _PITCH_HOP)
    frames = frames - frames.mean(axis=1, keepdims=True)
    window = np.hanning(_PITCH_FRAME).astype(np.float32)
    own = _autocorrelation(window[np.newaxis])
    raw = _autocorrelation(frames * window)
    shortest, longest = int(SAMPLE_RATE_HZ / _HIGHEST_HZ), int(SAMPLE_RATE_HZ / _LOWEST_HZ)
    # What the window itself takes away at each lag is given back.
    fair = raw[:, : longest + 2] / np.maximum(raw[:, :1], 1e-9) * (own[:, :1] / own[:, : longest + 2])
    lags = np.arange(shortest, longest + 1)
    before, at, after = (fair[:, shortest + step : longest + 1 + step] for step in (-1, 0, 1))
    # A period is rarely a whole number of samples: its top is that of the parabola through three of them.
    bend = np.minimum(before - 2 * at + after, -1e-9)
    shift = np.clip(0.5 * (before - after) / bend, -0.5, 0.5)
    height = at - 0.25 * (before - after) * shift
    # Multiples of a period repeat as well: a shorter one wins by a little.
    marks = np.where((at >= before) & (at >= after), height - 0.02 * np.log2(lags / shortest), -1.0)
    best = marks.argmax(axis=1) if len(marks) else np.zeros(0, np.int64)
    rows = np.arange(len(best))
    loud = 10 * np.log10(np.maximum((frames**2).mean(axis=1), 1e-12)) > _SILENT_DB
    heard = loud & (height[rows, best] > _VOICED)
    result: Frames = np.where(heard, SAMPLE_RATE_HZ / (lags[best] + shift[rows, best]), 0.0).astype(np.float32)
    return result


def _autocorrelation(frames: Frames) -> Frames:
    import numpy as np

    spectrum = np.fft.rfft(frames, 2 * _PITCH_FRAME)
    result: Frames = np.fft.irfft(np.abs(spectrum) ** 2)[:, :_PITCH_FRAME].astype(np.float32)
    return result


def _levels_db(pcm: Frames) -> Frames:
    import numpy as np

    power = (_frames(pcm, _FRAME, _HOP) ** 2).mean(axis=1)
    result: Frames = 10 * np.log10(np.maximum(power, 1e-12))
    return result


def _frames(pcm: Frames, size: int, hop: int) -> Frames:
    """float32 (frames, size); none where the sound is shorter than one."""
    import numpy as np

    if len(pcm) < size:
        return np.zeros((0, size), np.float32)
    return np.lib.stride_tricks.sliding_window_view(pcm, size)[::hop]


def _rounded(values: Frames) -> list[float]:
    return [round(float(value), 4) for value in values]


@functools.cache
def _bands() -> Frames:
    """Triangles on the mel scale: float32 (bands, bins)."""
    import numpy as np

    def mel(hz: float) -> float:
        return 2595 * math.log10(1 + hz / 700)

    edges_mel = np.linspace(mel(_LOW_HZ), mel(_HIGH_HZ), _BANDS + 2)
    edges = 700 * (10 ** (edges_mel / 2595) - 1)
    bins = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE_HZ)
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    result: Frames = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return result


@functools.cache
def _cosines() -> Frames:
    """The orthonormal DCT-II: float32 (coefficients, bands)."""
    import numpy as np

    k, n = np.arange(COEFFICIENTS)[:, None], np.arange(_BANDS)[None]
    scale = np.where(k == 0, math.sqrt(1 / _BANDS), math.sqrt(2 / _BANDS))
    result: Frames = (scale * np.cos(math.pi * k * (2 * n + 1) / (2 * _BANDS))).astype(np.float32)
    return result
