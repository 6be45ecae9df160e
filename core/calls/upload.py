"""Take a recorded call: check it, keep it, say that it is there. What is refused leaves nothing behind."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from core.calls import repository
from core.calls.model import Call
from core.calls.schemas import Participant
from core.kit import audio
from core.kit.db import Tx
from core.kit.errors import BadAudio, Conflict, TooLarge
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.ports import Limits, ObjectStore
from core.settings import CallSettings


@dataclass(frozen=True, slots=True)
class Recording:
    """What somebody hands in."""

    file: BinaryIO
    owner_id: UUID
    deal_id: UUID | None
    language: str | None
    region: str | None
    title: str | None
    participants: tuple[Participant, ...]
    seller_channel: int
    started_at: datetime


async def upload(tx: Tx, recording: Recording, *, objects: ObjectStore, limits: Limits, settings: CallSettings) -> Call:
    """Raises `BadAudio`, `TooLarge`, or `Conflict` where the same recording belongs to another deal."""
    content_hash, size = await asyncio.to_thread(_measure, recording.file)
    if size == 0:
        raise BadAudio("The file is empty. Choose the recording again.")
    if size > settings.max_upload_mb * 1024 * 1024:
        raise TooLarge(f"The file is over {settings.max_upload_mb} MB. Send it compressed, as Opus or MP3.")
    known = await repository.by_content(tx, content_hash)
    if known is not None:
        return _same(known, recording)
    heard = await audio.probe(recording.file, max_decoded_s=settings.max_decoded_s, timeout_s=settings.decode_timeout_s)
    await limits.check(tx.tenant_id, "call_minutes", max(1, round(heard.duration_s / 60)))
    call = _row(tx, recording, content_hash, size, heard)
    recording.file.seek(0)
    key = repository.object_key(call)
    tx.on_rollback(lambda: objects.delete(key))
    await objects.put(key, recording.file)
    try:
        async with tx.session.begin_nested():
            await repository.add(tx, call)
    except IntegrityError:
        # The same file came twice at once: the other one won.
        await objects.delete(key)
        known = await repository.by_content(tx, content_hash)
        if known is None:
            raise Conflict("A colleague has uploaded this very recording; ask for access to it.") from None
        return _same(known, recording)
    await tx.emit(Event(EventType.CALL_UPLOADED, tx.tenant_id, call.id, at=tx.clock.now()))
    return call


def _measure(file: Any) -> tuple[str, int]:
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = file.seek(0, 2)
    file.seek(0)
    return digest, size


def _same(known: Call, recording: Recording) -> Call:
    if recording.deal_id not in (None, known.deal_id):
        raise Conflict("This very recording was already uploaded for another deal.", call_id=str(known.id))
    return known


def _row(tx: Tx, recording: Recording, content_hash: str, size: int, heard: audio.Probe) -> Call:
    call_id = new_id()
    return Call(
        id=call_id, tenant_id=tx.tenant_id, deal_id=recording.deal_id, owner_id=recording.owner_id,
        title=recording.title, status="uploaded", language=recording.language, region=recording.region,
        participants=[p.model_dump(mode="json") for p in recording.participants],
        seller_channel=recording.seller_channel, object_key=f"{tx.tenant_id}/calls/{call_id}",
        content_hash=content_hash, size_bytes=size, duration_s=heard.duration_s, channels=heard.channels,
        codec=heard.codec, started_at=recording.started_at, created_at=tx.clock.now(),
    )  # fmt: skip
