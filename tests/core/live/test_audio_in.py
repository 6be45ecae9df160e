"""Sound of every kind becomes the same 16 kHz samples, however it was cut."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.kit.errors import BadAudio
from core.live.audio_in import WARM_S, Format, Intake

RATES = (8_000, 16_000, 24_000, 48_000)


def noise(channels: int, samples: int) -> NDArray[np.int16]:
    return np.random.default_rng(7).integers(-20_000, 20_000, (channels, samples), np.int16)


def sent(samples: NDArray[np.int16]) -> bytes:
    """Interleaved, as PCM16 goes over the wire."""
    return np.ascontiguousarray(samples.T).astype("<i2").tobytes()


def taken(intake: Intake, frames: list[bytes]) -> NDArray[np.float32]:
    return np.concatenate([*(intake.take(frame) for frame in frames), intake.finish()], axis=1)


@given(st.sampled_from(RATES), st.integers(1, 2), st.lists(st.integers(1, 2_000), min_size=1, max_size=12))
def test_any_cut_into_frames_gives_the_same_samples(rate_hz: int, channels: int, cuts: list[int]) -> None:
    samples = noise(channels, sum(cuts))
    ends = list(itertools.accumulate(cuts))
    frames = [sent(samples[:, end - cut : end]) for cut, end in zip(cuts, ends, strict=True)]
    form = Format("pcm16", rate_hz, channels)
    whole = taken(Intake(form), [sent(samples)])
    assert np.array_equal(taken(Intake(form), frames), whole)
    # The resampler's end is as long as what its half window reaches, not a sample more.
    assert whole.shape == (channels, -(-samples.shape[1] * 16_000 // rate_hz))


@given(st.sampled_from(RATES), st.integers(0, 9_000))
def test_who_begins_in_the_middle_hears_the_same(rate_hz: int, at: int) -> None:
    samples = noise(2, 30_000)
    form = Format("pcm16", rate_hz, 2)
    whole = taken(Intake(form), [sent(samples)])
    late = Intake(form, at=at)
    first = late.position
    heard = taken(late, [sent(samples[:, at:])])
    warm = round(WARM_S * 16_000)
    assert np.array_equal(heard[:, warm:], whole[:, first + warm :])


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize(("tone_hz", "level"), [(300, 1.0), (2_500, 1.0), (5_000, 0.0)])
def test_tones_keep_their_level_or_go(rate_hz: int, tone_hz: int, level: float) -> None:
    """A tone in the band stays as it was; one that 8 kHz cannot hold is not there to begin with."""
    if tone_hz > rate_hz / 2:
        rate_hz = 48_000
        tone_hz, level = 9_500, 0.0  # beyond what 16 kHz can hold
    elif tone_hz == 5_000:
        level = 1.0
    at_s = np.arange(rate_hz) / rate_hz
    tone = np.round(16_000 * np.sin(2 * np.pi * tone_hz * at_s)).astype(np.int16)[np.newaxis]
    heard = taken(Intake(Format("pcm16", rate_hz, 1)), [sent(tone)])[0, 2_000:-2_000]
    assert np.max(np.abs(heard)) == pytest.approx(level * 16_000 / 32_768, abs=0.004)


def test_two_channels_never_mix() -> None:
    samples = noise(2, 24_000)
    form = Format("pcm16", 48_000, 2)
    both = taken(Intake(form), [sent(samples)])
    for side in (0, 1):
        alone = samples.copy()
        alone[1 - side] = 0
        assert np.array_equal(taken(Intake(form), [sent(alone)])[side], both[side])


def packets(samples: NDArray[np.int16], *, ms: int = 20) -> list[bytes]:
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.format = 48_000, "s16"
    encoder.layout = "mono" if samples.shape[0] == 1 else "stereo"
    encoder.options = {"frame_duration": str(ms)}
    size, found = 48 * ms, []
    for at in range(0, samples.shape[1] // size * size, size):
        flat = np.ascontiguousarray(samples[:, at : at + size].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(flat, format="s16", layout=encoder.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
        found += [bytes(packet) for packet in encoder.encode(frame)]
    return found


@pytest.mark.parametrize("ms", [20, 40, 60])
def test_opus_packets_sound_as_they_did(ms: int) -> None:
    at_s = np.arange(96_000) / 48_000
    tones = [np.sin(2 * np.pi * hertz * at_s) * 12_000 for hertz in (440, 1_200)]
    coded = packets(np.round(tones).astype(np.int16), ms=ms)
    form = Format("opus", 48_000, 2)
    assert {form.samples(packet) for packet in coded} == {48 * ms}
    heard = taken(Intake(form), coded)
    assert heard.shape[1] == len(coded) * 16 * ms
    for channel, hertz in zip(heard, (440, 1_200), strict=True):
        spectrum = np.abs(np.fft.rfft(channel[8_000:24_000]))
        assert np.argmax(spectrum) == hertz
        assert np.max(np.abs(channel[8_000:24_000])) == pytest.approx(12_000 / 32_768, rel=0.1)


def test_a_damaged_packet_is_silent_and_as_long() -> None:
    coded = packets(noise(1, 48_000))
    form = Format("opus", 48_000, 1)
    broken = coded[10][:1] + b"\xff" * 40
    assert form.samples(broken) == 960
    intake = Intake(form)
    heard = taken(intake, [*coded[:10], b"\x0f\x02\xff", *coded[13:]])
    assert intake.damaged == 1
    assert heard.shape[1] == (len(coded) - 3 + form.samples(b"\x0f\x02\xff") / 960) * 320


@pytest.mark.parametrize(
    ("form", "payload", "says"),
    [
        (Format("pcm16", 16_000, 2), b"\0" * 6, "missing"),
        (Format("pcm16", 16_000, 1), b"", "500 ms"),
        (Format("pcm16", 8_000, 1), b"\0" * 8_002, "500 ms"),
        (Format("opus", 48_000, 1), b"OggS" * 500, "without Ogg"),
        (Format("opus", 48_000, 1), b"\x03", "cut off"),
        (Format("opus", 48_000, 1), b"\x03\x00", "no Opus packet"),
    ],
)
def test_a_bad_frame_is_refused_with_what_to_send(form: Format, payload: bytes, says: str) -> None:
    with pytest.raises(BadAudio, match=says):
        form.samples(payload)
