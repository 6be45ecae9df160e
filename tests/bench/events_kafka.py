"""Events over a broker: from commit to a reaction's effect, against kafka-python alone on the same broker."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from cluster.embedded_broker import EmbeddedBroker
from core import bootstrap
from core.gateways.kafka import client_options, prepare
from core.kit.db import Database, Tx
from core.kit.event_settings import EventSettings, KafkaSettings
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.relay import Reaction, routes
from core.settings import Settings
from core.transport import open_transport
from tests.bench.harness import line, quantile, servers

COUNT, WORKERS, SINGLY = 2_000, 4, 300
PEER = "kafka-python alone"


def run() -> None:
    with servers() as settings, EmbeddedBroker(settings.data_dir / "kafka") as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.address, grace_s=3600, partitions=6)
        per_s, took = asyncio.run(_ours(settings, EventSettings(transport="kafka", workers=WORKERS, kafka=kafka)))
        peer_per_s, peer_took = _raw(kafka.model_copy(update={"topic": "raw"}))
    line("events_kafka", "per_s", per_s, "1/s", PEER, peer_per_s, more_is_better=True)
    for metric, share in (("p50_ms", 0.5), ("p95_ms", 0.95)):
        value, peer = quantile(took, share) * 1e3, quantile(peer_took, share) * 1e3
        line("events_kafka", metric, value, "ms", PEER, peer, more_is_better=False)


async def _ours(settings: Settings, events: EventSettings) -> tuple[float, list[float]]:
    """Throughput with a backlog in the outbox, published and read; latency with one event after another."""
    bootstrap.load_models()
    took: list[float] = []
    done = asyncio.Semaphore(0)
    begun: dict[Any, float] = {}

    async def note(event: Event, tx: Tx, services: Any) -> None:
        took.append(time.perf_counter() - begun[event.id])
        done.release()

    reaction = Reaction("note", EventType.DEAL_CHANGED, note)
    taken_by = routes([reaction], publish_after_s=events.kafka.grace_s)
    db = Database(bootstrap.database_url(settings), routes=taken_by, pool_size=10)
    tenants = [new_id() for _ in range(20)]

    async def emit(number: int) -> None:
        event = Event(EventType.DEAL_CHANGED, tenants[number % len(tenants)], new_id(), {"fields": ["stage"]})
        async with db.tenant(event.tenant_id) as tx:
            await tx.emit(event)
            begun[event.id] = time.perf_counter()

    transport = open_transport(events, db, [reaction], None)
    running = asyncio.create_task(transport.run())
    await emit(0)
    await done.acquire()  # the groups have their partitions
    transport.stop()
    await running
    for number in range(COUNT):
        await emit(number)
    transport = open_transport(events, db, [reaction], None)
    started = time.perf_counter()
    running = asyncio.create_task(transport.run())
    for _ in range(COUNT):
        await done.acquire()
    per_s = COUNT / (time.perf_counter() - started)
    took.clear()
    for number in range(SINGLY):
        await emit(number)
        await done.acquire()
    transport.stop()
    await running
    await db.close()
    return per_s, took


def _raw(kafka: KafkaSettings) -> tuple[float, list[float]]:
    """The same number of messages of the same size, sent, read and committed; nothing is done with them."""
    from kafka import KafkaConsumer, KafkaProducer

    prepare(kafka)
    options = client_options(kafka)
    event = Event(EventType.DEAL_CHANGED, new_id(), new_id(), {"fields": ["stage"]})
    value = json.dumps(event.to_cloudevent()).encode()
    producer = KafkaProducer(**options, acks="all")
    consumer = KafkaConsumer(
        kafka.topic, **options, group_id="raw", auto_offset_reset="earliest", enable_auto_commit=False
    )
    started = time.perf_counter()
    for number in range(COUNT):
        producer.send(kafka.topic, value, str(number % 20).encode())
    producer.flush()
    count = 0
    while count < COUNT:
        count += sum(len(found) for found in consumer.poll(timeout_ms=100).values())
        consumer.commit()
    per_s = COUNT / (time.perf_counter() - started)
    took = []
    for number in range(SINGLY):
        begun = time.perf_counter()
        producer.send(kafka.topic, value, str(number % 20).encode())
        while not consumer.poll(timeout_ms=100):
            continue
        took.append(time.perf_counter() - begun)
        consumer.commit()
    consumer.close()
    producer.close()
    return per_s, took
