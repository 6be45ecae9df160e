"""What every `StreamTranscriber` does, the fake and the real one; and what the real one hears."""

from __future__ import annotations

import asyncio
import functools

import numpy as np
import pytest
from numpy.typing import NDArray

from core.engines.streaming_batched import BatchedWhisper
from core.engines.streaming_quick import QuickWhisper
from core.engines.streaming_stt import SharedTranscriber
from core.engines.streaming_windows import Engine
from core.engines.vad import SileroMeter
from core.kit import audio
from core.kit.errors import BadInput
from core.live.heard import Heard
from core.live.hearing import Listener
from core.ports import SAMPLE_RATE_HZ, Side
from core.ports_live import StreamTranscriber
from tests.fakes.engines import FakeStreamTranscriber
from tests.fakes.speech import DEMO, models

Sound = NDArray[np.float32]


KINDS = {"quick": QuickWhisper, "batched": BatchedWhisper}


@functools.cache
def _engine(kind: str) -> Engine:
    return KINDS[kind](models() / "whisper-base")


@pytest.fixture(params=list(KINDS))
def real(request: pytest.FixtureRequest) -> SharedTranscriber:
    return SharedTranscriber(_engine(request.param))


@pytest.fixture(scope="module")
def demo() -> Sound:
    """float32 (samples,): the first seconds of the demo call, one channel of it."""
    call = asyncio.run(audio.decode(DEMO / "call_en.opus", max_decoded_s=600, timeout_s=60))
    return call.samples[0, : 14 * SAMPLE_RATE_HZ].astype(np.float32) / 32768


@pytest.fixture(params=["fake", *(pytest.param(kind, marks=pytest.mark.weights) for kind in KINDS)])
def transcriber(request: pytest.FixtureRequest) -> StreamTranscriber:
    return FakeStreamTranscriber() if request.param == "fake" else SharedTranscriber(_engine(request.param))


async def test_words_are_in_order_within_the_window_and_begin_with_what_is_agreed(
    transcriber: StreamTranscriber,
    demo: Sound,
) -> None:
    levels = np.repeat(np.array([0.1, 0.2, 0.3], np.float32), 8000)
    window = levels if isinstance(transcriber, FakeStreamTranscriber) else demo[: 4 * SAMPLE_RATE_HZ]
    first = (await transcriber.decode(window, language="en")).words
    assert len(first) >= 2
    ends_s = [at for word in first for at in (word.start_s, word.end_s)]
    assert ends_s == sorted(ends_s)
    assert ends_s[-1] <= len(window) / SAMPLE_RATE_HZ
    assert all(0 <= word.confidence <= 1 for word in first)
    agreed = "well, " + first[0].text
    second = await transcriber.decode(window, language="en", agreed=agreed)
    assert " ".join(word.text for word in second.words).startswith(agreed)


@pytest.mark.weights
@pytest.mark.parametrize("urgent", [False, True])
async def test_an_agreed_word_that_the_decoder_would_write_on_stays_and_nothing_behind_it_is_lost(
    real: SharedTranscriber, demo: Sound, urgent: bool
) -> None:
    words = [word.text for word in (await real.decode(demo[: 8 * SAMPLE_RATE_HZ], language="en")).words]
    marked = [number for number, word in enumerate(words[:-3], 1) if word[-1] in ",.?!"]
    assert marked
    for number in marked:
        agreed = [*words[: number - 1], words[number - 1][:-1]]
        found = await real.decode(demo[: 8 * SAMPLE_RATE_HZ], language="en", agreed=" ".join(agreed), urgent=urgent)
        assert [word.text for word in found.words[:number]] == agreed
        assert len(found.words) > number


@pytest.mark.weights
async def test_windows_side_by_side_are_told_apart_and_heard_as_alone(real: SharedTranscriber, demo: Sound) -> None:
    windows = [demo[: round(seconds * SAMPLE_RATE_HZ)] for seconds in (2.0, 6.5, 4.0)]
    alone = [await real.decode(window, language="en") for window in windows]
    together = await asyncio.gather(*(real.decode(window, language="en") for window in windows))
    assert [[word.text for word in one.words] for one in together] == [[w.text for w in one.words] for one in alone]
    assert len({one.words for one in alone}) == 3


@pytest.mark.weights
async def test_silence_says_nothing_and_the_language_is_found(real: SharedTranscriber, demo: Sound) -> None:
    assert (await real.decode(np.zeros(SAMPLE_RATE_HZ, np.float32), language="pt")).words == ()
    assert (await real.decode(demo[: 6 * SAMPLE_RATE_HZ])).language == "en"


@pytest.mark.weights
@pytest.mark.parametrize(
    ("window", "language", "wrong"),
    [
        (np.zeros(100, np.int16), "en", "float32"),
        (np.zeros(31 * SAMPLE_RATE_HZ, np.float32), "en", "30 s"),
        (np.zeros(100, np.float32), "xx", "xx"),
    ],
)
async def test_what_it_cannot_hear_is_refused(
    real: SharedTranscriber, window: Sound, language: str, wrong: str
) -> None:
    with pytest.raises(BadInput, match=wrong):
        await real.decode(window, language=language)


@pytest.mark.weights
async def test_any_cut_of_real_speech_gives_the_same_finals(real: SharedTranscriber, demo: Sound) -> None:
    async def finals(samples: int) -> list[Heard]:
        ear = Listener(real, SileroMeter(), side=Side.SELLER, language="en")
        sound = demo[: 8 * SAMPLE_RATE_HZ]
        said = [one for at in range(0, len(sound), samples) for one in await ear.hear(sound[at : at + samples])]
        return [one for one in said + await ear.finish() if one.kind == "final"]

    found = await finals(320)
    assert found
    assert found == await finals(7001)
