"""Sound for tests: tones, real speech, files of any kind; and where the models for it are."""

from __future__ import annotations

import functools
import io
import os
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from cluster import starter_models
from core.ports import SAMPLE_RATE_HZ

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = REPOSITORY / "configs" / "demo"


@functools.cache
def models() -> Path:
    """The folder with the starter models, put together where it is not there yet."""
    folder = Path(os.environ.get("SALESEDGE_MODELS", REPOSITORY / ".salesedge" / "models"))
    starter_models.install(folder)
    return folder


def tone(seconds: float, hz: float = 440.0, rate_hz: int = SAMPLE_RATE_HZ, level: int = 8000) -> NDArray[np.int16]:
    """int16 (1, samples)."""
    at_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * hz * at_s)).astype(np.int16)[np.newaxis]


def silence(seconds: float) -> NDArray[np.int16]:
    """int16 (1, samples)."""
    return np.zeros((1, round(seconds * SAMPLE_RATE_HZ)), np.int16)


def encoded(
    samples: NDArray[np.int16], container: str, codec: str, *, rate_hz: int = SAMPLE_RATE_HZ, layout: str | None = None
) -> bytes:
    """A file of `samples`, int16 (channels, samples)."""
    layout = layout or {1: "mono", 2: "stereo"}[len(samples)]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout=layout)
        packed = np.ascontiguousarray(samples.T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        frame.sample_rate = rate_hz
        fit = av.AudioResampler(stream.format, layout, rate_hz, frame_size=stream.codec_context.frame_size or 1024)
        for part in (*fit.resample(frame), *fit.resample(None)):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()
