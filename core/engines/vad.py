"""Finds speech: Silero VAD v6 as it comes with faster-whisper (https://github.com/snakers4/silero-vad)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.ports import SAMPLE_RATE_HZ, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class SileroVad:
    """`SpeechDetector`. A pause under half a second does not end a stretch of speech."""

    def speech(self, pcm: NDArray[np.int16]) -> list[Span]:
        import numpy as np
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        options = VadOptions(
            threshold=0.5, min_speech_duration_ms=150, min_silence_duration_ms=500, speech_pad_ms=200
        )
        found = get_speech_timestamps(pcm.astype(np.float32) / 32768, options)
        return [Span(stamp["start"] / SAMPLE_RATE_HZ, stamp["end"] / SAMPLE_RATE_HZ) for stamp in found]
