"""A session that is over becomes an ordinary recorded call, once, and the pipeline of recorded calls runs on it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.calls import upload
from core.kit.db import Database, Tx
from core.kit.errors import NotFound, SalesEdgeError
from core.live import repository
from core.live.facts import Facts
from core.live.recording import Recording
from core.ports import SAMPLE_RATE_HZ, Limits, MayRecord, ObjectStore, Side
from core.settings import CallSettings

_LEAST_S = 0.5


@dataclass(frozen=True, slots=True)
class Ending:
    """What a call needs to be taken."""

    db: Database
    objects: ObjectStore
    limits: Limits
    may_record: MayRecord
    calls: CallSettings


async def end(
    how: Ending, facts: Facts, recording: Recording, reason: str, metrics: dict[str, Any]
) -> tuple[UUID | None, str | None]:
    """Returns the call, or why there is none. Repeated, it answers as it did before."""
    duration_s = recording.length / SAMPLE_RATE_HZ
    async with how.db.tenant(facts.tenant_id) as tx:
        try:
            row = await repository.session(tx, facts.session, lock=True)
        except NotFound:  # whoever opened it died before that was true
            return None, "The session never began."
        if row.status == "running":
            row.call_id, row.error = await _call(how, tx, facts, recording, duration_s)
            row.status, row.reason, row.ended_at = "ended", reason, tx.clock.now()
            row.duration_s, row.metrics = round(duration_s, 2), metrics
        call_id, error = row.call_id, row.error
    await recording.forget()
    return call_id, error


async def _call(
    how: Ending, tx: Tx, facts: Facts, recording: Recording, duration_s: float
) -> tuple[UUID | None, str | None]:
    if duration_s < _LEAST_S:
        return None, "Nothing was heard."
    try:
        await how.may_record(tx, facts.deal_id, facts.customer_emails)
        with tempfile.TemporaryFile(prefix="salesedge-live-") as file:
            await recording.write(file, most_bytes=how.calls.max_upload_mb << 20)
            taken = upload.Recording(
                file, facts.owner_id, facts.deal_id, facts.language, None, facts.title, facts.participants,
                facts.channels.index(Side.SELLER) if Side.SELLER in facts.channels else 0, facts.started_at,
            )  # fmt: skip
            async with tx.session.begin_nested():
                call = await upload.upload(tx, taken, objects=how.objects, limits=how.limits, settings=how.calls)
            return call.id, None
    except SalesEdgeError as error:
        if error.retryable:
            raise
        return None, error.detail
