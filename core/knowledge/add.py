"""Take a document: keep the file until it is read, and say that it is there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from core.kit.db import Tx
from core.kit.errors import Conflict, Invalid, TooLarge
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.knowledge import repository
from core.knowledge.model import Document
from core.knowledge.read import kind_of

MOST_BYTES = 20 << 20


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody hands in; `name` is that of the file."""

    name: str
    content: bytes
    title: str | None
    language: str | None
    created_by: UUID


async def add(tx: Tx, given: Given) -> Document:
    """Raises `UnsupportedMediaType`, `Invalid` and `TooLarge`. The same file again is the same document."""
    kind = kind_of(given.name)
    if not given.content:
        raise Invalid("The file is empty. Choose the document again.")
    if len(given.content) > MOST_BYTES:
        raise TooLarge(f"The document is over {MOST_BYTES >> 20} MB. Cut it into parts and send each.")
    content_hash = hashlib.sha256(given.content).hexdigest()
    if (known := await repository.by_content(tx, content_hash)) is not None:
        return known
    document_id = new_id()
    row = Document(
        id=document_id, tenant_id=tx.tenant_id, title=(given.title or given.name)[:200], kind=kind,
        language=given.language, status="waiting", error=None, content=given.content, content_hash=content_hash,
        size_bytes=len(given.content), passages=0, created_by=given.created_by, created_at=tx.clock.now(),
    )  # fmt: skip
    try:
        async with tx.session.begin_nested():
            await repository.add(tx, row)
    except IntegrityError:
        raise Conflict("The same document is being sent by somebody else just now. Look at the list.") from None
    tx.audit("knowledge.added", f"knowledge_document:{document_id}")
    await tx.emit(Event(EventType.DOCUMENT_ADDED, tx.tenant_id, document_id, at=tx.clock.now()))
    return row


async def remove(tx: Tx, document_id: UUID) -> None:
    """Its passages and vectors go with it."""
    await repository.document(tx, document_id, lock=True)
    await repository.remove(tx, document_id)
    tx.audit("knowledge.removed", f"knowledge_document:{document_id}")
