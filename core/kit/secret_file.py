"""A secret that a machine makes for itself once and keeps."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path


def kept_secret(path: Path) -> str:
    """The one that lies there, made by the first who asks. Raises `OSError`."""
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(48))
    return path.read_text("utf-8")


def _write_once(path: Path, text: str) -> None:
    """Whole or not at all, readable by the owner alone; of two that write at once the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)
