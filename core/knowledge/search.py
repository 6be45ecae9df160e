"""Find what answers a question: by meaning and by words, merged by reciprocal rank (Cormack, Clarke, Büttcher, SIGIR
2009), each hit with its place. Where nothing answers, that is what is said."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from core.kit.db import Tx
from core.knowledge import repository
from core.knowledge.model import StoredPassage
from core.knowledge.passages import sentences
from core.knowledge.repository import Found
from core.ports import Embedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CONSIDERED = 20  # of each search
_RANK = 60  # how little the first places weigh over the next: the constant of the paper
_SENTENCES = 2  # of an answer
_ANSWERS = 0.6  # confidence from which a passage answers
_BY_SIMILARITY, _BY_SHARED, _BIAS = 27.8, 5.4, -24.9
"""Confidence is the logistic of these, for vectors of E5: fitted on `tests/core/knowledge/asked.yaml`, where, one left
out at a time, 88 % of what is answered has an answer in the documents, and 77 % of what has one is answered."""


@dataclass(frozen=True, slots=True)
class Citation:
    """Where something is written."""

    document_id: UUID
    title: str
    passage: int
    heading: str
    page: int | None


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that may help. `similarity`: cosine to the question; `shared`: share of the question's stems in it."""

    passage_id: UUID
    text: str
    citation: Citation
    similarity: float
    shared: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Sentences of one passage, word for word."""

    text: str
    citation: Citation
    confidence: float
    passage_id: UUID


@dataclass(frozen=True, slots=True)
class Searched:
    """`answer`: None where nothing that was found answers."""

    answer: Answer | None
    hits: tuple[Hit, ...]


async def search(tx: Tx, question: str, embedder: Embedder, *, most: int = 5) -> Searched:
    """Of what the tenant has. Nothing is asked of the embedder where there is nothing to search in."""
    if not await repository.any_passages(tx):
        return Searched(None, ())
    [vector] = await embedder.embed([question])
    return await search_by(tx, question, vector, most=most)


async def search_by(tx: Tx, question: str, vector: NDArray[np.float32], *, most: int = 5) -> Searched:
    """`vector`: of the question, float32 (dimensions,), unit length."""
    stems = await repository.lexemes(tx, question)
    lists = [await _by_meaning(tx, vector), await repository.by_words(tx, stems, _CONSIDERED)]
    merged = fused(lists)
    rows = await repository.passages(tx, merged[: 2 * most])
    hits = [_hit(*rows[id_], vector, stems) for id_ in merged[: 2 * most] if id_ in rows]
    hits.sort(key=lambda hit: -hit.confidence)
    return Searched(_answer(hits[0], stems) if hits else None, tuple(hits[:most]))


async def answered_by(tx: Tx, question: str, vector: NDArray[np.float32], passage_id: UUID) -> Answer | None:
    """Whether this one passage answers, without searching the others."""
    stems = await repository.lexemes(tx, question)
    rows = await repository.passages(tx, [passage_id])
    return _answer(_hit(*rows[passage_id], vector, stems), stems) if passage_id in rows else None


def _answer(hit: Hit, stems: dict[str, list[str]]) -> Answer | None:
    if hit.confidence < _ANSWERS:
        return None
    return Answer(quoted(hit.text, _all(stems)), hit.citation, hit.confidence, hit.passage_id)


async def _by_meaning(tx: Tx, vector: NDArray[np.float32]) -> list[Found]:
    if await repository.has_pgvector(tx):
        return await repository.by_meaning(tx, vector.tolist(), _CONSIDERED)
    return nearest(await repository.vectors(tx, len(vector)), vector, _CONSIDERED)


def nearest(held: Sequence[tuple[UUID, Sequence[float]]], vector: NDArray[np.float32], most: int) -> list[Found]:
    """What pgvector would find, by the same measure and in the same order."""
    import numpy as np

    if not held:
        return []
    ids, vectors = zip(*held, strict=True)
    scores = np.asarray(vectors, np.float32) @ vector
    order = sorted(range(len(ids)), key=lambda place: (-scores[place], ids[place]))[:most]
    return [Found(ids[place], float(scores[place])) for place in order]


def fused(lists: Sequence[Sequence[Found]]) -> list[UUID]:
    """One ranking out of several: what stands high in many of them comes first."""
    scores: dict[UUID, float] = defaultdict(float)
    for found in lists:
        for rank, one in enumerate(found, 1):
            scores[one.id] += 1 / (_RANK + rank)
    return sorted(scores, key=lambda id_: (-scores[id_], id_))


def quoted(text: str, stems: Sequence[str]) -> str:
    """The sentence that holds most of the stems, and the one after it."""
    parts = sentences(text)
    best = max(range(len(parts)), key=lambda at: (_held(parts[at], stems), -at))
    return " ".join(parts[best : best + _SENTENCES])


def confidence(similarity: float, shared: float) -> float:
    return 1 / (1 + math.exp(-(_BY_SIMILARITY * similarity + _BY_SHARED * shared + _BIAS)))


def _hit(passage: StoredPassage, title: str, vector: NDArray[np.float32], stems: dict[str, list[str]]) -> Hit:
    import numpy as np

    mine = stems[passage.language]
    near = passage.vector is not None and len(passage.vector) == len(vector)
    similarity = float(np.asarray(passage.vector, np.float32) @ vector) if near else 0.0
    shared = _held(f"{passage.heading} {passage.text}", mine) / len(mine) if mine else 0.0
    place = Citation(passage.document_id, title, passage.number, passage.heading, passage.page)
    sure = confidence(similarity, shared)
    return Hit(passage.id, passage.text, place, round(similarity, 4), round(shared, 3), round(sure, 3))


def _held(text: str, stems: Sequence[str]) -> int:
    words = [word.strip(".,;:!?()\"'“”").lower() for word in text.split()]
    return sum(any(word.startswith(stem) for word in words) for stem in stems)


def _all(stems: dict[str, list[str]]) -> list[str]:
    return sorted({stem for words in stems.values() for stem in words})
