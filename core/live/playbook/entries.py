"""An entry of a playbook as suggestions use it, and the starter that a company without one of its own goes by."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import yaml

from core.ports import Embedder
from core.settings import configs_dir

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EntryKind = Literal["objection", "technique", "impact_phrase", "question"]
Trigger = Literal[
    "objection:price", "objection:timing", "objection:authority", "objection:competitor", "objection:integration",
    "objection:trust", "objection:effort", "objection:need", "objection:other", "intent:buying_signal",
    "intent:request", "intent:commitment", "question", "competitor", "mood:falling",
]  # fmt: skip
"""What an entry answers to."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """`key` names it to the ranking, for good. `vector`: float32 (dimensions,), of what customers say then."""

    key: str
    kind: EntryKind
    on: frozenset[str]
    say: str
    examples: tuple[str, ...]
    source: Literal["playbook", "starter"]
    vector: NDArray[np.float32] | None = None


def starter_languages() -> list[str]:
    return sorted(path.stem for path in (configs_dir() / "playbook").glob("*.yaml"))


@functools.cache
def starter(language: str) -> tuple[Entry, ...]:
    """`configs/playbook/<language>.yaml`, without vectors."""
    raw: Mapping[str, Any] = yaml.safe_load((configs_dir() / "playbook" / f"{language}.yaml").read_text("utf-8"))
    return tuple(_of_starter(f"starter:{language}:{name}", one) for name, one in raw.items())


def _of_starter(key: str, one: Mapping[str, Any]) -> Entry:
    return Entry(key, one["kind"], frozenset(one["when"]), one["say"], tuple(one["examples"]), "starter")


async def with_vectors(entries: Sequence[Entry], embedder: Embedder) -> tuple[Entry, ...]:
    """Each embedded in one go; those that have a vector keep it."""
    bare = [entry for entry in entries if entry.vector is None]
    made = await vectors([entry.examples or (entry.say,) for entry in bare], embedder)
    fresh = {entry.key: vector for entry, vector in zip(bare, made, strict=True)}
    return tuple(dataclasses.replace(one, vector=fresh.get(one.key, one.vector)) for one in entries)


async def vectors(texts: Sequence[Sequence[str]], embedder: Embedder) -> list[NDArray[np.float32]]:
    """One for each group of texts: their mean direction."""
    import numpy as np

    flat = [text for group in texts for text in group]
    if not flat:
        return []
    rows = await embedder.embed(flat)
    found, at = [], 0
    for group in texts:
        mean = rows[at : at + len(group)].mean(axis=0)
        found.append((mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32))
        at += len(group)
    return found
