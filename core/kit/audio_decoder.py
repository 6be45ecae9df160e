"""The child process that reads a foreign audio file. `core.kit.audio` runs this file by path and reads its answer.

    python -I audio_decoder.py probe|decode INPUT OUTPUT_FOLDER MAX_DECODED_S CPU_S

One JSON object on standard output: the findings, or `error` ("bad" | "large") with a `detail` for the uploader.
`decode` writes one file of raw int16 samples at 16 kHz per channel. It imports nothing of ours: what decodes hostile
bytes has hard limits on memory, CPU time and output, and reads one file with the one demuxer that its first bytes call
for.
"""

from __future__ import annotations

import json
import math
import os
import resource
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO, NoReturn

RATE_HZ = 16_000
MEMORY_BYTES = 1 << 30
MIN_S = 0.3
# A probe decodes this much to see that there is sound in it, and only counts the rest.
PROBE_S = 3.0
# Containers round, and encoders pad: less than this share and time is no truncation.
_MISSING_SHARE = 0.02
_MISSING_S = 0.5
_MAX_BROKEN_SHARE = 0.1

_CODECS = frozenset({
    "flac", "mp3", "mp3float", "mp2", "mp2float", "opus", "libopus", "vorbis", "libvorbis", "aac", "aac_fixed", "alac",
    "gsm", "gsm_ms", "g722", "g726", "speex", "libspeex",
})  # fmt: skip


class Refused(Exception):
    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail)
        self.error = error
        self.detail = detail


def bad(detail: str) -> NoReturn:
    raise Refused("bad", detail)


def too_long(max_s: float) -> NoReturn:
    raise Refused("large", f"The recording is longer than {max_s / 60:.0f} minutes. Cut it into parts and send each.")


def container_of(head: bytes) -> str:
    """The demuxer that the first bytes call for; names and claimed types do not count."""
    if not head.strip(b"\0"):
        bad("The file holds only zeros. Export the recording again.")
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:3] == b"ID3" or (head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06):
        return "mp3"
    bad(f"The file is {_guess(head)}, not audio. Send WAV, FLAC, MP3, OGG/Opus, M4A or WebM.")


def _guess(head: bytes) -> str:
    known = {b"PK": "a ZIP archive", b"\x89PNG": "an image", b"\xff\xd8": "an image", b"GIF8": "an image",
             b"%PDF": "a PDF", b"\x1f\x8b": "a compressed archive", b"RIFF": "a RIFF file without sound"}  # fmt: skip
    for start, name in known.items():
        if head.startswith(start):
            return name
    try:
        head[:64].decode("utf-8")
    except UnicodeDecodeError:
        return "of an unknown kind"
    return "text"


def main(mode: str, source: str, folder: str, max_s: float, cpu_s: int) -> dict[str, Any]:
    _limit(max_s, cpu_s)
    import av

    with ExitStack() as stack:
        file = stack.enter_context(open(source, "rb"))
        head = file.read(64)
        if len(head) < 12:
            bad("The file is empty. Choose the recording again." if not head else "The file is too short to be audio.")
        container_name = container_of(head)
        if container_name == "wav":
            _check_wav(file)
        exact = container_name != "mp3" or _mp3_says_length(file)
        file.seek(0)
        try:
            container = stack.enter_context(av.open(file, format=container_name, options={"enable_drefs": "0"}))
            stream = container.streams.best("audio")
        except (av.FFmpegError, ValueError):
            bad("The file is broken or cut off: its header cannot be read. Export the recording again.")
        if stream is None:
            bad("The file has no sound in it. Send the recording's audio.")
        found = _facts(stream, container, exact)
        if found["declared_s"] > max_s:
            too_long(max_s)
        decoded_s = _read(av, container, stream, mode, folder, max_s)
    if decoded_s < MIN_S:
        bad(f"The recording is shorter than {MIN_S} seconds or holds no sound. Choose the whole recording.")
    missing_s = found["declared_s"] - decoded_s
    if missing_s > max(_MISSING_S, _MISSING_SHARE * found["declared_s"]):
        bad(
            f"The file is truncated: it says {found['declared_s']:.1f} s and holds {decoded_s:.1f} s. "
            "Send the whole file again."
        )
    return {**found, "duration_s": decoded_s}


def _limit(max_s: float, cpu_s: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    output = int((max_s + 60) * RATE_HZ * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (output, output))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _check_wav(file: BinaryIO) -> None:
    """A data chunk that promises notably more than the file has is a truncated or lying file. ffmpeg takes it as is."""
    size = os.fstat(file.fileno()).st_size
    file.seek(12)
    rate_bytes = 0
    while len(header := file.read(8)) == 8:
        name, length = header[:4], struct.unpack("<I", header[4:])[0]
        here = file.tell()
        if name == b"fmt " and length >= 12:
            rate_bytes = struct.unpack("<8xI", file.read(12))[0]
        if name == b"data":
            streamed = length in (0, 0xFFFFFFFF, 0x7FFFFFFF) or length >= 0x7FFFF000
            missing = length - (size - here)
            if not streamed and missing > max(_MISSING_SHARE * length, _MISSING_S * rate_bytes):
                bad("The file is truncated: its header promises more sound than it holds. Send the whole file again.")
            return
        file.seek(here + length + length % 2)
    bad("The file is truncated: it has a header and no sound. Send the whole file again.")


def _mp3_says_length(file: BinaryIO) -> bool:
    """Without a Xing/VBRI header the length of an MP3 is a guess from its first bit rate."""
    file.seek(0)
    head = file.read(10)
    start = 0
    if head[:3] == b"ID3":
        start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    file.seek(start)
    frame = file.read(4096)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


def _facts(stream: Any, container: Any, exact: bool) -> dict[str, Any]:
    context = stream.codec_context
    if not (context.name in _CODECS or context.name.startswith(("pcm_", "adpcm_"))):
        bad(f"The sound is coded as {context.name}, which is not taken. Send WAV, FLAC, MP3, OGG/Opus, M4A or WebM.")
    channels = context.channels
    if channels not in (1, 2):
        bad(f"The recording has {channels} channels. Mix it down to one, or to two with one side on each.")
    if not 4_000 <= (context.sample_rate or 0) <= 384_000:
        bad(f"A sample rate of {context.sample_rate} Hz makes no sense. Export the recording again.")
    declared_s = 0.0
    if exact and stream.duration and stream.time_base:
        declared_s = float(stream.duration * stream.time_base)
    elif exact and container.duration:
        declared_s = container.duration / 1_000_000
    return {
        "codec": "mp3" if context.name == "mp3float" else context.name, "source_rate_hz": context.sample_rate,
        "channels": channels, "declared_s": max(0.0, declared_s),
    }  # fmt: skip


def _read(av: Any, container: Any, stream: Any, mode: str, folder: str, max_s: float) -> float:
    """Seconds of sound found. In a probe the packets after the first seconds are counted and not decoded."""
    samples, skipped_s, broken, packets = 0, 0.0, 0, 0
    first_s = last_s = None
    with ExitStack() as stack:
        outputs = []
        if mode == "decode":
            outputs = [
                stack.enter_context(open(os.path.join(folder, f"{i}.pcm"), "wb"))
                for i in range(stream.codec_context.channels)
            ]
        resampler = av.AudioResampler(format="s16p", layout=stream.codec_context.layout, rate=RATE_HZ)
        for packet in _packets(av, container, stream):
            packets += 1
            if mode == "probe" and samples >= PROBE_S * RATE_HZ:
                skipped_s += float((packet.duration or 0) * packet.time_base)
                if packet.pts is not None:
                    last_s = float(packet.pts * packet.time_base)
                    first_s = last_s if first_s is None else first_s
            else:
                try:
                    for frame in packet.decode():
                        samples += _write(_plain(resampler, frame), outputs)
                except av.InvalidDataError:
                    broken += 1
            if samples / RATE_HZ + skipped_s > max_s:
                too_long(max_s)
        samples += _write(resampler.resample(None), outputs)
    if packets and broken > 2 and broken > _MAX_BROKEN_SHARE * packets:
        bad("Much of the file cannot be decoded: it is damaged. Export the recording again.")
    if not skipped_s and first_s is not None and last_s is not None:
        skipped_s = last_s - first_s
    if samples / RATE_HZ + skipped_s > max_s:
        too_long(max_s)
    return samples / RATE_HZ + skipped_s


def _packets(av: Any, container: Any, stream: Any) -> Iterator[Any]:
    """What the demuxer finds, until the end or the first place where it cannot go on."""
    try:
        yield from container.demux(stream)
    except (av.InvalidDataError, av.EOFError):
        return


def _plain(resampler: Any, frame: Any) -> Any:
    try:
        return resampler.resample(frame)
    except ValueError:
        bad("The recording changes its channels or sample rate on the way. Export it again in one piece.")


def _write(frames: Any, outputs: Sequence[BinaryIO]) -> int:
    """Samples per channel in the frames; in a probe there are no outputs."""
    for frame in frames:
        for plane, output in zip(frame.planes, outputs, strict=False):
            output.write(bytes(plane)[: frame.samples * 2])
    return sum(int(frame.samples) for frame in frames)


if __name__ == "__main__":
    try:
        answer = main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), math.ceil(float(sys.argv[5])))
    except Refused as refused:
        answer = {"error": refused.error, "detail": refused.detail}
    except MemoryError:
        answer = {"error": "bad", "detail": "Decoding the file takes too much memory. Export the recording again."}
    print(json.dumps(answer))
