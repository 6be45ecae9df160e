"""A model as it travels: a zip with `meta.json` and the files of its algorithm.

The same content gives the same bytes. Nothing in it is code and nothing is unpickled.

    logistic  weights.npz                   fill, mean, scale, coef (features,) and intercept (1,)
    xgboost   model.ubj
    lightgbm  model.txt
    lstm      model.onnx background.npz     inputs events, lengths, static; output margin
    ensemble  0/… 1/…                       each member's files in a folder of its own
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from core.kit.errors import BadAnswer

Algorithm = Literal["logistic", "xgboost", "lightgbm", "lstm", "ensemble"]
Context = Literal["forecast", "followup", "simulation", "risk"]
CONTEXTS: tuple[Context, ...] = ("forecast", "followup", "simulation", "risk")

FILES: Mapping[str, tuple[str, ...]] = {
    "logistic": ("weights.npz",),
    "xgboost": ("model.ubj",),
    "lightgbm": ("model.txt",),
    "lstm": ("model.onnx", "background.npz"),
    "ensemble": (),
}
MOST_BYTES = 64 << 20
_META = "meta.json"
_EPOCH = (2020, 1, 1, 0, 0, 0)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Feature(_Part):
    """One column of the input and the range of values that the model was fitted on."""

    name: str = Field(min_length=1)
    low: FiniteFloat
    high: FiniteFloat
    may_be_missing: bool = True


class Member(_Part):
    """One model of an ensemble: its files lie in `folder`."""

    folder: str = Field(pattern=r"^\d{1,2}$")
    algorithm: Literal["logistic", "xgboost", "lightgbm", "lstm"]


class Stack(_Part):
    """How an ensemble adds up its members' margins."""

    weights: tuple[FiniteFloat, ...]
    shift: FiniteFloat


class Meta(_Part):
    """What is known of a model beside its files. `calibration`, `interval`, `days` and `amount` are the JSON of
    `calibration` and `conformal`, `reference` (of inputs and score, for drift) that of `reference`, empty where there
    is none."""

    algorithm: Algorithm
    context: Context
    features: tuple[Feature, ...] = Field(min_length=1)
    calibration: dict[str, Any] = {}
    interval: dict[str, Any] = {}
    days: dict[str, Any] = {}
    amount: dict[str, Any] = {}
    metrics: dict[str, float] = {}
    reference: dict[str, Any] = {}
    deals: int = Field(0, ge=0)
    fingerprint: str = ""
    code: str = ""
    learnt_until: datetime | None = None
    members: tuple[Member, ...] = ()
    stack: Stack | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle in memory; `files` by name, without the meta data."""

    meta: Meta
    files: Mapping[str, bytes]

    def member(self, member: Member) -> Bundle:
        """One model of an ensemble as a bundle of its own."""
        meta = self.meta.model_copy(update={"algorithm": member.algorithm, "members": (), "stack": None})
        prefix = f"{member.folder}/"
        return Bundle(meta, {n.removeprefix(prefix): data for n, data in self.files.items() if n.startswith(prefix)})


def pack(meta: Meta, files: Mapping[str, bytes]) -> bytes:
    """Raises `BadAnswer` where files are missing or too many for the algorithm."""
    _complete(meta, files)
    described = json.dumps(meta.model_dump(mode="json"), sort_keys=True).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in sorted({**files, _META: described}.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, data)
    return out.getvalue()


def unpack(raw: bytes) -> Bundle:
    """Raises `BadAnswer` for a bundle that cannot be read or is not whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as file:
            if sum(item.file_size for item in file.infolist()) > MOST_BYTES:
                raise BadAnswer("The model's bundle is too large.")
            files = {item.filename: file.read(item) for item in file.infolist()}
        meta = Meta.model_validate_json(files.pop(_META))
    except ValidationError as error:
        wrong = ", ".join(sorted({".".join(map(str, problem["loc"])) or _META for problem in error.errors()}))
        raise BadAnswer(f"The model's bundle is described wrongly: {wrong}. Train it again.") from error
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, NotImplementedError, zlib.error) as error:
        raise BadAnswer("The model's bundle cannot be read. Train it again.") from error
    _complete(meta, files)
    return Bundle(meta, files)


def _complete(meta: Meta, files: Mapping[str, bytes]) -> None:
    if len(set(meta.names)) < len(meta.names):
        raise BadAnswer("The model's bundle names a feature twice. Train it again.")
    if meta.algorithm == "ensemble":
        if not meta.members or meta.stack is None or len(meta.stack.weights) != len(meta.members):
            raise BadAnswer("The ensemble's bundle does not say how its members add up. Train it again.")
        wanted = {f"{member.folder}/{name}" for member in meta.members for name in FILES[member.algorithm]}
    else:
        wanted = set(FILES[meta.algorithm])
    if missing := wanted - files.keys():
        raise BadAnswer(f"The model's bundle lacks {', '.join(sorted(missing))}. Train it again.")
    if strange := files.keys() - wanted:
        raise BadAnswer(f"The model's bundle holds {', '.join(sorted(strange))}, which no model reads.")
