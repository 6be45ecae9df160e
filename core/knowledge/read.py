"""Foreign documents in, blocks of text out. A child process with limits reads them; nothing of it stays behind."""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.kit.apart import run_apart
from core.kit.errors import Invalid, TooLarge, UnsupportedMediaType

Kind = Literal["text", "markdown", "html", "pdf", "docx"]
MOST_CHARACTERS = 1_000_000
_READER = Path(__file__).with_name("document_reader.py")
_MEMORY_BYTES = 1 << 30
_ENDINGS: dict[str, Kind] = {
    ".txt": "text", ".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html", ".pdf": "pdf",
    ".docx": "docx",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a document: under which heading, on which page (1, 2, …), as far as that is known."""

    heading: str
    text: str
    page: int | None


def kind_of(name: str) -> Kind:
    """By the ending of its name."""
    found = _ENDINGS.get(Path(name).suffix.lower())
    if found is None:
        raise UnsupportedMediaType(f"Send a document whose name ends in one of {', '.join(_ENDINGS)}.")
    return found


async def read(kind: str, content: bytes, *, timeout_s: float = 60.0) -> list[Block]:
    """`kind`: one of `Kind`. Raises `Invalid` where it cannot be read and `TooLarge` where there is too much in it."""
    with tempfile.TemporaryDirectory(prefix="salesedge-document-") as folder:
        path = Path(folder) / "input"
        await asyncio.to_thread(path.write_bytes, content)
        # Less CPU time than wall time: a file that burns it is told apart from a machine that is busy.
        limits = [str(MOST_CHARACTERS), str(_MEMORY_BYTES), str(max(1, int(0.8 * timeout_s)))]
        answer = await _run([kind, str(path), *limits], timeout_s)
    if answer.get("error") == "large":
        raise TooLarge(answer["detail"])
    if "blocks" not in answer:
        raise Invalid(answer.get("detail", "The document could not be read. Export it again and send that."))
    return [Block(**block) for block in answer["blocks"]]


async def _run(arguments: list[str], timeout_s: float) -> dict[str, Any]:
    try:
        out = await run_apart(_READER, arguments, timeout_s=timeout_s)
    except TimeoutError:
        raise TooLarge("The document takes too long to read. Cut it into parts and send each.") from None
    try:
        found: dict[str, Any] = json.loads(out)
    except ValueError:
        return {}  # the limits ended it
    return found
