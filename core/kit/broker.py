"""What is asked of a broker, and the two ends of it: a publisher empties the outbox onto a topic, a source claims what
came over one."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy import text

from core.kit import outbox
from core.kit.db import Database
from core.kit.desk import Desk
from core.kit.errors import BadEvent, SalesEdgeError
from core.kit.events import Event
from core.kit.listener import Listener
from core.kit.log import logger
from core.kit.outbox import Delivery
from core.kit.relay import Reaction, Relay
from core.kit.retry import backoff_s
from core.kit.runner import Verdict

log = logger("broker")
_BATCH = 500
_MOST_IDLE_S = 30.0
_MOST_WAITING = 1_000  # so many may wait for others of their tenant before those of other tenants wait as well


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a topic, and where it lies there."""

    partition: int
    offset: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """One message to be; those with one key keep their order."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Log(Protocol):
    """Where messages are put."""

    async def append(self, topic: str, records: Sequence[Record]) -> list[str | None]:
        """All of them, kept by the broker when this returns; for each what is wrong with it where the broker will
        never take it. Raises `Unavailable`; some may be there then."""
        ...


class Subscription(Protocol):
    """One member of a consumer group."""

    def ready(self, most: int) -> list[Message]:
        """What has come; nothing where nothing has."""
        ...

    async def wait(self) -> None:
        """Until `ready` gives something."""
        ...

    def finish(self, message: Message) -> None:
        """Its effect is committed, or is somebody else's to bring about: the group's offset may pass it."""
        ...


# A tenant's events in one piece from the oldest, or none of them: a second publisher passes by what the first holds.
_NEXT = text("""
    WITH due AS MATERIALIZED (
        SELECT d.event_id, d.tenant_id, d.seq FROM deliveries d
        WHERE d.status = 'pending' AND d.attempts = 0 AND d.reaction = :publish AND d.next_at <= :now
        ORDER BY d.seq LIMIT :most FOR UPDATE OF d SKIP LOCKED
    )
    SELECT e.id, e.tenant_id, e.type, e.subject, e.data, e.version, e.at, e.trace FROM due JOIN events e
        ON e.id = due.event_id
    WHERE NOT EXISTS (
        SELECT 1 FROM deliveries p WHERE p.status = 'pending' AND p.tenant_id = due.tenant_id
           AND p.reaction = :publish AND p.seq < due.seq AND p.seq NOT IN (SELECT seq FROM due))
    ORDER BY due.seq
""")
_PUBLISHED = text("""
    UPDATE deliveries d SET status = CASE WHEN p.error IS NULL THEN 'done' ELSE 'parked' END, done_at = :now,
           attempts = 1, error = p.error
    FROM unnest(CAST(:events AS uuid[]), CAST(:errors AS text[])) AS p(event_id, error)
    WHERE d.event_id = p.event_id AND d.reaction = :publish AND d.status = 'pending'
""")


class Publisher:
    """Puts events onto the topic, keyed by tenant, in the order of their commits. The rows stay locked until the broker
    has them, so that several publishers never mix up a tenant's events; a crash in between publishes them again."""

    def __init__(self, db: Database, log_: Log, topic: str, listener: Listener) -> None:
        self._db = db
        self._log = log_
        self._topic = topic
        self._listener = listener

    async def run(self) -> None:
        failures = 0
        while True:
            seen = self._listener.heard
            try:
                if not await self.publish():
                    await self._listener.wait(seen, _MOST_IDLE_S)
                failures = 0
            except Exception as error:
                failures += 1
                log.warning("publisher_waits", error=type(error).__name__, failures=failures)
                await asyncio.sleep(backoff_s(failures, base_s=0.1, most_s=5.0))

    async def publish(self) -> int:
        """One batch; how many events it had."""
        async with self._db.system() as tx:
            values = {"publish": outbox.PUBLISH, "most": _BATCH, "now": tx.clock.now()}
            rows = (await tx.session.execute(_NEXT, values)).mappings().all()
            if not rows:
                return 0
            records: list[Record] = []
            for row in rows:
                event = outbox.Delivery(outbox.event_of(row), outbox.PUBLISH, 1, True, row["version"]).current()
                told = json.dumps(event.to_cloudevent()).encode()
                records.append(
                    Record(str(event.tenant_id).encode(), told, (("content-type", b"application/cloudevents+json"),))
                )
            errors = await self._log.append(self._topic, records)
            done = {"events": [row["id"] for row in rows], "errors": errors, "publish": outbox.PUBLISH}
            await tx.session.execute(_PUBLISHED, {**done, "now": tx.clock.now()})
        return len(rows)


@dataclass(slots=True)
class _Open:
    """A message whose deliveries are not all settled."""

    message: Message
    event: Event
    left: set[str]


class TopicSource:
    """Deliveries of the events that a topic brings. An ordered reaction waits here for the tenant's one before it; what
    fails goes to the relay, so that nothing ever stands in a partition's way."""

    def __init__(
        self, db: Database, reactions: Iterable[Reaction], subscription: Subscription, dead: DeadLetters, relay: Relay,
        *, lease_s: float,
    ) -> None:  # fmt: skip
        self._desk = Desk(db)
        self._subscription = subscription
        self._dead = dead
        self._relay = relay
        self._lease_s = lease_s
        self._takes: dict[str, list[Reaction]] = {}
        for reaction in reactions:
            self._takes.setdefault(reaction.on.value, []).append(reaction)
        self._new: deque[Message] = deque()
        self._waiting: deque[_Open] = deque()
        self._open: dict[UUID, _Open] = {}
        self._busy: set[tuple[UUID, str]] = set()
        self._freed = asyncio.Event()

    async def claim(self, most: int) -> list[Delivery]:
        self._freed.clear()
        if len(self._waiting) < _MOST_WAITING:
            await self._take_in(most)
        chosen = self._choose(most)
        wanted = [(one.event.id, name) for one in chosen for name in one.left]
        if not wanted:
            return []
        try:
            claimed = await self._desk.claim_these(wanted, lease_s=self._lease_s)
        except BaseException:
            self._waiting.extendleft(reversed(chosen))
            raise
        self._claimed(chosen, claimed)
        if len(claimed) < len(wanted):
            await self._relay.wake()
        return claimed

    async def idle(self) -> None:
        """Until a message comes, or one is done that others wait for."""
        waits = [asyncio.ensure_future(self._freed.wait()), asyncio.ensure_future(self._subscription.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def settled(self, delivery: Delivery, verdict: Verdict | None) -> None:
        if delivery.ordered:
            self._busy.discard((delivery.event.tenant_id, delivery.reaction))
            self._freed.set()
        one = self._open.get(delivery.event.id)
        if one is not None:
            one.left.discard(delivery.reaction)
            self._finish(one)
        if verdict is not Verdict.DONE:
            await self._relay.wake()

    async def close(self) -> None:
        await self._desk.close()

    async def _take_in(self, most: int) -> None:
        """Messages that are no events of ours are put aside, with what is wrong with them."""
        self._new.extend(self._subscription.ready(most))
        while self._new:
            message = self._new[0]
            try:
                event = read(message.value)
            except BadEvent as error:
                await self._dead.bury(message, error)
                self._subscription.finish(message)
            except SalesEdgeError:  # of a newer release, which finds it in the database
                self._subscription.finish(message)
            else:
                names = {reaction.name for reaction in self._takes.get(event.type.value, ())}
                self._waiting.append(_Open(message, event, names))
            self._new.popleft()

    def _choose(self, most: int) -> list[_Open]:
        """Those that need not wait for an earlier one of their tenant; a tenant's run is chosen whole."""
        chosen: list[_Open] = []
        kept: deque[_Open] = deque()
        held = set(self._busy)
        while self._waiting and len(chosen) < most:
            one = self._waiting.popleft()
            keys = {
                (one.event.tenant_id, reaction.name)
                for reaction in self._takes.get(one.event.type.value, ())
                if reaction.ordered
            }
            if not one.left:
                self._subscription.finish(one.message)
            elif keys & held:
                held |= keys
                kept.append(one)
            else:
                chosen.append(one)
        self._waiting.extendleft(reversed(kept))
        return chosen

    def _claimed(self, chosen: list[_Open], claimed: list[Delivery]) -> None:
        got: dict[UUID, set[str]] = {}
        for delivery in claimed:
            got.setdefault(delivery.event.id, set()).add(delivery.reaction)
            if delivery.ordered:
                self._busy.add((delivery.event.tenant_id, delivery.reaction))
        for one in chosen:
            one.left &= got.get(one.event.id, set())
            if one.left:
                self._open[one.event.id] = one
            self._finish(one)

    def _finish(self, one: _Open) -> None:
        if not one.left:
            self._open.pop(one.event.id, None)
            self._subscription.finish(one.message)


class DeadLetters:
    """Messages that nobody can read, on a topic of their own, with the error and where they lay."""

    def __init__(self, log_: Log, topic: str) -> None:
        self._log = log_
        self._topic = topic

    async def bury(self, message: Message, error: BadEvent) -> None:
        log.warning("dead_letter", partition=message.partition, offset=message.offset)
        place = f"{message.partition}@{message.offset}".encode()
        headers = (("error", error.detail.encode()), ("place", place))
        await self._log.append(self._topic, [Record(place, message.value, headers)])


def read(value: bytes) -> Event:
    """Raises `BadEvent`, and `Unavailable` for what a newer release wrote."""
    try:
        raw = json.loads(value)
    except ValueError as error:
        raise BadEvent(f"This is no JSON ({type(error).__name__}).") from None
    if not isinstance(raw, dict):
        raise BadEvent("This is no CloudEvent.")
    return Event.from_cloudevent(raw)
