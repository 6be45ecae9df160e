"""Whatever hears, hears by these rules."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from core.engines.stt import FasterWhisper, LocalTranscriber
from core.kit import audio
from core.ports import SAMPLE_RATE_HZ, Transcriber
from tests.fakes.engines import FakeTranscriber
from tests.fakes.speech import DEMO, models


@pytest.fixture(scope="module", params=["fake", pytest.param("whisper", marks=pytest.mark.weights)])
def transcriber(request: pytest.FixtureRequest) -> Transcriber:
    if request.param == "fake":
        return FakeTranscriber()
    return LocalTranscriber(FasterWhisper(models() / "whisper-base"))


@pytest.fixture
async def window() -> np.ndarray:
    """Nine seconds of speech, int16 (samples,)."""
    pcm = await audio.decode(DEMO / "call_en.opus", max_decoded_s=600, timeout_s=60)
    return pcm.samples[0, : 9 * SAMPLE_RATE_HZ]


async def test_the_answer_is_whole_and_lies_inside_the_window(transcriber: Transcriber, window: np.ndarray) -> None:
    heard = await transcriber.transcribe(window, language="en")
    assert heard.language == "en"
    assert 0 <= heard.language_confidence <= 1
    assert heard.engine
    assert heard.utterances
    for utterance in heard.utterances:
        assert utterance.text == " ".join(word.text for word in utterance.words)
        assert 0 <= utterance.start_s <= utterance.end_s <= 9
        assert 0 <= utterance.confidence <= 1
        for word in utterance.words:
            assert word.text == word.text.strip() != ""
            assert utterance.start_s <= word.start_s <= word.end_s
            assert 0 <= word.confidence <= 1


async def test_without_a_language_one_of_ours_is_named(transcriber: Transcriber, window: np.ndarray) -> None:
    assert (await transcriber.transcribe(window)).language in ("pt", "en")


async def test_calls_at_once_do_not_mix(transcriber: Transcriber, window: np.ndarray) -> None:
    parts = [window, window[: 4 * SAMPLE_RATE_HZ]]
    together = await asyncio.gather(*(transcriber.transcribe(part, language="en") for part in parts))
    assert together == [await transcriber.transcribe(part, language="en") for part in parts]


async def test_the_loop_goes_on_while_it_listens(transcriber: Transcriber, window: np.ndarray) -> None:
    task = asyncio.ensure_future(transcriber.transcribe(window, language="en"))
    turns = 0
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns >= 1
    assert task.result().utterances
