"""What is in a Whisper model's file in CTranslate2's form.

Format: `ModelSpec._serialize` of
https://github.com/OpenNMT/CTranslate2/blob/master/python/ctranslate2/specs/model_spec.py, version 6.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.kit.errors import Unavailable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}

Weights = Mapping[str, "NDArray[Any]"]


def read(path: Path) -> Weights:
    """The variables of a model file by name, 8-bit ones multiplied out. Raises `Unavailable` for other files."""
    try:
        found = _variables(path)
    except (struct.error, ValueError) as error:
        raise Unavailable(f"{path} is damaged. Remove its folder and install the model again.") from error
    scales = {name.removesuffix("_scale"): scale for name, scale in found.items() if name.endswith("_scale")}
    return {**found, **{name: found[name].astype(np.float32) / scale[..., None] for name, scale in scales.items()}}


def _variables(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:

        def number(form: str) -> int:
            return int(struct.unpack(f"<{form}", file.read(struct.calcsize(form)))[0])

        def text() -> str:
            return file.read(number("H")).rstrip(b"\0").decode()

        version, kind, _revision = number("I"), text(), number("I")
        if kind != "WhisperSpec" or version < 6:
            raise Unavailable(f"{path} is no Whisper model for CTranslate2 4 ({kind}, version {version}).")
        found: dict[str, NDArray[Any]] = {}
        for _ in range(number("I")):
            name = text()
            shape = [number("I") for _ in range(number("B"))]
            form, size = number("B"), number("I")
            if form not in _TYPES:
                raise Unavailable(f"{path}: {name} is of a type that is not read here ({form}). Use float16 or int8.")
            found[name] = np.frombuffer(file.read(size), _TYPES[form]).reshape(shape)
        found |= {text(): found[text()] for _ in range(number("I"))}
    return found
