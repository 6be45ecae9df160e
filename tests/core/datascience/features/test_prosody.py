"""Pitch, level, pace and timbre of sounds whose answer is known."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from core.calls.turns import Turn
from core.datascience.features.definitions import CALL_VOICE
from core.datascience.features.kinds import checked
from core.datascience.features.prosody import build, mfcc, pitch_hz
from core.ports import SAMPLE_RATE_HZ, Word
from tests.architecture.source import sources


def voice(hz: float, duration_s: float, level: float = 0.2) -> NDArray[np.float32]:
    """A buzz with twelve harmonics, as a throat makes it."""
    at = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    sound = sum(np.sin(2 * np.pi * hz * k * at) / k for k in range(1, 13))
    return (level * sound / np.abs(sound).max()).astype(np.float32)


def turn(speaker: str, start_s: float, end_s: float, words: int = 4) -> Turn:
    each_s = (end_s - start_s) / words
    spoken = tuple(Word("la", start_s + n * each_s, start_s + (n + 1) * each_s, 0.9) for n in range(words))
    return Turn(speaker, start_s, end_s, "la " * words, spoken, 0.9)


def pcm(sound: NDArray[np.float32]) -> NDArray[np.int16]:
    return (sound * 32767).astype(np.int16)


@pytest.mark.parametrize("hz", [80.0, 118.0, 205.0, 330.0])
def test_the_pitch_of_a_voice_is_found(hz: float) -> None:
    found = pitch_hz(voice(hz, 1.0))
    assert np.median(found) == pytest.approx(hz, rel=0.01)
    assert (found > 0).mean() == 1


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE_HZ).astype(np.float32)
    assert (pitch_hz(noise) > 0).mean() < 0.05
    assert not pitch_hz(np.zeros(SAMPLE_RATE_HZ, np.float32)).any()


def test_timbre_is_that_of_the_sound_and_its_loudness_is_in_the_first_coefficient_alone() -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, SAMPLE_RATE_HZ).astype(np.float32)
    quiet, loud = mfcc(noise).mean(axis=0), mfcc(4 * noise).mean(axis=0)
    # Four times the amplitude is log(16) more power in each of 26 bands.
    assert loud[0] - quiet[0] == pytest.approx(np.log(16) * np.sqrt(26), rel=0.01)
    assert np.allclose(loud[1:], quiet[1:], atol=0.05)
    assert np.abs(mfcc(voice(120, 1.0)).mean(axis=0)[1:] - quiet[1:]).max() > 1
    assert mfcc(np.zeros(10, np.float32)).shape == (0, 13)


def test_each_side_is_heard_on_its_own_channel() -> None:
    samples = np.stack([pcm(voice(210, 4.0)), pcm(voice(110, 4.0, 0.05))])
    turns = [turn("seller", 0, 2, words=8), turn("customer", 2, 4, words=4)]
    found = checked(CALL_VOICE, build(samples, turns, seller_channel=1))
    assert (found["seller_pitch_hz"], found["customer_pitch_hz"]) == (
        pytest.approx(110, rel=0.01),
        pytest.approx(210, rel=0.01),
    )
    assert found["customer_energy_db"] - found["seller_energy_db"] == pytest.approx(12.04, abs=0.5)
    assert (found["seller_words_per_s"], found["customer_words_per_s"]) == (4.0, 2.0)
    assert found["seller_pitch_spread"] < 0.1
    assert all(value is not None for value in found.values())


def test_one_channel_is_cut_by_who_spoke() -> None:
    samples = pcm(np.concatenate([voice(110, 2.0), voice(220, 2.0)]))[np.newaxis]
    found = build(samples, [turn("seller", 0, 2), turn("customer", 2, 4)], seller_channel=0)
    assert (found["seller_pitch_hz"], found["customer_pitch_hz"]) == (
        pytest.approx(110, rel=0.01),
        pytest.approx(220, rel=0.01),
    )


def test_who_is_not_heard_has_no_values() -> None:
    samples = np.zeros((2, SAMPLE_RATE_HZ), np.int16)
    assert build(samples, [turn("seller", 0, 1), turn("speaker_1", 0, 1)], seller_channel=0) == {}


def test_how_somebody_sounds_is_read_by_no_model() -> None:
    """The EU bans inferring emotion from a voice at work: who writes these features down is all that knows of them."""
    known = {source.path for source in sources() if re.search(r"\bprosody\b|CALL_VOICE|call_voice", source.text)}
    assert known == {
        "core/analysis/remember.py", "core/datascience/features/definitions.py",
    }  # fmt: skip
