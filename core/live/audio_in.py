"""Sound as clients send it → float32 at 16 kHz, each channel for itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.kit.errors import BadAudio
from core.live.resample import Resampler

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_S, MOST_S = 0.02, 0.5
"""Of one frame; the last of a session may be shorter."""
WARM_S = 0.3
"""So much sound before the place where one goes on makes filters and decoder what they were there."""
_OPUS_MOST_BYTES = 1_500
_MS_SILK, _MS_HYBRID, _MS_CELT = (10, 20, 40, 60), (10, 20), (2.5, 5, 10, 20)


@dataclass(frozen=True, slots=True)
class Format:
    """How the frames of one session are coded."""

    encoding: Literal["pcm16", "opus"]
    sample_rate_hz: int
    channels: int

    def samples(self, payload: bytes) -> int:
        """How many samples of each channel a frame holds, at the source's rate. Raises `BadAudio`."""
        if self.encoding == "opus":
            count = _opus_samples(payload)
        else:
            count, rest = divmod(len(payload), 2 * self.channels)
            if rest:
                raise BadAudio(f"A frame of PCM16 is {2 * self.channels} bytes for each sample; some are missing.")
        length_s = count / self.sample_rate_hz
        if not 0 < length_s <= MOST_S:
            raise BadAudio(f"A frame holds {LEAST_S * 1000:.0f} to {MOST_S * 1000:.0f} ms of sound; cut it so.")
        return count


def _opus_samples(packet: bytes) -> int:
    """At 48 kHz, from the first bytes of a packet (RFC 6716, 3.1 and 3.2)."""
    if not 0 < len(packet) <= _OPUS_MOST_BYTES:
        raise BadAudio("An Opus packet has 1 to 1,500 bytes. Send bare packets, one in each frame, without Ogg.")
    mode, code = packet[0] >> 3, packet[0] & 3
    if mode < 12:
        length_ms: float = _MS_SILK[mode & 3]
    elif mode < 16:
        length_ms = _MS_HYBRID[mode & 1]
    else:
        length_ms = _MS_CELT[mode & 3]
    if code == 3 and len(packet) < 2:
        raise BadAudio("The Opus packet is cut off. Send it whole.")
    frames = (1, 2, 2, packet[1] & 63 if code == 3 else 0)[code]
    if not 0 < frames * length_ms <= 120:
        raise BadAudio("This is no Opus packet. Send bare packets (RFC 6716), one in each frame, without Ogg.")
    return round(frames * length_ms * 48)


class Intake:
    """Frames in, samples out, from the source's sample `at` on. Any cut into frames gives the same samples."""

    def __init__(self, form: Format, *, at: int = 0) -> None:
        self._form = form
        self._resampler = Resampler(form.sample_rate_hz, form.channels, at=at)
        self._decoder = _OpusDecoder(form.channels) if form.encoding == "opus" else None
        self.damaged = 0

    @property
    def position(self) -> int:
        """The sample at 16 kHz that comes next."""
        return self._resampler.position

    def take(self, payload: bytes) -> NDArray[np.float32]:
        """One frame → float32 (channels, samples) in [-1, 1], 16 kHz. A damaged one is as long, and silent."""
        if self._decoder is None:
            flat = np.frombuffer(payload, "<i2").astype(np.float32) / np.float32(32768)
            return self._resampler.take(np.ascontiguousarray(flat.reshape(-1, self._form.channels).T))
        count = self._form.samples(payload)
        found = self._decoder.decode(payload, count)
        if found is None:
            self.damaged += 1
            found = np.zeros((self._form.channels, count), np.float32)
        return self._resampler.take(found)

    def finish(self) -> NDArray[np.float32]:
        return self._resampler.finish()


class _OpusDecoder:
    def __init__(self, channels: int) -> None:
        import av

        self._av = av
        self._channels = channels
        context: Any = av.CodecContext.create("opus", "r")
        context.sample_rate = 48_000
        context.layout = "mono" if channels == 1 else "stereo"
        self._context = context

    def decode(self, packet: bytes, count: int) -> NDArray[np.float32] | None:
        """float32 (channels, count); None where it cannot be decoded."""
        try:
            frames = self._context.decode(self._av.Packet(packet))
        except self._av.FFmpegError:
            return None
        planes = [frame.to_ndarray() for frame in frames]
        found = np.concatenate(planes, axis=1) if planes else np.zeros((self._channels, 0), np.float32)
        return found.astype(np.float32) if found.shape == (self._channels, count) else None
