"""The queries about documents and their passages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import REAL, String, bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.pages import PageRequest, newest_first
from core.knowledge.model import Document, StoredPassage

_LEXEMES = """SELECT coalesce(array_agg(lexeme), '{}') FROM unnest(to_tsvector(CAST(:config AS regconfig), :asked))"""
_CONFIGS = {"pt": "portuguese", "en": "english"}

# Neither search can use an index of its own: row-level security looks at the tenant first, and an operator that might
# tell of other rows comes after. Within one tenant every passage is compared, so nothing is missed.
_BY_WORDS = """
SELECT p.id, ts_rank_cd(p.words, q.asked, 2) AS score
FROM knowledge_passages p
JOIN (VALUES ('pt', CAST(:pt AS tsquery)), ('en', CAST(:en AS tsquery))) AS q (language, asked) USING (language)
WHERE p.words @@ q.asked ORDER BY score DESC, p.id LIMIT :most"""
_BY_MEANING = """
SELECT id, 1 - (CAST(vector AS vector) <=> CAST(CAST(:asked AS real[]) AS vector)) AS score
FROM knowledge_passages WHERE cardinality(vector) = :dimensions ORDER BY score DESC, id LIMIT :most"""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage and how near it is: by meaning the cosine, by words PostgreSQL's rank."""

    id: UUID
    score: float


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def document(tx: Tx, document_id: UUID, *, lock: bool = False) -> Document:
    found = await tx.session.get(Document, document_id, with_for_update=lock)
    if found is None:
        raise NotFound("There is no such document.")
    return found


async def documents(tx: Tx, page: PageRequest) -> list[Document]:
    query = select(Document)
    return list((await tx.session.execute(newest_first(query, Document.id, page))).scalars())


async def by_content(tx: Tx, content_hash: str) -> Document | None:
    query = select(Document).where(Document.content_hash == content_hash)
    return (await tx.session.execute(query)).scalar_one_or_none()


async def content(tx: Tx, document_id: UUID) -> tuple[str, bytes] | None:
    """Kind and file of a document that waits to be read; None where there is nothing to read any more."""
    query = select(Document.kind, Document.content).where(Document.id == document_id, Document.content.is_not(None))
    row = (await tx.session.execute(query)).first()
    return (row.kind, row.content) if row else None


async def revision(tx: Tx) -> str | None:
    """Another one whenever the documents that can be searched are others; None where there are none."""
    ready = select(func.count(), func.max(Document.id.cast(String))).where(Document.status == "ready")
    count, newest = (await tx.session.execute(ready)).one()
    return f"{count}:{newest}" if count else None


async def add(tx: Tx, row: Document) -> None:
    tx.session.add(row)
    await tx.session.flush()


async def remove(tx: Tx, document_id: UUID) -> None:
    await tx.session.execute(delete(Document).where(Document.id == document_id))


async def set_failed(tx: Tx, document_id: UUID, error: str) -> None:
    failed = update(Document).where(Document.id == document_id)
    await tx.session.execute(failed.values(status="failed", error=error[:300], content=None))


async def set_ready(tx: Tx, document_id: UUID, language: str, passages: int) -> None:
    """The file is not needed any more."""
    ready = {"status": "ready", "language": language, "passages": passages, "content": None}
    await tx.session.execute(update(Document).where(Document.id == document_id).values(ready))


# ── passages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def replace_passages(tx: Tx, document_id: UUID, rows: Sequence[dict[str, Any]]) -> None:
    await tx.session.execute(delete(StoredPassage).where(StoredPassage.document_id == document_id))
    if rows:
        await tx.session.execute(insert(StoredPassage), list(rows))


async def passages(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, tuple[StoredPassage, str]]:
    """Each with the title of its document."""
    query = select(StoredPassage, Document.title).join(Document, Document.id == StoredPassage.document_id)
    rows = await tx.session.execute(query.where(StoredPassage.id.in_(ids)))
    return {passage.id: (passage, title) for passage, title in rows}


async def any_passages(tx: Tx) -> bool:
    return (await tx.session.execute(select(StoredPassage.id).limit(1))).first() is not None


async def lexemes(tx: Tx, asked: str) -> dict[str, list[str]]:
    """Language → the words of a question that carry meaning, as stems."""
    found = {}
    for language, config in _CONFIGS.items():
        row = await tx.session.execute(text(_LEXEMES), {"config": config, "asked": asked})
        found[language] = sorted(row.scalar_one())
    return found


async def by_words(tx: Tx, stems: dict[str, list[str]], most: int) -> list[Found]:
    """Those that hold any of the stems of their language, those with more and nearer ones first."""
    asked = {language: " | ".join(map(_quoted, words)) for language, words in stems.items()}
    rows = await tx.session.execute(text(_BY_WORDS), {**asked, "most": most})
    return [Found(row.id, float(row.score)) for row in rows]


async def by_meaning(tx: Tx, vector: Sequence[float], most: int) -> list[Found]:
    """In PostgreSQL, where it has pgvector."""
    query = text(_BY_MEANING).bindparams(bindparam("asked", type_=ARRAY(REAL)))
    given = {"asked": list(vector), "dimensions": len(vector), "most": most}
    return [Found(row.id, float(row.score)) for row in await tx.session.execute(query, given)]


async def vectors(tx: Tx, dimensions: int) -> list[tuple[UUID, list[float]]]:
    """All of the tenant's, for where there is no pgvector."""
    query = select(StoredPassage.id, StoredPassage.vector).where(text("cardinality(vector) = :dimensions"))
    return [(row.id, row.vector) for row in await tx.session.execute(query, {"dimensions": dimensions})]


async def has_pgvector(tx: Tx) -> bool:
    found = await tx.session.execute(text("SELECT to_regtype('vector') IS NOT NULL"))
    return bool(found.scalar_one())


def _quoted(word: str) -> str:
    return "'" + re.sub(r"(['\\])", r"\1\1", word) + "'"
