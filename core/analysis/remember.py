"""What an analysed call means for the feature store: how each side talked, what it said, how it sounded."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from core.analysis import repository
from core.calls import repository as calls
from core.calls.turns import Turn
from core.datascience.features import behaviour, definitions, prosody, text
from core.datascience.features.row import Given
from core.datascience.features.store import FeatureStore
from core.kit import audio
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.events import Event
from core.ports import Embedder, ObjectStore
from core.settings import CallSettings


async def call(tx: Tx, call_id: UUID, cause: Event, store: FeatureStore, embedder: Embedder) -> int:
    """Because of one event; returns how many rows were new."""
    return await store.write(tx, await of_call(tx, call_id, cause.at, cause.id, cause.type.value, embedder))


async def voice(
    tx: Tx, call_id: UUID, cause: Event, store: FeatureStore, objects: ObjectStore, settings: CallSettings
) -> int:
    return await store.write(tx, await of_voice(tx, call_id, cause.at, cause.id, cause.type.value, objects, settings))


async def of_call(
    tx: Tx, call_id: UUID, at: datetime, cause: UUID | None, cause_type: str, embedder: Embedder, *,
    known_at: datetime | None = None,
) -> list[Given]:  # fmt: skip
    """Nothing where the call's results are gone: their time was over, or somebody on it was erased."""
    found, transcript = await repository.insights(tx, call_id), await calls.transcript(tx, call_id)
    if found is None or transcript is None:
        return []
    turns = [Turn.from_json(turn) for turn in transcript.turns]
    talked = behaviour.build(turns, found.data["metrics"], transcript.language)
    said = await text.build(turns, embedder)
    return [
        Given(definitions.CALL_BEHAVIOUR, call_id, at, talked, cause, cause_type, known_at),
        Given(definitions.CALL_TEXT, call_id, at, said, cause, cause_type, known_at),
    ]


async def of_voice(
    tx: Tx, call_id: UUID, at: datetime, cause: UUID | None, cause_type: str, objects: ObjectStore,
    settings: CallSettings, *, known_at: datetime | None = None,
) -> list[Given]:  # fmt: skip
    """Nothing where the recording or its transcript is gone."""
    row, transcript = await calls.call(tx, call_id), await calls.transcript(tx, call_id)
    if row.object_key is None or transcript is None:
        return []
    recording = None
    with suppress(NotFound):
        recording = await objects.get(row.object_key)
    if recording is None:
        return []
    sound = await audio.decode(recording, max_decoded_s=settings.max_decoded_s, timeout_s=settings.decode_timeout_s)
    turns = [Turn.from_json(turn) for turn in transcript.turns]
    heard = await asyncio.to_thread(prosody.build, sound.samples, turns, seller_channel=row.seller_channel)
    return [Given(definitions.CALL_VOICE, call_id, at, heard, cause, cause_type, known_at)]
