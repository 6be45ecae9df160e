"""A copy of all that the house holds of one person: a ZIP with JSON for each table, and his recordings."""

from __future__ import annotations

import asyncio
import json
import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, BinaryIO, cast
from uuid import UUID

from core.kit.db import Tx
from core.kit.errors import NotFound
from core.ports import ObjectStore
from core.privacy import repository
from core.privacy.person import Person
from core.privacy.register import REGISTER, SECRETS

KEPT_DAYS = 7
_IN_MEMORY_BYTES = 16 << 20


async def export(tx: Tx, request_id: UUID, objects: ObjectStore) -> None:
    """Carry out a waiting request. Its file is there for a week, and goes when its person is erased."""
    request = await repository.request(tx, request_id, "export", lock=True)
    if request.status not in ("waiting", "failed"):
        return
    who = await repository.person(tx, request)
    key = f"{tx.tenant_id}/exports/{request.id}.zip"
    tx.on_rollback(lambda: objects.delete(key))
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
        request.counts = dict(await write_copy(tx, who, objects, cast(BinaryIO, file)))
        file.seek(0)
        await objects.put(key, cast(BinaryIO, file))
    now = tx.clock.now()
    request.object_key, request.status, request.email = key, "done", None
    request.done_at, request.expires_at = now, now + timedelta(days=KEPT_DAYS)
    tx.audit("privacy.exported", f"person_request:{request.id}", after={"counts": request.counts})


async def write_copy(tx: Tx, who: Person, objects: ObjectStore, file: BinaryIO) -> Counter[str]:
    """Write the ZIP; returns how many rows of each table are in it, and recordings as `audio`."""
    counts: Counter[str] = Counter()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for holding in REGISTER:
            found = await repository.rows(tx, holding, who) if holding.shown else []
            if found:
                counts[holding.table] = len(found)
                archive.writestr(f"{holding.table}.json", _json([_shown(row) for row in found]))
            for row in found if holding.table == "calls" else []:
                counts["audio"] += await _add_recording(archive, row, objects)
        about = {"made_at": tx.clock.now().isoformat(), "tables": dict(+counts)}
        archive.writestr("about.json", _json(about))
    return +counts


async def _add_recording(archive: zipfile.ZipFile, call: Mapping[str, Any], objects: ObjectStore) -> int:
    if call["object_key"] is None:
        return 0
    with suppress(NotFound):
        sound = await objects.get(call["object_key"])
        # As it was uploaded: its codec has packed it already.
        entry = zipfile.ZipInfo(f"audio/{call['id']}")
        await asyncio.to_thread(archive.writestr, entry, sound, zipfile.ZIP_STORED)
        return 1
    return 0


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in SECRETS}


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, indent=1, default=str)
