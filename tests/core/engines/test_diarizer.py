from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from core.engines import diarizer as module
from core.engines.diarizer import VoiceDiarizer
from core.engines.vad import SileroVad
from core.kit import audio
from core.kit.errors import Unavailable
from core.ports import SAMPLE_RATE_HZ, Span
from tests.fakes.speech import DEMO, models, silence

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def diarizer() -> VoiceDiarizer:
    return VoiceDiarizer(models() / "speaker.npz")


async def two_voices(language: str) -> tuple[np.ndarray, list[Span], list[int]]:
    """The demo call mixed into one channel; its stretches of speech, and who it is for each (0 speaks first)."""
    pcm = (await audio.decode(DEMO / f"call_{language}.opus", max_decoded_s=600, timeout_s=60)).samples
    detector = SileroVad()
    found = sorted(
        ((span, side) for side in (0, 1) for span in detector.speech(pcm[side]) if span.end_s - span.start_s >= 0.5),
        key=lambda pair: pair[0].start_s,
    )
    mixed = pcm.astype(np.int32).sum(axis=0).clip(-32768, 32767).astype(np.int16)
    return mixed, [span for span, _ in found], [side for _, side in found]


@pytest.mark.parametrize("language", ["en", "pt"])
async def test_two_voices_in_one_channel_are_told_apart(diarizer: VoiceDiarizer, language: str) -> None:
    pcm, spans, sides = await two_voices(language)
    labels = diarizer.label(pcm, spans)
    right_s = sum(s.end_s - s.start_s for s, label, side in zip(spans, labels, sides, strict=True) if label == side)
    assert right_s / sum(s.end_s - s.start_s for s in spans) >= 0.95


@pytest.mark.parametrize("side", [0, 1])
async def test_one_voice_is_one(diarizer: VoiceDiarizer, side: int) -> None:
    pcm, spans, sides = await two_voices("en")
    own = [span for span, of in zip(spans, sides, strict=True) if of == side]
    assert set(diarizer.label(pcm, own)) == {0}


async def test_a_vector_has_unit_length_and_does_not_mind_loudness(diarizer: VoiceDiarizer) -> None:
    pcm, spans, _ = await two_voices("en")
    part = module._cut(pcm, max(spans, key=lambda s: s.end_s - s.start_s))
    vector, quieter = diarizer.embed(part), diarizer.embed((part // 4).astype(np.int16))
    assert vector.shape == (256,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert float(vector @ quieter) > 0.98


def test_nothing_to_label_and_silence_do_no_harm(diarizer: VoiceDiarizer) -> None:
    assert diarizer.label(silence(1)[0], []) == []
    assert diarizer.label(silence(3)[0], [Span(0, 1), Span(1, 1.05), Span(2, 3)]) == [0, 0, 0]


def test_clustering_a_long_call_takes_a_moment() -> None:
    rng = np.random.default_rng(0)
    vectors = np.abs(rng.normal(size=(module._MOST_FOUNDERS, 256))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    started = time.process_time()
    centres = module._cluster(vectors, np.ones(len(vectors)), 2)
    assert time.process_time() - started < 10
    assert centres.shape[1] == 256


def test_filters_are_triangles_of_unit_area_that_overlap_by_half() -> None:
    filters = module._filters()
    assert filters.shape == (201, 40)
    assert filters.min() == 0
    # Each mel filter has its peak above the one before, and the wide ones integrate to one.
    assert (np.diff(filters.argmax(axis=0)) >= 0).all()
    assert filters[:, 20:].sum(axis=0) * SAMPLE_RATE_HZ / 400 == pytest.approx(np.ones(20), abs=0.05)


def test_missing_weights_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="salesedge models install"):
        VoiceDiarizer(tmp_path / "speaker.npz").label(silence(1)[0], [Span(0, 1)])
