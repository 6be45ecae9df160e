from __future__ import annotations

import asyncio
import io
import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from core.kit import audio
from core.kit.errors import BadAudio, Timeout, TooLarge
from tests.fakes.speech import encoded, silence, tone

KINDS = [
    ("wav", "pcm_s16le"), ("wav", "pcm_mulaw"), ("flac", "flac"), ("mp3", "libmp3lame"), ("ogg", "libopus"),
    ("ipod", "aac"), ("webm", "libopus"),
]  # fmt: skip


async def decode(file: audio.Source, *, max_decoded_s: float = 60.0, timeout_s: float = 60.0) -> audio.Pcm:
    return await audio.decode(file, max_decoded_s=max_decoded_s, timeout_s=timeout_s)


async def probe(file: audio.Source, *, max_decoded_s: float = 60.0, timeout_s: float = 60.0) -> audio.Probe:
    return await audio.probe(file, max_decoded_s=max_decoded_s, timeout_s=timeout_s)


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert os.listdir(folder) == []


@pytest.mark.parametrize(("container", "codec"), KINDS)
async def test_every_kind_gives_the_sound_that_was_put_in(container: str, codec: str) -> None:
    rate_hz = 8000 if codec == "pcm_mulaw" else 48_000
    file = encoded(tone(5, rate_hz=rate_hz), container, codec, rate_hz=rate_hz)
    pcm, found = await decode(file), await probe(file)
    assert pcm.samples.dtype == np.int16
    assert pcm.samples.shape[0] == 1
    assert pcm.duration_s == pytest.approx(5, abs=0.1)
    assert found.duration_s == pytest.approx(5, abs=0.1)
    assert found.channels == 1
    assert found.source_rate_hz == pcm.source_rate_hz == rate_hz
    middle = pcm.samples[0, 16_000:48_000].astype(np.float64)
    loudest_hz = np.argmax(np.abs(np.fft.rfft(middle))) * 16_000 / middle.size
    assert loudest_hz == pytest.approx(440, abs=2)


async def test_a_path_and_an_open_file_are_as_good_as_bytes(tmp_path: Path) -> None:
    file = encoded(tone(1), "wav", "pcm_s16le")
    path = tmp_path / "call.mp3"  # the name lies, the content counts
    path.write_bytes(file)
    opened = io.BytesIO(file)
    opened.seek(100)
    for source in (path, opened):
        assert np.array_equal((await decode(source)).samples, tone(1))
    assert opened.tell() == 0


async def test_two_sides_stay_apart_and_one_signal_on_both_channels_is_one() -> None:
    sides = np.concatenate([tone(2, 440), tone(2, 880)])
    assert np.array_equal((await decode(encoded(sides, "wav", "pcm_s16le"))).samples, sides)
    twice = np.concatenate([tone(2), tone(2)])
    for container, codec in (("wav", "pcm_s16le"), ("mp3", "libmp3lame")):
        assert (await decode(encoded(twice, container, codec))).samples.shape[0] == 1


async def test_more_than_two_channels_are_refused() -> None:
    file = encoded(np.repeat(tone(1), 6, axis=0), "wav", "pcm_s16le", layout="5.1")
    for way in (probe, decode):
        with pytest.raises(BadAudio, match="6 channels"):
            await way(file)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"", "empty"),
        (b"RIFF", "too short"),
        (b"Dear customer, this is not a recording.", "text"),
        (b"#EXTM3U\n#EXTINF:1\nhttp://169.254.169.254/a.mp3\n", "text"),
        (b"PK\x03\x04" + bytes(100), "ZIP"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "image"),
        (bytes(5000), "zeros"),
        (b"RIFF\0\0\0\0WAVEfmt ", "truncated"),
        (b"fLaC" + b"\x7f" * 5000, "broken"),
        (b"OggS" + b"\x7f" * 5000, "broken"),
        (b"\x1aE\xdf\xa3" + b"\x7f" * 5000, "broken"),
        (b"\0\0\0\x20ftypM4A " + b"\x7f" * 5000, "broken"),
        (b"ID3\x03" + b"\x7f" * 5000, "broken"),
    ],
)
async def test_what_is_no_audio_is_refused_with_a_reason(file: bytes, says: str) -> None:
    for way in (probe, decode):
        with pytest.raises(BadAudio, match=says):
            await way(file)


@pytest.mark.parametrize("kind", [("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame"), ("webm", "libopus")])
async def test_half_a_file_is_named_truncated(kind: tuple[str, str]) -> None:
    file = encoded(tone(8), *kind) if kind[1] != "libopus" else encoded(tone(8, rate_hz=48_000), *kind, rate_hz=48_000)
    for way in (probe, decode):
        with pytest.raises(BadAudio, match="truncated"):
            await way(file[: len(file) // 2])


async def test_half_an_m4a_has_no_header_and_is_refused() -> None:
    file = encoded(tone(8, rate_hz=48_000), "ipod", "aac", rate_hz=48_000)
    with pytest.raises(BadAudio, match="cut off"):
        await probe(file[: len(file) // 2])


async def test_a_header_that_promises_hours_is_a_lie() -> None:
    file = bytearray(encoded(tone(1), "wav", "pcm_s16le"))
    at = file.index(b"data") + 4
    file[at : at + 4] = struct.pack("<I", 10 * 3600 * 32_000)
    with pytest.raises(BadAudio, match="truncated"):
        await probe(bytes(file))


async def test_a_streamed_wav_without_a_length_is_taken() -> None:
    file = bytearray(encoded(tone(1), "wav", "pcm_s16le"))
    at = file.index(b"data") + 4
    file[at : at + 4] = b"\xff\xff\xff\xff"
    assert (await decode(bytes(file))).duration_s == pytest.approx(1, abs=0.01)


async def test_hours_of_silence_in_a_small_file_are_stopped() -> None:
    file = encoded(silence(1200), "flac", "flac")
    assert len(file) < 1_000_000
    for way in (probe, decode):
        with pytest.raises(TooLarge, match="longer than 10 minutes"):
            await way(file, max_decoded_s=600)


async def test_a_header_that_hides_the_length_does_not_help() -> None:
    file = bytearray(encoded(silence(1200), "flac", "flac"))
    # STREAMINFO: the last 36 bits before the checksum count the samples; zero means unknown.
    file[21] &= 0xF0
    file[22:26] = bytes(4)
    for way in (probe, decode):
        with pytest.raises(TooLarge):
            await way(bytes(file), max_decoded_s=600)


async def test_too_short_to_hold_a_word() -> None:
    with pytest.raises(BadAudio, match="shorter"):
        await decode(encoded(tone(0.1), "wav", "pcm_s16le"))


async def test_the_child_is_ended_when_time_is_up() -> None:
    with pytest.raises(Timeout):
        await decode(encoded(tone(1), "wav", "pcm_s16le"), timeout_s=0.001)


@pytest.mark.parametrize("patience_s", [0.0, 0.15])
async def test_nothing_stays_when_the_caller_goes_away(patience_s: float) -> None:
    file = encoded(silence(1200), "flac", "flac")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(patience_s):
            await decode(file, max_decoded_s=3600)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_decoded_or_refused_and_never_breaks_us(data: st.DataObject) -> None:
    container, codec = data.draw(st.sampled_from(KINDS))
    rate_hz = 8000 if codec == "pcm_mulaw" else 48_000
    file = bytearray(encoded(tone(1, rate_hz=rate_hz), container, codec, rate_hz=rate_hz))
    for at in data.draw(st.lists(st.integers(0, len(file) - 1), min_size=1, max_size=20)):
        file[at] = data.draw(st.integers(0, 255))
    try:
        pcm = asyncio.run(decode(bytes(file), max_decoded_s=30, timeout_s=20))
    except (BadAudio, TooLarge) as refused:
        event(type(refused).__name__)
        return
    event("decoded")
    assert 0.3 <= pcm.duration_s <= 30


# ── loudness ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def level_dbfs(channel: np.ndarray) -> float:
    return float(10 * np.log10(np.mean((channel.astype(np.float64) / 32768) ** 2)))


@pytest.mark.parametrize("level", [200, 2000, 30_000])
def test_quiet_and_loud_sound_end_at_the_same_level(level: int) -> None:
    assert level_dbfs(audio.loudness_normalise(tone(3, level=level))[0]) == pytest.approx(-20, abs=0.5)


def test_silence_and_faint_noise_are_untouched() -> None:
    noise = np.random.default_rng(0).integers(-3, 4, (1, 32_000)).astype(np.int16)
    for sound in (silence(2), noise, silence(0)):
        assert np.array_equal(audio.loudness_normalise(sound), sound)


def test_an_echo_stays_quieter_than_what_it_echoes() -> None:
    loud, echo = audio.loudness_normalise(np.concatenate([tone(3, level=8000), tone(3, level=200)]))
    assert level_dbfs(loud) - level_dbfs(echo) > 15


def test_peaks_are_bent_and_never_wrap_around() -> None:
    sound = tone(3, level=300)
    sound[0, 20_000:20_100] = 32_767
    out = audio.loudness_normalise(sound)
    assert out[0, 20_000:20_100].min() > 25_000
