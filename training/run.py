"""One training job as it can be killed: a folder that outlives the process, with what is done already.

A step that was finished is read again and not done again, so a job that is started once more under its name goes on
where it was. The data is kept by the first step: deals change while a model is fitted, and a job ends with those that
it began with.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core.kit.errors import BadInput, Conflict, Unavailable

Tell = Callable[[str, float], None]
"""Takes what the job is at, and the share of the whole job that is done."""
Files = Mapping[str, bytes]
KEPT_S = 7 * 86_400
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Busy(Unavailable):
    """Another process works on the job."""


def silent(_stage: str, _share: float) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Run:
    """`folder` None: nothing is kept. `on_ray`: a cluster may be asked for workers."""

    folder: Path | None = None
    on_ray: bool = False
    tell: Tell = silent

    def step(self, name: str, make: Callable[[], Files]) -> Files:
        """What `make` gives, kept under the name of the step."""
        if self.folder is None:
            return make()
        at = self.folder / f"{name}.zip"
        if not at.exists():
            write(at, _packed(make()))
        with zipfile.ZipFile(at) as file:
            return {item.filename: file.read(item) for item in file.infolist()}

    def inside(self, name: str) -> Path | None:
        """A folder for what a step keeps while it is under way."""
        return self.folder / name if self.folder is not None else None

    def has(self, name: str) -> bool:
        return self.folder is not None and (self.folder / f"{name}.zip").exists()


@contextmanager
def opened(folder: Path) -> Iterator[Path]:
    """The folder of a job, which only one process works on; raises `Busy` where another does."""
    if not _NAME.fullmatch(folder.name):
        raise BadInput(f"{folder.name}: a job's name is made of a-z, 0-9, - and _.")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Busy(f"The job {folder.name} is running already. Wait for it, or end its process first.") from None
        yield folder


def asked(folder: Path, what: Mapping[str, object]) -> None:
    """What the job was asked for, put down by the first who works on it; raises `Conflict` where it was something
    else: its steps cannot be mixed."""
    at, told = folder / "asked.json", json.dumps(what, sort_keys=True, default=str)
    if not at.exists():
        write(at, told.encode())
    elif at.read_text("utf-8") != told:
        raise Conflict(
            f"The job {folder.name} was begun with other options or another recipe. Give this one a new name."
        )


def forget(folder: Path) -> None:
    """Drop all that a finished job kept."""
    shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path, now: datetime) -> None:
    """Drop jobs under the folder that nobody took up again for a week."""
    for job in folder.iterdir() if folder.exists() else ():
        if job.is_dir() and now.timestamp() - job.stat().st_mtime > KEPT_S:
            forget(job)


def _packed(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return out.getvalue()


def write(at: Path, raw: bytes) -> None:
    """Whole or not at all."""
    at.parent.mkdir(parents=True, exist_ok=True)
    new = at.with_suffix(".new")
    new.write_bytes(raw)
    os.replace(new, at)
