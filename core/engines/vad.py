"""Where there is speech: the Silero model that comes with faster-whisper, on one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.ports import SAMPLE_RATE_HZ, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FRAME = 512
_CONTEXT = 64  # samples before a frame that the model hears with it
# Memory stays the same for any length: one block at a time. The model starts afresh in each.
_BLOCK_SAMPLES = 1875 * _FRAME  # one minute

_SPEECH = 0.5
_SILENCE = 0.35
_MIN_SPEECH_S = 0.15
_MIN_PAUSE_S = 0.3
_PAD_S = 0.2


class SileroVad:
    """A `SpeechDetector`."""

    def __init__(self) -> None:
        from faster_whisper.vad import get_vad_model

        self._model = get_vad_model()

    def speech(self, pcm: NDArray[np.int16]) -> list[Span]:
        """`pcm`: int16 (samples,), mono, 16 kHz → spans with speech in order, padded, never overlapping."""
        return _padded(_spans(self._shares(pcm)), pcm.size / SAMPLE_RATE_HZ)

    def _shares(self, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        """The probability of speech, float32 (frames,), one for each 32 ms."""
        import numpy as np

        found = [np.zeros(0, np.float32)]
        for start in range(0, pcm.size, _BLOCK_SAMPLES):
            block = pcm[start : start + _BLOCK_SAMPLES].astype(np.float32) / 32768
            found.append(self._model(np.pad(block, (0, -block.size % _FRAME))).reshape(-1))
        return np.concatenate(found)


def _spans(shares: NDArray[np.float32]) -> list[Span]:
    """Speech begins above one threshold and ends where it stays under a lower one for a pause."""
    frame_s = _FRAME / SAMPLE_RATE_HZ
    spans: list[Span] = []
    start: int | None = None
    last = 0
    for i, share in enumerate(shares.tolist()):
        if start is None:
            if share >= _SPEECH:
                start = last = i
        elif share >= _SILENCE:
            last = i
        elif (i - last) * frame_s >= _MIN_PAUSE_S:
            spans.append(Span(start * frame_s, (last + 1) * frame_s))
            start = None
    if start is not None:
        spans.append(Span(start * frame_s, (last + 1) * frame_s))
    return [span for span in spans if span.end_s - span.start_s >= _MIN_SPEECH_S]


def _padded(spans: list[Span], duration_s: float) -> list[Span]:
    """Each span a little longer on both sides, sharing a short pause between neighbours."""
    padded = []
    for i, span in enumerate(spans):
        before_s = (span.start_s - spans[i - 1].end_s) / 2 if i else span.start_s
        after_s = (spans[i + 1].start_s - span.end_s) / 2 if i + 1 < len(spans) else duration_s
        end_s = min(span.end_s + min(_PAD_S, after_s), duration_s)
        padded.append(Span(round(span.start_s - min(_PAD_S, before_s), 4), round(end_s, 4)))
    return padded


class SileroMeter:
    """A `SpeechMeter`: the same model, one block after another."""

    def __init__(self) -> None:
        import numpy as np
        from faster_whisper.vad import get_vad_model

        self._session = get_vad_model().session
        self._memory = (np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32))
        self._input = np.zeros((1, _CONTEXT + _FRAME), np.float32)

    def share(self, block: NDArray[np.float32]) -> float:
        """`block`: float32 (512,), mono, 16 kHz → the probability of speech."""
        self._input[0, :_CONTEXT] = self._input[0, -_CONTEXT:]
        self._input[0, _CONTEXT:] = block
        h, c = self._memory
        found, h, c = self._session.run(None, {"input": self._input, "h": h, "c": c})
        self._memory = (h, c)
        return float(found.reshape(-1)[0])
