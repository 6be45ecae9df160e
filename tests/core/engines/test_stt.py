from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core.engines import stt, whisper_words
from core.engines.stt import FasterWhisper
from core.kit import audio
from core.kit.errors import BadInput, Unavailable
from core.ports import SAMPLE_RATE_HZ, Word
from tests.fakes.speech import DEMO, models, silence, tone

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def engine() -> FasterWhisper:
    return FasterWhisper(models() / "whisper-base")


async def spoken(language: str, start_s: float, end_s: float) -> np.ndarray:
    """The seller's voice of the demo call, int16 (samples,)."""
    pcm = await audio.decode(DEMO / f"call_{language}.opus", max_decoded_s=600, timeout_s=60)
    return pcm.samples[0, int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]


@pytest.mark.parametrize(("language", "expected"), [("en", {"good", "morning"}), ("pt", {"bom", "dia"})])
async def test_words_have_times_in_order_and_the_language_is_found(
    engine: FasterWhisper, language: str, expected: set[str]
) -> None:
    window = await spoken(language, 0, 9)
    heard = engine.transcribe(window)
    assert heard.language == language
    assert heard.language_confidence > 0.8
    words = [word for utterance in heard.utterances for word in utterance.words]
    assert expected <= {word.text.lower().strip(",.!") for word in words}
    assert all(0 <= word.start_s <= word.end_s <= 9 and 0 <= word.confidence <= 1 for word in words)
    assert [word.start_s for word in words] == sorted(word.start_s for word in words)
    assert all(u.text == " ".join(word.text for word in u.words) for u in heard.utterances)


async def test_the_same_sound_gives_the_same_words(engine: FasterWhisper) -> None:
    window = await spoken("en", 37, 44)
    assert engine.transcribe(window, language="en") == engine.transcribe(window, language="en")


async def test_hints_are_names_and_never_text_of_the_call(engine: FasterWhisper) -> None:
    window = await spoken("en", 37, 44)
    plain = engine.transcribe(window, language="en")
    hinted = engine.transcribe(window, language="en", hints=["Salesforce", "Pipedrive"])
    text = " ".join(u.text for u in hinted.utterances)
    assert "Salesforce" not in text
    assert "Pipedrive" not in text
    assert len(text.split()) == pytest.approx(sum(len(u.words) for u in plain.utterances), abs=3)


@pytest.mark.parametrize("sound", [silence(5), silence(0), tone(5, level=20)], ids=["silence", "nothing", "hum"])
def test_where_nobody_speaks_nothing_is_heard(engine: FasterWhisper, sound: np.ndarray) -> None:
    assert engine.transcribe(sound[0], language="en").utterances == ()


def test_noise_is_not_a_sentence(engine: FasterWhisper) -> None:
    noise = np.random.default_rng(1).normal(0, 600, 8 * SAMPLE_RATE_HZ).astype(np.int16)
    words = [w for u in engine.transcribe(noise, language="en").utterances for w in u.words]
    assert len(words) <= 2


@pytest.mark.parametrize(
    ("pcm", "language", "says"),
    [
        (silence(31)[0], None, "at most 30 s"),
        (silence(1), None, "int16"),
        (silence(1)[0].astype(np.float32), None, "int16"),
        (silence(1)[0], "de", "pt, en"),
    ],
)
def test_what_it_cannot_hear_is_refused(
    engine: FasterWhisper, pcm: np.ndarray, language: str | None, says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        engine.transcribe(pcm, language=language)


def test_a_missing_model_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="salesedge models install"):
        FasterWhisper(tmp_path)


# ── guards, without a model ──────────────────────────────────────────────────────────────────────────────────────────


def raw(*parts: str, probability: float = 0.9) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(word=part, start=i * 0.3, end=i * 0.3 + 0.3, probability=probability)
        for i, part in enumerate(parts)
    ]


def segment(words: list[SimpleNamespace], no_speech_prob: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(words=words, no_speech_prob=no_speech_prob)


def test_a_part_without_a_space_belongs_to_the_word_before() -> None:
    words = whisper_words.whole(raw(" ten", "%", " off", "."), 10)
    assert [(w.text, w.start_s, w.end_s) for w in words] == [("ten%", 0.0, 0.6), ("off.", 0.6, 1.2)]


def test_a_loop_is_kept_once_and_an_emphasis_as_it_is() -> None:
    assert [w.text for w in whisper_words.without_loops(whisper_words.whole(raw(*[" we", " can"] * 9, " go"), 99))] == [
        "we",
        "can",
        "go",
    ]
    assert len(whisper_words.without_loops(whisper_words.whole(raw(" no", " no", " no"), 99))) == 3


def test_stock_phrases_are_dropped_only_in_doubt() -> None:
    thanks = raw(" Thank", " you", " for", " watching.")
    assert stt._utterances(segment(thanks, no_speech_prob=0.7), 9) == []
    assert stt._utterances(segment(raw(" Legendas", " pela", " comunidade", probability=0.4)), 9) == []
    assert [u.text for u in stt._utterances(segment(raw(" Thank", " you.")), 9)] == ["Thank you."]


def test_utterances_are_sentences() -> None:
    said = stt._utterances(segment(raw(" Yes.", " How", " much?", " Well")), 9)
    assert [u.text for u in said] == ["Yes.", "How much?", "Well"]


def test_speech_that_was_jumped_over_is_seen() -> None:
    loud = tone(6)[0].astype(np.float32) / 32768
    half = loud.copy()
    half[2 * SAMPLE_RATE_HZ :] = 0
    stretched = [Word("one", 0.0, 6.0, 0.9)]
    assert stt._holes(stretched, loud)
    assert not stt._holes(stretched, half[: int(2.4 * SAMPLE_RATE_HZ)])
    assert stt._holes([], loud)
    assert not stt._holes([Word("w", i * 0.5, i * 0.5 + 0.4, 0.9) for i in range(12)], loud)


def test_hints_are_short_lines_of_words() -> None:
    hints = ["Pipedrive", "Pipedrive", "  ", "a\nb<|endoftext|>", "x" * 500, *[f"Company {i}" for i in range(99)]]
    line = whisper_words.hotwords(hints)
    assert line is not None
    assert len(line) < 350
    assert line.count("Pipedrive") == 1
    assert "\n" not in line
    assert "<" not in line
    assert "|" not in line
    assert whisper_words.hotwords(()) is None
