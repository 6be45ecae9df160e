from __future__ import annotations

import numpy as np
import pytest

from core.engines.vad import SileroVad
from core.kit import audio
from core.ports import SAMPLE_RATE_HZ, Span
from tests.fakes.speech import DEMO, silence, tone


@pytest.fixture(scope="module")
def detector() -> SileroVad:
    return SileroVad()


async def sentence() -> np.ndarray:
    """Six seconds of one voice, int16 (samples,)."""
    pcm = await audio.decode(DEMO / "call_en.opus", max_decoded_s=600, timeout_s=60)
    return pcm.samples[0, : 6 * SAMPLE_RATE_HZ]


@pytest.mark.parametrize(
    "sound", [silence(3), silence(0), silence(0.01), tone(3)], ids=["silence", "none", "tick", "tone"]
)
def test_what_is_no_speech_has_no_spans(detector: SileroVad, sound: np.ndarray) -> None:
    assert detector.speech(sound[0]) == []


async def test_speech_between_silences_is_found_where_it_is(detector: SileroVad) -> None:
    voice = await sentence()
    pause = silence(5)[0]
    spans = detector.speech(np.concatenate([pause, voice, pause, voice]))
    inside = [Span(5, 11.3), Span(16, 22)]
    assert all(any(a.start_s - 0.3 <= s.start_s and s.end_s <= a.end_s + 0.3 for a in inside) for s in spans)
    for around in inside:
        found_s = sum(s.end_s - s.start_s for s in spans if around.start_s - 0.3 <= s.start_s < around.end_s)
        assert found_s > 4


async def test_spans_are_in_order_and_inside_the_recording(detector: SileroVad) -> None:
    pcm = (await audio.decode(DEMO / "call_pt.opus", max_decoded_s=600, timeout_s=60)).samples[0]
    spans = detector.speech(pcm)
    assert len(spans) > 5
    edges = [edge for span in spans for edge in (span.start_s, span.end_s)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= pcm.size / SAMPLE_RATE_HZ


async def test_the_edge_of_a_block_neither_loses_nor_doubles_speech(detector: SileroVad) -> None:
    voice = await sentence()
    before = silence(5 * 60 - 3)[0]
    spans = detector.speech(np.concatenate([before, voice, silence(1)[0]]))
    alone = detector.speech(np.concatenate([silence(1)[0], voice, silence(1)[0]]))
    speech_s, alone_s = (sum(s.end_s - s.start_s for s in found) for found in (spans, alone))
    assert speech_s == pytest.approx(alone_s, abs=0.5)
