"""What a session is made of, put together from the parts of the house."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from core.competitors import repository as competitors
from core.engines.vad import SileroMeter
from core.kit.db import Database
from core.live.end import Ending, end
from core.live.facts import Facts
from core.live.hearing import Listener
from core.live.keep import Making, Mind
from core.live.mind import Minds
from core.live.pressure import Gauge
from core.live.recording import Recording
from core.live.session import MakeEar, Place
from core.ports import Limits, MayRecord, ObjectStore, Side
from core.settings import CallSettings

if TYPE_CHECKING:
    from core.bootstrap import Services

MakeEars = Callable[[Facts, Callable[[], int]], Awaitable[MakeEar]]
MakeMind = Callable[[Facts, Mapping[str, Any] | None], Awaitable[Mind]]


def making(
    db: Database, objects: ObjectStore, limits: Limits, may_record: MayRecord, calls: CallSettings, *, ear: MakeEars,
    mind: MakeMind, is_full: Callable[[], bool] = lambda: False, warm: Callable[[], Awaitable[None]] | None = None,
) -> Making:  # fmt: skip
    """`ear` and `mind`: how each session hears and understands; the others as of `Making`."""
    how = Ending(db, objects, limits, may_record, calls)

    def recording(facts: Facts, settled: int) -> Recording:
        return Recording(objects, facts.tenant_id, facts.session, len(facts.channels), settled=settled)

    async def over(facts: Facts, recorded: Recording, reason: str, metrics: dict[str, Any]) -> tuple[Any, str | None]:
        return await end(how, facts, recorded, reason, metrics)

    return Making(ear, mind, recording, over, is_full, warm)


def of_house(services: Services) -> Making:
    """With the models of the house, and one gauge for all sessions of the process: they share what answers."""
    gauge, minds = Gauge(services.streaming), Minds(services)

    async def warm() -> None:
        """A host that stands by takes over at once only with all of it loaded."""
        await asyncio.to_thread(SileroMeter)
        await minds.warm()

    return making(
        services.db, services.objects, services.limits, services.may_record, services.settings.calls,
        ear=ears(services, gauge), mind=minds, is_full=lambda: gauge.full, warm=warm,
    )  # fmt: skip


def ears(services: Services, gauge: Gauge) -> MakeEars:
    async def make(facts: Facts, pressure: Callable[[], int]) -> MakeEar:
        async with services.db.tenant(facts.tenant_id) as tx:
            names = [name for rival in await competitors.all_of(tx) for name in (rival.name, *rival.aliases)]

        def ear(side: Side, place: Place) -> Listener:
            return Listener.resume(
                gauge, SileroMeter(), side=side, at_sample=place.sample, utterance=place.utterance,
                stable=place.stable, language=facts.language, hints=names,
                pressure=lambda: max(gauge.level(), pressure()),
            )  # fmt: skip

        return ear

    return make
