"""Make a document searchable: read it, cut it, embed each passage. The file is not needed after that, and goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from core.kit.db import Tx
from core.kit.errors import BadInput
from core.kit.ids import new_id
from core.knowledge import repository
from core.knowledge.passages import Passage, cut, language_of
from core.knowledge.read import read
from core.ports import Embedder

_AT_ONCE = 16  # passages for each call of the embedder


async def index(tx: Tx, document_id: UUID, embedder: Embedder) -> None:
    """May run again: passages replace those before. A document that cannot be read says so to who sent it."""
    waiting = await repository.content(tx, document_id)
    if waiting is None:
        return  # read before, or deleted
    try:
        found = cut(await read(*waiting))
    except BadInput as error:
        await repository.set_failed(tx, document_id, error.detail)
        return
    row = await repository.document(tx, document_id)
    language = row.language or language_of([passage.text for passage in found])
    vectors = await _vectors(found, embedder)
    rows = [
        {
            "id": new_id(), "tenant_id": tx.tenant_id, "document_id": document_id, "number": passage.number,
            "language": language, "heading": passage.heading, "page": passage.page, "text": passage.text,
            "vector": vector,
        }
        for passage, vector in zip(found, vectors, strict=True)
    ]  # fmt: skip
    await repository.replace_passages(tx, document_id, rows)
    await repository.set_ready(tx, document_id, language, len(rows))


async def _vectors(found: Sequence[Passage], embedder: Embedder) -> list[Any]:
    vectors: list[Any] = []
    for start in range(0, len(found), _AT_ONCE):
        some = found[start : start + _AT_ONCE]
        vectors += (await embedder.embed([f"{p.heading}. {p.text}" if p.heading else p.text for p in some])).tolist()
    return vectors
