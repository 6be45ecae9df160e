"""Which code fitted a model."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from training import code


def room(at: Path, **files: str) -> Path:
    at.mkdir(parents=True)
    for name, text in files.items():
        (at / f"{name}.py").write_text(text, "utf-8")
    return at


def test_it_names_the_version_and_the_sources() -> None:
    assert re.fullmatch(r"\d+(\.\d+)*\+[0-9a-f]{12}", code.version())


def test_the_same_sources_give_the_same_and_others_another(tmp_path: Path) -> None:
    here = room(tmp_path / "a" / "training", fit="x = 1", data="y = 2")
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    (recipes / "xgboost.yaml").write_text("rounds: 160", "utf-8")
    first = code.fingerprint([here], recipes)
    there = tmp_path / "b" / "training"
    shutil.copytree(here, there)
    assert code.fingerprint([there], recipes) == first
    (there / "fit.py").write_text("x = 2", "utf-8")
    changed = code.fingerprint([there], recipes)
    (there / "fit.py").rename(there / "fitted.py")
    renamed = code.fingerprint([there], recipes)
    (recipes / "xgboost.yaml").write_text("rounds: 161", "utf-8")
    assert len({first, changed, renamed, code.fingerprint([there], recipes)}) == 4
