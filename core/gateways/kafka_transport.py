"""The transport over Kafka: a publisher from the outbox to the topic, a consumer group for quick reactions and one for
slow ones, and beside them the relay, which takes what is to be tried again and what the broker has not brought."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from core.gateways.kafka import DEAD, KafkaLog, KafkaSubscription, prepare
from core.kit import outbox
from core.kit.broker import DeadLetters, Publisher, TopicSource
from core.kit.db import Database
from core.kit.errors import Unavailable
from core.kit.event_settings import EventSettings
from core.kit.listener import Listener
from core.kit.log import logger
from core.kit.relay import Reaction, Relay
from core.kit.retry import backoff_s
from core.kit.runner import Runner
from core.kit.workers import Lane, Workers

log = logger("kafka")


def groups(settings: EventSettings, reactions: Sequence[Reaction]) -> dict[str, list[Reaction]]:
    """Name of each consumer group → its reactions. Slow ones never stand in the way of quick ones."""
    split = {
        f"{settings.kafka.group}.{kind}": [reaction for reaction in reactions if reaction.slow is slow]
        for kind, slow in (("quick", False), ("slow", True))
    }
    return {name: among for name, among in split.items() if among}


class KafkaTransport:
    """As `Relay`: any number of these share the work."""

    def __init__(self, db: Database, reactions: Sequence[Reaction], services: Any, settings: EventSettings) -> None:
        self._db = db
        self._settings = settings
        self._stopping = asyncio.Event()
        most, base_s = settings.max_attempts, settings.backoff_base_s
        self._relay = Relay(
            db, reactions, services, workers=1, slow_workers=1, max_attempts=most, backoff_base_s=base_s,
            lease_s=settings.lease_s, notices=frozenset({outbox.AGAIN}), most_idle_s=5.0,
        )  # fmt: skip
        self._log = KafkaLog(settings.kafka)
        self._listener = Listener(db.url)
        topic = settings.kafka.topic
        self._publisher = Publisher(db, self._log, topic, self._listener)
        dead = DeadLetters(self._log, topic + DEAD)
        self._subscriptions: list[KafkaSubscription] = []
        lanes: list[Lane] = []
        for name, among in groups(settings, reactions).items():
            subscription = KafkaSubscription(settings.kafka, name)
            source = TopicSource(db, among, subscription, dead, self._relay, lease_s=settings.lease_s)
            lanes.append(Lane(source, settings.slow_workers if among[0].slow else settings.workers))
            self._subscriptions.append(subscription)
        runner = Runner(db, reactions, services, max_attempts=most, backoff_base_s=base_s)
        self._workers = Workers(runner, lanes)

    async def run(self) -> None:
        """Until `stop`. Without a broker the relay alone brings events, later."""
        parts = [asyncio.create_task(part) for part in (self._relay.run(), self._over_kafka(), self._stopping.wait())]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
            done = await asyncio.gather(*parts, return_exceptions=True)
            await asyncio.gather(*(subscription.close() for subscription in self._subscriptions if subscription.begun))
            await self._log.close()
        for result in done:
            if isinstance(result, Exception):
                raise result

    def stop(self) -> None:
        self._stopping.set()

    async def _over_kafka(self) -> None:
        await self._prepare()
        for subscription in self._subscriptions:
            subscription.start()
        async with self._listener.listening():
            await asyncio.gather(self._publisher.run(), self._workers.run())

    async def _prepare(self) -> None:
        failures = 0
        while True:
            try:
                return await asyncio.to_thread(prepare, self._settings.kafka)
            except Unavailable as error:
                failures += 1
                log.warning("broker_away", error=type(error).__name__, failures=failures)
                await asyncio.sleep(backoff_s(failures, base_s=0.1, most_s=5.0))
