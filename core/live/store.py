"""A running session in Valkey or Redis: what was sent, what was said, and where whoever holds it stands.

    live:{session}:facts     what it was opened with, JSON
    live:{session}:in        stream of what the client sent: frames of sound, questions, feedback, the end
    live:{session}:out       stream of events; their numbers are the ids
    live:{session}:state     hash: last frame, samples so far, last event, and the states of the one who holds it
    live:{session}:holder    who holds it, for as long as he says so again and again
    live:{session}:client    is there a client, for as long as one was heard of
    live:running             all sessions that are not over, by when they began
    live:hosts               who could hold sessions: name → what it says of itself, and until when that holds

One script does each thing that must happen whole: a frame counts once, and events appear together with the state that
they lead to, by him alone who holds the session.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.kit.errors import Conflict, NotFound, Unavailable

T = TypeVar("T")
_KEPT_S = 6 * 3600
"""After this nobody remembers a session that was never ended."""
_AFTER_S = 180
"""So long the events of an ended session can be read again."""
MOST_EVENTS = 20_000
MOST_CONNECTIONS = 2_000
_PATIENCE_S = 5.0  # more than anybody waits for an entry

_ADMIT = """
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1])
return 1"""
# KEYS: in, state, facts, client. ARGV: frame, samples, payload, kept, client's time.
_FRAME = """
if redis.call('EXISTS', KEYS[3]) == 0 or redis.call('HEXISTS', KEYS[2], 'closed') == 1 then return {-1, 0} end
redis.call('SET', KEYS[4], '1', 'EX', ARGV[5])
local last = tonumber(redis.call('HGET', KEYS[2], 'frame') or '0')
local number = tonumber(ARGV[1])
if number <= last then return {1, last} end
if number > last + 1 then return {0, last} end
local at = redis.call('HINCRBY', KEYS[2], 'samples', ARGV[2]) - tonumber(ARGV[2])
redis.call('HSET', KEYS[2], 'frame', number)
redis.call('XADD', KEYS[1], '*', 'k', 'audio', 'n', number, 'a', at, 'd', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return {1, number}"""
# KEYS: in, state, facts. ARGV: kind, payload, closes.
_NOTE = """
if redis.call('EXISTS', KEYS[3]) == 0 or redis.call('HEXISTS', KEYS[2], 'closed') == 1 then return 0 end
if ARGV[3] == '1' then redis.call('HSET', KEYS[2], 'closed', '1') end
redis.call('XADD', KEYS[1], '*', 'k', ARGV[1], 'd', ARGV[2])
return 1"""
# KEYS: holder, out, state. ARGV: token, kept, most, name and value of a state, events…
_SAY = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local number = tonumber(redis.call('HGET', KEYS[3], 'event') or '0')
for i = 6, #ARGV do
    number = number + 1
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], number .. '-0', 'e', ARGV[i])
end
redis.call('HSET', KEYS[3], 'event', number)
if ARGV[4] ~= '' then redis.call('HSET', KEYS[3], ARGV[4], ARGV[5]) end
redis.call('EXPIRE', KEYS[2], ARGV[2])
return number"""
_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


@dataclass(frozen=True, slots=True)
class Sent:
    """One thing that the client sent. `at`: of sound, its first sample at the source's rate."""

    id: str
    kind: str  # audio | ask | feedback | end
    frame: int
    at: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """A session as it stands: `frame` and `event` are the last numbers; `states` by name."""

    facts: dict[str, Any]
    frame: int
    event: int
    closed: bool
    states: dict[str, Any]


class LiveStore:
    """Raises `Unavailable` where the server does not answer."""

    def __init__(self, url: str, *, name: str = "live") -> None:
        """`name`: what all keys begin with."""
        self._name, self._running, self._hosts = name, f"{name}:running", f"{name}:hosts"
        # The client's own limit on reading loses a cancellation now and then (`asyncio.wait_for` before Python 3.12).
        self._redis: Any = Redis.from_url(
            url, socket_timeout=None, socket_connect_timeout=2.0, max_connections=MOST_CONNECTIONS
        )

    # ── what there is ────────────────────────────────────────────────────────────────────────────────────────────────

    async def admit(self, session: UUID, most: int) -> bool:
        """Count the session among the running, where there are fewer than `most`."""
        return bool(await self._do(self._redis.eval(_ADMIT, 1, self._running, str(session), most)))

    async def open(self, session: UUID, facts: Mapping[str, Any], *, client_s: float) -> None:
        async def write() -> None:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.set(self._key(session, "facts"), json.dumps(facts), ex=_KEPT_S)
                pipe.hset(self._key(session, "state"), "opened", "1")
                pipe.expire(self._key(session, "state"), _KEPT_S)
                pipe.set(self._key(session, "client"), "1", ex=max(1, round(client_s)))
                await pipe.execute()

        await self._do(write())

    async def running(self) -> list[UUID]:
        """Of all hosts, the oldest first."""
        return [UUID(raw.decode()) for raw in await self._do(self._redis.zrange(self._running, 0, -1))]

    async def kept(self, session: UUID) -> Kept:
        """Raises `NotFound`."""

        async def read() -> tuple[bytes | None, dict[bytes, bytes]]:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.get(self._key(session, "facts"))
                pipe.hgetall(self._key(session, "state"))
                facts, state = await pipe.execute()
                return facts, state

        facts, state = await self._do(read())
        if facts is None:
            raise NotFound("There is no such session running. Start another.")
        numbers = {name: int(state.get(name, b"0")) for name in (b"frame", b"event")}
        states = {name.decode()[6:]: json.loads(raw) for name, raw in state.items() if name.startswith(b"state:")}
        return Kept(json.loads(facts), numbers[b"frame"], numbers[b"event"], b"closed" in state, states)

    async def forget(self, session: UUID) -> None:
        """It is over: its sound goes now, its events a little later, when the client has read them."""

        async def write() -> None:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.zrem(self._running, str(session))
                pipe.delete(*(self._key(session, name) for name in ("in", "holder", "client")))
                for name in ("facts", "out", "state"):
                    pipe.expire(self._key(session, name), _AFTER_S)
                await pipe.execute()

        await self._do(write())

    # ── the client's side ────────────────────────────────────────────────────────────────────────────────────────────

    async def frame(self, session: UUID, number: int, samples: int, payload: bytes, *, client_s: float) -> int:
        """Keep a frame, once; returns the last that is kept. Raises `Conflict` for a gap, `NotFound` once it ended."""
        keys = [self._key(session, name) for name in ("in", "state", "facts", "client")]
        arguments = (number, samples, payload, _KEPT_S, max(1, round(client_s)))
        taken, last = await self._do(self._redis.eval(_FRAME, len(keys), *keys, *arguments))
        if taken < 0:
            raise NotFound("This session takes no more sound: it is over.")
        if not taken:
            raise Conflict(f"Frame {last + 1} is missing. Send all from there.", frame=last)
        return int(last)

    async def note(self, session: UUID, kind: str, said: Mapping[str, Any], *, closes: bool = False) -> bool:
        """Something else that is said, after all sound before it. False once it is over. `closes`: nothing follows."""
        keys = [self._key(session, name) for name in ("in", "state", "facts")]
        return bool(
            await self._do(self._redis.eval(_NOTE, len(keys), *keys, kind, json.dumps(said), "1" if closes else ""))
        )

    async def seen(self, session: UUID, *, client_s: float) -> None:
        """There is a client, for so long."""
        await self._do(self._redis.set(self._key(session, "client"), "1", ex=max(1, round(client_s)), xx=False))

    async def has_client(self, session: UUID) -> bool:
        return bool(await self._do(self._redis.exists(self._key(session, "client"))))

    async def events(self, session: UUID, after: int, *, wait_s: float, most: int = 500) -> list[dict[str, Any]]:
        """The next events after a number, oldest first; waits for one where there is none."""
        found = await self._do(
            self._redis.xread({self._key(session, "out"): f"{after}-0"}, count=most, block=max(1, round(wait_s * 1000)))
        )
        entries = found[0][1] if found else []
        return [{**json.loads(data[b"e"]), "number": int(id_.split(b"-")[0])} for id_, data in entries]

    # ── the holder's side ────────────────────────────────────────────────────────────────────────────────────────────

    async def hold(self, session: UUID, token: str, *, lease_s: float) -> bool:
        """Become the one who holds it, where nobody does."""
        lease_ms = round(lease_s * 1000)
        return bool(await self._do(self._redis.set(self._key(session, "holder"), token, nx=True, px=lease_ms)))

    async def renew(self, sessions: Sequence[UUID], token: str, *, lease_s: float) -> list[UUID]:
        """Go on holding them; returns those that are held no longer."""
        if not sessions:
            return []

        async def ask() -> list[int]:
            async with self._redis.pipeline(transaction=False) as pipe:
                for session in sessions:
                    pipe.eval(_RENEW, 1, self._key(session, "holder"), token, round(lease_s * 1000))
                answers: list[int] = await pipe.execute()
                return answers

        answers = await self._do(ask())
        return [session for session, answer in zip(sessions, answers, strict=True) if not answer]

    async def release(self, session: UUID, token: str) -> None:
        await self._do(self._redis.eval(_RELEASE, 1, self._key(session, "holder"), token))

    async def holders(self, sessions: Sequence[UUID]) -> list[str | None]:
        """The token of the one who holds each; None: nobody."""
        if not sessions:
            return []
        found = await self._do(self._redis.mget([self._key(session, "holder") for session in sessions]))
        return [holder.decode() if holder is not None else None for holder in found]

    async def sent(self, session: UUID, after: str, *, wait_s: float, most: int = 200) -> list[Sent]:
        """What came after an id ("0": all), oldest first; waits for something where there is nothing."""
        found = await self._do(
            self._redis.xread({self._key(session, "in"): after}, count=most, block=max(1, round(wait_s * 1000)))
        )
        return [_sent(id_, data) for id_, data in found[0][1]] if found else []

    async def say(
        self, session: UUID, token: str, events: Sequence[Mapping[str, Any]], *, state: tuple[str, Any] | None = None
    ) -> int | None:
        """Events, and with them a state; returns the last number, or None where another holds the session by now."""
        keys = [self._key(session, name) for name in ("holder", "out", "state")]
        name, value = (f"state:{state[0]}", json.dumps(state[1])) if state else ("", "")
        said = [json.dumps(event) for event in events]
        number = await self._do(
            self._redis.eval(_SAY, len(keys), *keys, token, _KEPT_S, MOST_EVENTS, name, value, *said)
        )
        return int(number) if number >= 0 else None

    async def again(self, session: UUID, up_to: str) -> list[Sent]:
        """What is kept of all that was sent, up to an id and with it."""
        found = await self._do(self._redis.xrange(self._key(session, "in"), "-", up_to))
        return [_sent(id_, data) for id_, data in found]

    async def drop_before(self, session: UUID, id_: str) -> None:
        """What was sent before that entry lies elsewhere by now."""
        await self._do(self._redis.xtrim(self._key(session, "in"), minid=id_, approximate=False))

    # ── hosts ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def report(self, host: str, said: Mapping[str, Any], *, lives_s: float) -> None:
        """A host tells how many sessions it holds and may hold."""

        async def write() -> None:
            now_s, _ = await self._redis.time()
            await self._redis.hset(self._hosts, host, json.dumps({**said, "until_s": now_s + lives_s}))

        await self._do(write())

    async def hosts(self) -> dict[str, dict[str, Any]]:
        """Those that live, by name."""

        async def read() -> dict[str, dict[str, Any]]:
            now_s, _ = await self._redis.time()
            found = {name.decode(): json.loads(raw) for name, raw in (await self._redis.hgetall(self._hosts)).items()}
            return {name: said for name, said in found.items() if said["until_s"] >= now_s}

        return await self._do(read())

    async def withdraw(self, host: str) -> None:
        await self._do(self._redis.hdel(self._hosts, host))

    async def close(self) -> None:
        await self._redis.aclose()

    def _key(self, session: UUID, name: str) -> str:
        return f"{self._name}:{{{session}}}:{name}"

    async def _do(self, doing: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await doing
        except (RedisError, OSError):
            raise Unavailable("Live sessions cannot be reached just now. Try again in a moment.") from None


def _sent(id_: bytes, data: Mapping[bytes, bytes]) -> Sent:
    return Sent(
        id_.decode(), data[b"k"].decode(), int(data.get(b"n", b"0")), int(data.get(b"a", b"0")), data.get(b"d", b"")
    )
