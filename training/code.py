"""Which code fitted a model: the product's version and a fingerprint of the sources and recipes that have a say in it.

A commit would be known in a checkout alone and hide what was changed since; a job of a cluster, or an image, has none.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from core import bootstrap
from core.settings import configs_dir

_ROOT = Path(__file__).resolve().parent.parent
_ROOMS = ("training", "core/datascience", "core/forecasting")


@cache
def version() -> str:
    """As in `0.1.0+3f9ac1d2e4b5`: the same sources give the same, wherever they lie."""
    return f"{bootstrap.version()}+{fingerprint([_ROOT / room for room in _ROOMS], configs_dir() / 'training')}"


def fingerprint(rooms: list[Path], recipes: Path) -> str:
    digest = hashlib.sha256()
    for folder, kind in [*((room, "*.py") for room in rooms), (recipes, "*.yaml")]:
        for file in sorted(folder.rglob(kind)):
            raw = file.read_bytes()
            digest.update(f"{folder.name}/{file.relative_to(folder).as_posix()} {len(raw)}\n".encode() + raw)
    return digest.hexdigest()[:12]
