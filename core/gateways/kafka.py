"""Kafka by kafka-python, which is synchronous: a thread for what is sent and one for each group that is read, with a
bounded number of messages between them and the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from core.kit.broker import Message, Record
from core.kit.errors import Unavailable
from core.kit.event_settings import KafkaSettings
from core.kit.log import logger
from core.kit.retry import backoff_s

if TYPE_CHECKING:
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition

log = logger("kafka")
DEAD = ".dead"
_ANSWER_MS = 10_000
_POLL_MS = 100
_MOST_OPEN = 2_000


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """What every client of kafka-python is told."""
    assert settings.bootstrap_servers is not None, "settings.load() or the embedded broker sees to it"
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what matters of it we say ourselves
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "client_id": "salesedge",
        "security_protocol": settings.security,
        "request_timeout_ms": _ANSWER_MS,
        "reconnect_backoff_max_ms": 1_000,
    }
    files = {"ssl_cafile": settings.ca_file, "ssl_certfile": settings.cert_file, "ssl_keyfile": settings.key_file}
    options |= {name: str(file) for name, file in files.items() if file is not None}
    if settings.mechanism is not None and settings.password is not None:
        options |= {
            "sasl_mechanism": settings.mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": settings.password.get_secret_value(),
        }
    return options


def prepare(settings: KafkaSettings) -> None:
    """Make the topics where they are not there. Raises `Unavailable` where no broker answers. Blocks."""
    from kafka.admin import KafkaAdminClient, NewTopic
    from kafka.errors import KafkaError, TopicAlreadyExistsError

    try:
        admin = KafkaAdminClient(**client_options(settings), bootstrap_timeout_ms=_ANSWER_MS)
        try:
            known = set(admin.list_topics())
            for topic, partitions in ((settings.topic, settings.partitions), (settings.topic + DEAD, 1)):
                if topic not in known:
                    with contextlib.suppress(TopicAlreadyExistsError):
                        admin.create_topics([NewTopic(topic, partitions, settings.replication)])
        finally:
            admin.close()
    except (KafkaError, OSError) as error:
        raise Unavailable(
            f"No Kafka broker answers at {settings.bootstrap_servers} ({type(error).__name__}). Is it up, and are "
            "SALESEDGE_EVENTS__KAFKA__BOOTSTRAP_SERVERS and the security settings right?"
        ) from None


def behind(settings: KafkaSettings, groups: Iterable[str]) -> dict[str, int]:
    """How many messages of the topic each group has not passed. Blocks."""
    from kafka import KafkaConsumer, TopicPartition
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError

    options = client_options(settings)
    try:
        with contextlib.closing(KafkaConsumer(**options)) as consumer, contextlib.closing(
            KafkaAdminClient(**options)
        ) as admin:  # fmt: skip
            numbers = consumer.partitions_for_topic(settings.topic) or ()
            partitions = [TopicPartition(settings.topic, number) for number in numbers]
            begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
            at = admin.list_group_offsets(list(groups))
            return {
                group: sum(
                    ends[place] - max(begins[place], offsets[place].offset if place in offsets else 0)
                    for place in partitions
                )
                for group, offsets in at.items()
            }
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka does not answer ({type(error).__name__}).") from None


class KafkaLog:
    """`Log` over an idempotent producer. After a failure that producer is thrown away with all it still holds."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, "kafka-log")
        self._producer: KafkaProducer | None = None

    async def append(self, topic: str, records: Sequence[Record]) -> list[str | None]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._append, topic, records)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
        self._thread.shutdown(wait=False)

    def _append(self, topic: str, records: Sequence[Record]) -> list[str | None]:
        from kafka import KafkaProducer
        from kafka.errors import KafkaError, MessageSizeTooLargeError

        try:
            if self._producer is None:
                options = client_options(self._settings)
                self._producer = KafkaProducer(
                    **options, acks="all", enable_idempotence=True, max_block_ms=_ANSWER_MS,
                    delivery_timeout_ms=2 * _ANSWER_MS, bootstrap_timeout_ms=_ANSWER_MS,
                )  # fmt: skip
            errors: list[str | None] = []
            sent = []
            for record in records:
                try:
                    sent.append(self._producer.send(topic, record.value, record.key, list(record.headers)))
                    errors.append(None)
                except MessageSizeTooLargeError as error:
                    errors.append(f"{type(error).__name__}: {error}")
            self._producer.flush(_ANSWER_MS / 1000)
            for future in sent:
                future.get(_ANSWER_MS / 1000)
        except (KafkaError, OSError) as error:
            self._drop()
            raise Unavailable(f"Kafka takes no messages ({type(error).__name__}).") from None
        return errors

    def _drop(self) -> None:
        from kafka.errors import KafkaError

        producer, self._producer = self._producer, None
        if producer is not None:
            # Its own close first waits for what never goes, and then leaves the sending thread alive.
            producer._sender.force_close()
            producer._sender.join(_ANSWER_MS / 1000)
            with contextlib.suppress(KafkaError):
                producer.close(timeout=0)


class _Places:
    """Of one partition: which offsets are in work, and where the group may be said to stand."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.next = 0
        self.committed = -1

    def position(self) -> int:
        return min(self.open, default=self.next)


class KafkaSubscription:
    """`Subscription` over a consumer in a thread of its own, which polls, pauses where too much is open, and commits
    what is finished. With the cooperative protocol a re-balance takes away only the partitions that move; what is in
    hand of those goes on, and the inbox sees to it that nobody else does it as well."""

    def __init__(self, settings: KafkaSettings, group: str) -> None:
        self._settings = settings
        self._group = group
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: deque[Message] = deque()
        self._came = asyncio.Event()
        self._lock = threading.Lock()
        self._places: dict[int, _Places] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kafka-{group}", daemon=True)

    @property
    def begun(self) -> bool:
        return self._loop is not None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def close(self) -> None:
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, 2 * _ANSWER_MS / 1000)

    def ready(self, most: int) -> list[Message]:
        found = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
        if not self._queue:
            self._came.clear()
        return found

    async def wait(self) -> None:
        await self._came.wait()

    def finish(self, message: Message) -> None:
        with self._lock:
            if message.partition in self._places:
                self._places[message.partition].open.discard(message.offset)

    # ── in the thread ────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self._consume()
                failures = 0
            except Exception as error:
                failures += 1
                log.warning("consumer_waits", group=self._group, error=type(error).__name__, failures=failures)
                self._stopping.wait(backoff_s(failures, base_s=0.1, most_s=5.0))

    def _consume(self) -> None:
        from kafka import KafkaConsumer
        from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

        consumer = KafkaConsumer(
            **client_options(self._settings), group_id=self._group, enable_auto_commit=False,
            auto_offset_reset="earliest", partition_assignment_strategy=[CooperativeStickyAssignor],
            bootstrap_timeout_ms=_ANSWER_MS,
        )  # fmt: skip
        try:
            consumer.subscribe([self._settings.topic], listener=_listener(self, consumer))
            while not self._stopping.is_set():
                found = consumer.poll(timeout_ms=_POLL_MS, max_records=500)
                for place, records in found.items():
                    self._hand_over(
                        [Message(place.partition, record.offset, record.value or b"") for record in records]
                    )
                self._pause(consumer)
                self._commit(consumer, self._places)
        finally:
            with contextlib.suppress(Exception):
                self._commit(consumer, self._places)
            self._forget(list(self._places))
            consumer.close(autocommit=False, timeout_ms=_ANSWER_MS)

    def _hand_over(self, messages: list[Message]) -> None:
        with self._lock:
            for message in messages:
                places = self._places.setdefault(message.partition, _Places())
                places.open.add(message.offset)
                places.next = max(places.next, message.offset + 1)
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: so is this, in a moment
            self._loop.call_soon_threadsafe(self._arrived, messages)

    def _arrived(self, messages: list[Message]) -> None:
        self._queue.extend(messages)
        self._came.set()

    def _pause(self, consumer: KafkaConsumer) -> None:
        with self._lock:
            count = sum(len(places.open) for places in self._places.values())
        if count >= _MOST_OPEN:
            consumer.pause(*consumer.assignment())
        elif count < _MOST_OPEN // 2 and consumer.paused():
            consumer.resume(*consumer.paused())

    def _commit(self, consumer: KafkaConsumer, partitions: Iterable[int]) -> None:
        from kafka import TopicPartition
        from kafka.errors import KafkaError
        from kafka.structs import OffsetAndMetadata

        with self._lock:
            moved = {
                number: position
                for number in partitions
                if (places := self._places.get(number)) and (position := places.position()) > places.committed
            }
        if not moved:
            return
        offsets = {
            TopicPartition(self._settings.topic, number): OffsetAndMetadata(position, "", -1)
            for number, position in moved.items()
        }
        try:
            consumer.commit(offsets, timeout_ms=_ANSWER_MS)
        except KafkaError as error:
            # Where somebody else has them by now, he reads again what the inbox knows.
            log.warning("offsets_not_committed", group=self._group, error=type(error).__name__)
            return
        with self._lock:
            for number, position in moved.items():
                if number in self._places:
                    self._places[number].committed = position

    def _forget(self, partitions: Iterable[int]) -> None:
        with self._lock:
            for number in partitions:
                self._places.pop(number, None)


def _listener(subscription: KafkaSubscription, consumer: KafkaConsumer) -> Any:
    from kafka import ConsumerRebalanceListener

    class Moved(ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
            numbers = [place.partition for place in revoked]
            subscription._commit(consumer, numbers)
            subscription._forget(numbers)

        def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
            return None

        def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
            subscription._forget([place.partition for place in lost])

    return Moved()
