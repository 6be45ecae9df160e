"""Bundles: the same content gives the same bytes, and what is broken is refused with what to do."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datascience.models.bundle import Feature, Meta, pack, unpack
from core.datascience.models.scorers import open_scorer
from core.kit.errors import BadAnswer
from tests.fakes import models

X, Y = models.data(400)


def whole() -> bytes:
    return pack(models.meta("logistic"), models.logistic(X, Y))


@given(
    names=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5, unique=True),
    low=st.floats(-1e9, 1e9), deals=st.integers(0, 10**6), raw=st.binary(max_size=300),
)  # fmt: skip
def test_what_is_packed_comes_out_again_and_always_alike(names: list[str], low: float, deals: int, raw: bytes) -> None:
    features = tuple(Feature(name=name, low=low, high=low) for name in names)
    meta = Meta(algorithm="xgboost", context="risk", features=features, deals=deals, calibration={"slope": 1.5})
    packed = pack(meta, {"model.ubj": raw})
    assert packed == pack(meta, {"model.ubj": raw})
    bundle = unpack(packed)
    assert (bundle.meta, dict(bundle.files)) == (meta, {"model.ubj": raw})


def rewritten(raw: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(raw)) as file:
        held = {name: file.read(name) for name in file.namelist()}
    change(held)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in held.items():
            file.writestr(name, data)
    return out.getvalue()


def said(old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(held: dict[str, bytes]) -> None:
        assert old in held["meta.json"]
        held["meta.json"] = held["meta.json"].replace(old, new)

    return change


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "not a zip": (lambda _: b"rubbish", "cannot be read"),
    "cut short": (lambda raw: raw[: len(raw) // 2], "cannot be read"),
    "no meta data": (lambda raw: rewritten(raw, lambda h: h.clear()), "cannot be read"),
    "no weights": (lambda raw: rewritten(raw, lambda h: h.pop("weights.npz") and None), "lacks weights.npz"),
    "a stranger": (lambda raw: rewritten(raw, lambda h: h.update(x=b"")), "holds x, which no model reads"),
    "an unknown algorithm": (lambda raw: rewritten(raw, said(b'"logistic"', b'"oracle"')), "wrongly: algorithm"),
    "an unknown field": (lambda raw: rewritten(raw, said(b'"deals"', b'"deal"')), "wrongly: deal"),
    "no range": (lambda raw: rewritten(raw, said(b'"low": -10.0', b'"low": null')), "wrongly: .*features.0.low"),
    "a feature twice": (lambda raw: rewritten(raw, said(b'"age"', b'"size"')), "names a feature twice"),
    "too large": (lambda raw: rewritten(raw, lambda h: h.update(x=bytes(65 << 20))), "too large"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_bundle_is_refused(case: str) -> None:
    spoil, told = BROKEN[case]
    with pytest.raises(BadAnswer, match=told):
        unpack(spoil(whole()))


def test_an_ensemble_says_how_its_members_add_up() -> None:
    with pytest.raises(BadAnswer, match="add up"):
        pack(models.meta("ensemble"), {})


SPOILT: dict[str, tuple[str, dict[str, bytes]]] = {
    "logistic": ("logistic", {"weights.npz": b"x"}),
    "pickled": ("logistic", {"weights.npz": models.npz(fill=np.array([{}], object))}),
    "short": ("logistic", models.logistic(X[:, :2], Y)),
    "xgboost": ("xgboost", {"model.ubj": b"x"}),
    "xgboost of other features": ("xgboost", models.xgboost(X[:, :3], Y, rounds=2)),
    "lightgbm": ("lightgbm", {"model.txt": b"x"}),
    "lightgbm of other features": ("lightgbm", models.lightgbm(X[:, :3], Y, rounds=2)),
    "lstm": ("lstm", {"model.onnx": b"x", "background.npz": b"x"}),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_model_is_refused(case: str) -> None:
    algorithm, files = SPOILT[case]
    with pytest.raises(BadAnswer, match="Train it again"):
        open_scorer(unpack(pack(models.meta(algorithm), files)))
