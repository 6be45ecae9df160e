"""Tells voices apart: a speaker encoder's vectors, clustered.

The encoder is the LSTM of Wan et al., "Generalized End-to-End Loss for Speaker Verification" (arXiv:1710.10467), with
Resemblyzer's weights, run in NumPy: three layers are a few matrix products a frame, and need no framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.kit.errors import Unavailable
from core.ports import SAMPLE_RATE_HZ, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MELS, _WINDOW, _HOP = 40, 400, 160  # 25 ms, 10 ms
_FRAMES = 160  # 1.6 s a vector
_LAYERS, _SIZE = 3, 256
_BATCH = 64
_TARGET_RMS = 10 ** (-30 / 20)
_LEAST_S = 0.8  # shorter stretches do not found a voice, they join the nearest
_SAME_VOICE = 0.75  # cosine of their centres above which two voices are one
_SAME_SLIGHT_VOICE = 0.6  # the same for a voice that is heard little: a few odd stretches look like somebody else
_SLIGHT_SHARE = 0.1
_MOST_FOUNDERS = 600  # clustering grows with the square of this; the longest stretches found the voices


class VoiceDiarizer:
    """`Diarizer` for at most `most_voices` voices. `weights`: the npz of `salesedge models install`."""

    def __init__(self, weights: Path, *, most_voices: int = 2) -> None:
        self._path = weights
        self._most_voices = most_voices
        self._weights: dict[str, NDArray[np.float32]] | None = None

    def label(self, pcm: NDArray[np.int16], spans: Sequence[Span]) -> list[int]:
        """One voice number for each span, counted from 0 in the order in which they are first heard."""
        import numpy as np

        if not spans:
            return []
        vectors = np.stack([self.embed(_cut(pcm, span)) for span in spans])
        lengths = np.array([span.end_s - span.start_s for span in spans])
        founders = np.flatnonzero(lengths >= _LEAST_S)
        if not len(founders):
            founders = np.arange(len(spans))
        founders = founders[np.argsort(-lengths[founders], kind="stable")[:_MOST_FOUNDERS]]
        centres = _cluster(vectors[founders], lengths[founders], self._most_voices)
        nearest = np.argmax(vectors @ centres.T, axis=1)
        order: dict[int, int] = {}
        return [order.setdefault(int(voice), len(order)) for voice in nearest]

    def embed(self, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        """The voice of one stretch: float32 (256,), unit length, the mean over windows of 1.6 s."""
        import numpy as np

        sound = pcm.astype(np.float32) / 32768
        rms = float(np.sqrt(np.mean(sound**2))) if sound.size else 0.0
        sound = sound * (_TARGET_RMS / rms) if rms > 1e-6 else sound
        mel = _mel(np.pad(sound, (0, max(0, _FRAMES * _HOP - sound.size))))
        starts = list(range(0, max(1, len(mel) - _FRAMES + 1), _FRAMES // 2))
        windows = np.stack([mel[start : start + _FRAMES] for start in starts])
        vectors = np.concatenate([self._forward(windows[i : i + _BATCH]) for i in range(0, len(windows), _BATCH)])
        mean = vectors.mean(axis=0)
        result: NDArray[np.float32] = (mean / (np.linalg.norm(mean) + 1e-9)).astype(np.float32)
        return result

    def _load(self) -> dict[str, NDArray[np.float32]]:
        import numpy as np

        if self._weights is None:
            if not self._path.is_file():
                raise Unavailable("There is no speaker model. Run `salesedge models install`.")
            with np.load(self._path, allow_pickle=False) as file:
                self._weights = {name: file[name] for name in file.files}
        return self._weights

    def _forward(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(windows, frames, 40) → (windows, 256), unit length."""
        import numpy as np

        w = self._load()
        layer = windows  # (windows, frames, features)
        for number in range(_LAYERS):
            into = (
                layer @ w[f"lstm.weight_ih_l{number}"].T + w[f"lstm.bias_ih_l{number}"] + w[f"lstm.bias_hh_l{number}"]
            )
            again = w[f"lstm.weight_hh_l{number}"].T
            hidden = np.zeros((len(windows), _SIZE), np.float32)
            cell = np.zeros_like(hidden)
            out = np.empty((*into.shape[:2], _SIZE), np.float32)
            for frame in range(into.shape[1]):
                i, f, g, o = np.split(into[:, frame] + hidden @ again, 4, axis=1)
                cell = _sigmoid(f) * cell + _sigmoid(i) * np.tanh(g)
                hidden = _sigmoid(o) * np.tanh(cell)
                out[:, frame] = hidden
            layer = out
        raw = np.maximum(hidden @ w["linear.weight"].T + w["linear.bias"], 0)
        result: NDArray[np.float32] = raw / (np.linalg.norm(raw, axis=1, keepdims=True) + 1e-9)
        return result


def _cut(pcm: NDArray[np.int16], span: Span) -> NDArray[np.int16]:
    return pcm[round(span.start_s * SAMPLE_RATE_HZ) : round(span.end_s * SAMPLE_RATE_HZ)]


def _cluster(vectors: NDArray[np.float32], weights: NDArray[np.float64], most: int) -> NDArray[np.float32]:
    """Centres of the voices. Agglomerative with average linkage by cosine, down to `most`; then like voices join."""
    import numpy as np

    groups = [[number] for number in range(len(vectors))]
    likeness = (vectors @ vectors.T).astype(np.float64)
    np.fill_diagonal(likeness, -np.inf)
    sizes = weights.astype(np.float64).copy()
    alive = list(range(len(groups)))
    while len(alive) > most:
        view = likeness[np.ix_(alive, alive)]
        best = int(np.argmax(view))
        a, b = alive[best // len(alive)], alive[best % len(alive)]
        merged = (likeness[a] * sizes[a] + likeness[b] * sizes[b]) / (sizes[a] + sizes[b])
        likeness[a], likeness[:, a] = merged, merged
        likeness[a, a] = -np.inf
        sizes[a] += sizes[b]
        groups[a] += groups[b]
        alive.remove(b)
    voices = [groups[a] for a in alive]
    while len(voices) > 1:
        centres = _centres(vectors, weights, voices)
        alike = centres @ centres.T - 2 * np.eye(len(voices), dtype=np.float32)
        a, b = sorted(divmod(int(np.argmax(alike)), len(voices)))
        slight = min(weights[voices[a]].sum(), weights[voices[b]].sum()) < _SLIGHT_SHARE * weights.sum()
        if alike[a, b] < (_SAME_SLIGHT_VOICE if slight else _SAME_VOICE):
            break
        voices[a] += voices.pop(b)
    return _centres(vectors, weights, voices)


def _centres(
    vectors: NDArray[np.float32], weights: NDArray[np.float64], voices: Sequence[list[int]]
) -> NDArray[np.float32]:
    """(voices, 256), unit length: longer stretches count for more."""
    import numpy as np

    centres = np.stack([np.average(vectors[voice], axis=0, weights=weights[voice]) for voice in voices])
    result: NDArray[np.float32] = (centres / (np.linalg.norm(centres, axis=1, keepdims=True) + 1e-9)).astype(np.float32)
    return result


def _sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    result: NDArray[np.float32] = 0.5 * (np.tanh(0.5 * x) + 1)
    return result


def _mel(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power mel spectrogram as librosa makes it: Hann window, centred frames, Slaney filters; (frames, 40)."""
    import numpy as np

    padded = np.pad(sound, _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    filters = _filters()
    parts = [
        (np.abs(np.fft.rfft(frames[i : i + 4000] * window, axis=1)) ** 2) @ filters for i in range(0, len(frames), 4000)
    ]
    result: NDArray[np.float32] = np.concatenate(parts).astype(np.float32)
    return result


def _filters() -> NDArray[np.float64]:
    """Triangles on Slaney's mel scale, each of unit area; (201, 40)."""
    import numpy as np

    def to_mel(hz: float) -> float:
        return 15 + 27 * float(np.log(hz / 1000) / np.log(6.4)) if hz >= 1000 else hz * 3 / 200

    mels = np.linspace(0.0, to_mel(SAMPLE_RATE_HZ / 2), _MELS + 2)
    hz = np.where(mels >= 15, 1000 * 6.4 ** ((mels - 15) / 27), mels * 200 / 3)
    bins = np.linspace(0, SAMPLE_RATE_HZ / 2, _WINDOW // 2 + 1)[:, None]
    rise = (bins - hz[:-2]) / (hz[1:-1] - hz[:-2])
    fall = (hz[2:] - bins) / (hz[2:] - hz[1:-1])
    result: NDArray[np.float64] = np.maximum(0, np.minimum(rise, fall)) * (2 / (hz[2:] - hz[:-2]))
    return result
