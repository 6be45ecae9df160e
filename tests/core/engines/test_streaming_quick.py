"""The quick engine on real weights and the demonstration call: what makes it quick changes nothing."""

from __future__ import annotations

import asyncio
import functools
import random

import numpy as np
import pytest
from numpy.typing import NDArray

from core.engines.beam import Path
from core.engines.streaming_quick import QuickWhisper, _Run, _Tree
from core.engines.streaming_windows import Request
from core.kit import audio
from core.ports import SAMPLE_RATE_HZ, Word
from tests.fakes.speech import DEMO, models

pytestmark = pytest.mark.weights
SECONDS = (2.0, 4.5, 8.0)


@functools.cache
def engine() -> QuickWhisper:
    return QuickWhisper(models() / "whisper-base")


@functools.cache
def demo(language: str) -> NDArray[np.float32]:
    call = asyncio.run(audio.decode(DEMO / f"call_{language}.opus", max_decoded_s=600, timeout_s=60))
    sound: NDArray[np.float32] = call.samples[0].astype(np.float32) / 32768
    return sound[np.flatnonzero(np.abs(sound) > 0.05)[0] :]


def heard(
    language: str, seconds: float, *, agreed: str = "", draft: str = "", careful: bool = False
) -> tuple[Word, ...]:
    window = demo(language)[: round(seconds * SAMPLE_RATE_HZ)]
    job = engine().prepare(Request(window, language, "", agreed, (), draft, careful))
    return engine().decode([job])[0].words


def text(words: tuple[Word, ...]) -> list[str]:
    return [word.text for word in words]


@pytest.mark.parametrize("language", ["en", "pt"])
@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("careful", [False, True])
def test_a_draft_changes_nothing_right_or_wrong(language: str, seconds: float, careful: bool) -> None:
    alone = heard(language, seconds, careful=careful)
    words = text(alone)
    assert len(words) > 2
    shuffled = random.Random(7).sample(words, len(words))
    half = len(words) // 2
    one_wrong = [*words[:half], "zebra", *words[half + 1 :]]
    for draft in (words, words[:half], shuffled, one_wrong, [*words, "and", "then"], ["zebra"] * 200):
        assert text(heard(language, seconds, draft=" ".join(draft), careful=careful)) == words


def test_a_draft_that_is_right_for_the_most_part_saves_most_steps() -> None:
    decoder = engine().decoder
    before = decoder.steps
    words = text(heard("en", 8.0))
    plain = decoder.steps - before
    for draft in (words, ["Oh,", *words], words[:-2]):
        before = decoder.steps
        assert text(heard("en", 8.0, draft=" ".join(draft))) == words
        assert decoder.steps - before < plain / 3


def test_tokens_get_the_same_answers_one_by_one_and_together() -> None:
    whisper = engine()
    job = whisper.prepare(Request(demo("en")[: 3 * SAMPLE_RATE_HZ], "en", "", "", ()))
    states = whisper._heard(job)
    tokens = [50258, 50259, 50359, 50363, 1057, 558, 11]
    decoder = whisper.decoder
    together = decoder.step(tokens, states, decoder.nothing, places=range(len(tokens)), asked=0)
    past, alone = decoder.nothing, []
    for place, token in enumerate(tokens):
        found = decoder.step([token], states, past, places=[place], asked=0)
        past = {name.replace("now_", "past_"): one for name, one in found.items() if name.startswith("now_")}
        alone.append(found["logits"][0, 0])
    # Attention is summed up in another order, and what is rounded to 8 bits can fall to either side.
    apart = np.abs(_shares(together["logits"][0]) - _shares(np.stack(alone))).sum(-1) / 2
    assert apart.max() < 0.06


def test_paths_of_a_tree_get_the_answers_that_each_gets_alone() -> None:
    whisper = engine()
    job = whisper.prepare(Request(demo("en")[: 3 * SAMPLE_RATE_HZ], "en", "", "", ()))
    states, start = whisper._heard(job), [50258, 50259, 50359, 50363]
    paths = [(1057, 558, 11), (1057, 11, 558), (558, 11, 1057)]
    run = _Run(whisper.decoder, states)
    run.feed(start)
    tree = _Tree(run)
    for length in (1, 2, 3):
        told = {path[:length] for path in paths}
        answers = tree.grow([Path(tokens, (0.0,) * length) for tokens in told])
        together = dict(zip(told, answers, strict=True))
    for path in paths:
        alone = _Run(whisper.decoder, states)
        logits = alone.feed([*start, *path])[-1]
        assert np.abs(_shares(logits[None]) - np.exp(together[path])).sum() / 2 < 0.06
        rows = [*range(len(start)), *tree.rows(Path(path, (0.0,) * 3))]
        assert np.allclose(run.scores(rows), alone.scores(range(7)), atol=0.5)


@pytest.mark.parametrize("language", ["en", "pt"])
@pytest.mark.parametrize("seconds", [*SECONDS, 6.0, 10.0])
def test_heard_with_care_it_is_likelier_as_a_whole(language: str, seconds: float) -> None:
    whisper = engine()
    window = demo(language)[: round(seconds * SAMPLE_RATE_HZ)]
    job = whisper.prepare(Request(window, language, "", "", ()))
    states, tokenizer = whisper._heard(job), whisper._windows.tokenizers[language]
    start = [*tokenizer.sot_sequence, tokenizer.no_timestamps]

    def likely(words: tuple[Word, ...]) -> float:
        """The mean logarithm of the shares of all tokens, the end among them."""
        said = [*tokenizer.encode(" " + " ".join(text(words))), tokenizer.eot]
        answers = _Run(whisper.decoder, states).feed([*start, *said])[len(start) - 1 : -1]
        return float(np.log(_shares(answers))[range(len(said)), said].mean())

    quick, careful = (likely(heard(language, seconds, careful=careful)) for careful in (False, True))
    assert careful > quick - 0.02


def _shares(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    found: NDArray[np.float32] = powers / powers.sum(-1, keepdims=True)
    return found
