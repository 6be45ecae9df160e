"""The queries about playbooks."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from sqlalchemy import delete, select

from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.pages import PageRequest, newest_first
from core.live.playbook.entries import Entry, EntryKind
from core.live.playbook.model import PlaybookEntry


async def entry(tx: Tx, entry_id: UUID, *, lock: bool = False) -> PlaybookEntry:
    found = await tx.session.get(PlaybookEntry, entry_id, with_for_update=lock)
    if found is None:
        raise NotFound("There is no such entry in the playbook.")
    return found


async def entries(tx: Tx, page: PageRequest, *, language: str | None = None) -> list[PlaybookEntry]:
    query = select(PlaybookEntry)
    if language is not None:
        query = query.where(PlaybookEntry.language == language)
    return list((await tx.session.execute(newest_first(query, PlaybookEntry.id, page))).scalars())


async def all_of(tx: Tx, language: str) -> list[PlaybookEntry]:
    query = select(PlaybookEntry).where(PlaybookEntry.language == language)
    return list((await tx.session.execute(query.order_by(PlaybookEntry.id))).scalars())


async def in_use(tx: Tx, language: str) -> list[Entry]:
    """The tenant's own that are switched on, as suggestions use them."""
    import numpy as np

    return [
        Entry(
            f"playbook:{row.id}", cast(EntryKind, row.kind), frozenset(row.on), row.say, tuple(row.examples),
            "playbook", None if row.vector is None else np.asarray(row.vector, np.float32),
        )
        for row in await all_of(tx, language)
        if row.is_enabled
    ]  # fmt: skip


async def add(tx: Tx, *rows: PlaybookEntry) -> None:
    tx.session.add_all(rows)
    await tx.session.flush()


async def remove(tx: Tx, entry_id: UUID) -> None:
    await entry(tx, entry_id)
    await tx.session.execute(delete(PlaybookEntry).where(PlaybookEntry.id == entry_id))
