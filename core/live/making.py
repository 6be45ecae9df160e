"""What a session is made of, put together from the parts of the house."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from core.kit.db import Database
from core.live.end import Ending, end
from core.live.facts import Facts
from core.live.keep import Making, Mind
from core.live.recording import Recording
from core.live.session import MakeEar
from core.ports import Limits, MayRecord, ObjectStore
from core.settings import CallSettings


def making(
    db: Database, objects: ObjectStore, limits: Limits, may_record: MayRecord, calls: CallSettings, *,
    ear: Callable[[Facts, Callable[[], int]], Awaitable[MakeEar]],
    mind: Callable[[Facts, Mapping[str, Any] | None], Awaitable[Mind]],
) -> Making:  # fmt: skip
    """`ear` and `mind`: how each session hears and understands."""
    how = Ending(db, objects, limits, may_record, calls)

    def recording(facts: Facts, settled: int) -> Recording:
        return Recording(objects, facts.tenant_id, facts.session, len(facts.channels), settled=settled)

    async def over(facts: Facts, recorded: Recording, reason: str, metrics: dict[str, Any]) -> tuple[Any, str | None]:
        return await end(how, facts, recorded, reason, metrics)

    return Making(ear, mind, recording, over)
