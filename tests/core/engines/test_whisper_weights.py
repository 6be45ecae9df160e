"""Model files in CTranslate2's form, written here by its specification."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.engines import whisper_weights
from core.kit.errors import Unavailable

TYPES = {"float32": 0, "int8": 1, "float16": 4}


def text(value: str) -> bytes:
    raw = value.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def variable(name: str, value: NDArray[Any]) -> bytes:
    shape = struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
    return text(name) + shape + struct.pack("<BI", TYPES[value.dtype.name], value.nbytes) + value.tobytes()


def written(folder: Path, variables: dict[str, NDArray[Any]], *, kind: str = "WhisperSpec", version: int = 6) -> Path:
    path = folder / "model.bin"
    parts = [struct.pack("<I", version), text(kind), struct.pack("<II", 3, len(variables))]
    parts += [variable(name, value) for name, value in variables.items()]
    parts += [struct.pack("<I", 1), text("decoder/projection/weight"), text("decoder/embeddings/weight")]
    path.write_bytes(b"".join(parts))
    return path


def test_weights_are_read_by_name_and_small_ones_multiplied_out(tmp_path: Path) -> None:
    table = np.arange(6, dtype=np.float16).reshape(2, 3)
    small, scale = np.array([[127, -64], [1, 0]], np.int8), np.array([127.0, 0.5], np.float32)
    named = {"decoder/embeddings/weight": table, "a/weight": small, "a/weight_scale": scale}
    found = whisper_weights.read(written(tmp_path, named))
    np.testing.assert_array_equal(found["decoder/embeddings/weight"], table)
    np.testing.assert_array_equal(found["decoder/projection/weight"], table)
    np.testing.assert_allclose(found["a/weight"], [[1.0, -64 / 127], [2.0, 0.0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "version", "kept", "wrong"),
    [
        ("TransformerSpec", 6, None, "no Whisper model"),
        ("WhisperSpec", 5, None, "version 5"),
        ("WhisperSpec", 6, 60, "damaged"),
        ("WhisperSpec", 6, 3, "damaged"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, kind: str, version: int, kept: int | None, wrong: str) -> None:
    named = {"decoder/embeddings/weight": np.zeros((4, 4), np.float32)}
    path = written(tmp_path, named, kind=kind, version=version)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(Unavailable, match=wrong):
        whisper_weights.read(path)
