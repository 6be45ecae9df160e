"""Hosts over the real store: what is sent is heard once, whoever holds the session and however often it changes."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import pytest
import soundfile

from core.app import create_app  # noqa: F401  # its routes name every table
from core.kit.clock import SystemClock
from core.kit.errors import Conflict, NotFound, Unavailable
from core.kit.live_settings import LiveSettings
from core.live.door import LiveDoor
from core.live.facts import Facts
from core.live.host import LiveHost
from core.live.making import making
from core.live.model import LiveSessionRow
from core.live.store import LiveStore
from core.ports import Clock
from core.settings import Settings
from tests.core.live.made import facts, frames, pcm, talk
from tests.fakes.live import AGAIN, AGAIN_S, fake_ear, fake_mind
from tests.support import Api, Client

QUICK = LiveSettings(look_s=0.05, lease_s=0.6, settle_s=1.0)
FRAME = 2 * 2 * 1_600  # bytes of 100 ms


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[LiveStore]:
    assert settings.redis.url is not None
    found = LiveStore(settings.redis.url.get_secret_value())
    yield found
    for session in await found.running():
        await found.forget(session)
    for host in await found.hosts():
        await found.withdraw(host)
    await found.close()


@pytest.fixture
def new_host(api: Api, store: LiveStore) -> Callable[..., LiveHost]:
    services = api.services

    def make(name: str = "one", ear: Any = fake_ear, clock: Clock | None = None, **more: Any) -> LiveHost:
        parts = making(
            services.db, services.objects, services.limits, services.may_record, services.settings.calls,
            ear=ear, mind=fake_mind, **more,
        )  # fmt: skip
        return LiveHost(name, store, parts, QUICK, clock or SystemClock())

    return make


@contextlib.asynccontextmanager
async def running(host: LiveHost) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(host.run())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def opened(api: Api, client: Client, store: LiveStore, **fields: Any) -> Facts:
    me = (await client.get("/v1/me")).json()
    found = facts(UUID(me["tenant_id"]), UUID(me["id"]), **fields)
    async with api.services.db.tenant(found.tenant_id) as tx:
        row = LiveSessionRow(
            id=found.session, tenant_id=found.tenant_id, owner_id=found.owner_id, deal_id=found.deal_id,
            language="en", channels=len(found.channels), started_at=found.started_at,
        )  # fmt: skip
        tx.session.add(row)
    await store.open(found.session, found.model_dump(mode="json"), client_s=30)
    assert await store.admit(found.session, 100)
    return found


async def send(store: LiveStore, session: UUID, parts: list[bytes], *, first: int = 1) -> None:
    for number, part in enumerate(parts, start=first):
        assert await store.frame(session, number, len(part) // 4, part, client_s=30) == number


async def told(store: LiveStore, session: UUID, *, until: str, after: int = 0) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while not any(event["type"] == until for event in events):
            events += await store.events(session, events[-1]["number"] if events else after, wait_s=1)
    return events


async def forgotten(store: LiveStore) -> None:
    async with asyncio.timeout(20):
        while await store.running():
            pass


def kept(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Without what may be taken back and what is measured."""
    said = [e for e in events if e["type"] in ("speech_started", "stable", "final")]
    return sorted((e["side"], e["utterance"], e["type"], e.get("text", "")) for e in said)


SELLER, CUSTOMER = "#" * 20 + "." * 20 + "#" * 15, "." * 25 + "#" * 15 + "." * 15


async def test_a_session_is_heard_and_becomes_a_call(
    api: Api, ana: Client, store: LiveStore, new_host: Callable[..., LiveHost]
) -> None:
    session = (await opened(api, ana, store)).session
    sound = pcm(talk(SELLER), talk(CUSTOMER))
    async with running(new_host()):
        await send(store, session, frames(sound, FRAME))
        assert await store.note(session, "end", {"reason": "ended"}, closes=True)
        events = await told(store, session, until="session_ended")
        await forgotten(store)
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "session_started"
    finals = [(e["side"], e["text"]) for e in events if e["type"] == "final"]
    assert finals == [("seller", "w0 w5 w10 w15"), ("customer", "w25 w30 w35"), ("seller", "w40 w45 w50")]
    suggested = [e["text"] for e in events if e["type"] == "suggestion"]
    assert [text for text in suggested if text != AGAIN] == [f"about {text}" for _, text in finals]
    over = events[-1]
    call = (await ana.get(f"/v1/calls/{over['call_id']}")).json()
    assert (call["status"], call["channels"], call["duration_s"]) == ("uploaded", 2, pytest.approx(5.5, abs=0.01))
    audio = await ana.get(f"/v1/calls/{over['call_id']}/audio")
    samples, rate = soundfile.read(io.BytesIO(audio.content), dtype="int16")
    assert rate == 16_000
    assert samples.astype("<i2").tobytes() == sound
    assert await api.services.objects.keys(f"{call['id']}") == []
    with pytest.raises(NotFound):
        await store.frame(session, 99, 1, b"\0\0", client_s=30)


async def test_a_suggestion_that_had_to_wait_comes_though_nobody_speaks(
    api: Api, ana: Client, store: LiveStore, new_host: Callable[..., LiveHost]
) -> None:
    session = (await opened(api, ana, store)).session
    sound = pcm(talk("#" * 10 + "." * 40), talk("." * 50))
    async with running(new_host()):
        await send(store, session, frames(sound, FRAME))
        events = await told(store, session, until="final")
        while len(suggested := [e for e in events if e["type"] == "suggestion"]) < 2:
            events += await told(store, session, until="suggestion", after=events[-1]["number"])
    first, second = suggested
    assert second["text"] == AGAIN
    assert second["at_s"] >= first["at_s"] + AGAIN_S


async def test_killed_hosts_lose_nothing_and_repeat_nothing(
    api: Api, ana: Client, store: LiveStore, new_host: Callable[..., LiveHost]
) -> None:
    """Every host dies in the middle, without a word, and the next one goes on."""
    sound = frames(pcm(talk(SELLER * 2), talk(CUSTOMER * 2)), FRAME)
    whole = (await opened(api, ana, store)).session
    async with running(new_host()):
        await send(store, whole, sound)
        await store.note(whole, "end", {"reason": "ended"}, closes=True)
        once = await told(store, whole, until="session_ended")

    session = (await opened(api, ana, store, started_at=facts().started_at)).session
    for number, begin in enumerate(range(0, len(sound), 30)):
        said = (await store.kept(session)).event
        async with running(new_host(f"host-{number}")):
            await send(store, session, sound[begin : begin + 30], first=begin + 1)
            await told(store, session, until="stable", after=said)
    await store.note(session, "end", {"reason": "ended"}, closes=True)
    async with running(new_host("last")):
        events = await told(store, session, until="session_ended")
    assert kept(events) == kept(once)
    assert [e["number"] for e in events] == list(range(1, len(events) + 1))
    # The same recording is one call.
    assert events[-1]["call_id"] == once[-1]["call_id"]
    thoughts = (await store.kept(session)).states["mind"]["mind"]["taken"]
    assert [t for t in thoughts if t.endswith("final")] == list(
        dict.fromkeys(t for t in thoughts if t.endswith("final"))
    )


async def test_one_who_dies_before_he_forgets_an_end_leaves_nothing_to_say(
    api: Api, ana: Client, store: LiveStore, new_host: Callable[..., LiveHost]
) -> None:
    session = (await opened(api, ana, store)).session
    assert await store.hold(session, "somebody", lease_s=30)
    assert await store.say(session, "somebody", [{"type": "session_ended"}], state=("over", True)) == 1
    await store.release(session, "somebody")
    async with running(new_host()):
        await forgotten(store)
    assert [event["type"] for event in await store.events(session, 0, wait_s=0.01)] == ["session_ended"]


async def test_one_of_two_hosts_leaves_and_the_other_goes_on(
    api: Api, ana: Client, store: LiveStore, new_host: Callable[..., LiveHost]
) -> None:
    session = (await opened(api, ana, store)).session
    first, second = new_host("first"), new_host("second")
    async with running(first):
        await send(store, session, frames(pcm(talk("#" * 12), talk("")), FRAME))
        await told(store, session, until="stable")
        async with running(second):
            await first.leave()
            await send(store, session, frames(pcm(talk("." * 10), talk("")), FRAME), first=13)
            events = await told(store, session, until="final")
            assert first.held() == []
            assert second.held() == [session]
    assert [e["text"] for e in events if e["type"] == "final"] == ["w0 w5"]


async def test_the_sessions_of_a_dead_host_do_not_wait_for_the_end_of_its_lease(
    api: Api, ana: Client, store: LiveStore, new_host: Callable[..., LiveHost]
) -> None:
    dead, alive = new_host("dead"), new_host("alive")
    mine, other = [(await opened(api, ana, store)).session for _ in range(2)]
    assert await store.hold(mine, dead.token, lease_s=60)
    assert await store.hold(other, "somebody", lease_s=60)
    async with running(alive):
        await alive.forsaken(dead.token)
        await told(store, mine, until="session_started")
        assert alive.held() == [mine]
    assert await store.holders([other]) == ["somebody"]


async def test_a_host_that_was_overtaken_says_nothing_more(
    api: Api, ana: Client, store: LiveStore, new_host: Callable[..., LiveHost]
) -> None:
    session = (await opened(api, ana, store)).session
    assert await store.hold(session, "somebody", lease_s=30)
    assert await store.say(session, "somebody", [{"type": "speech_started"}]) == 1
    assert await store.say(session, "nobody", [{"type": "speech_started"}]) is None
    assert len(await store.events(session, 0, wait_s=0.01)) == 1


async def test_frames_count_once_and_leave_no_gap(api: Api, ana: Client, store: LiveStore) -> None:
    session = (await opened(api, ana, store)).session
    assert await store.frame(session, 1, 160, b"a", client_s=30) == 1
    assert await store.frame(session, 1, 160, b"a", client_s=30) == 1
    with pytest.raises(Conflict, match="Frame 2 is missing"):
        await store.frame(session, 3, 160, b"c", client_s=30)
    assert await store.frame(session, 2, 160, b"b", client_s=30) == 2
    assert [(one.frame, one.at, one.payload) for one in await store.sent(session, "0", wait_s=0.01)] == [
        (1, 0, b"a"), (2, 160, b"b"),
    ]  # fmt: skip


async def test_a_session_whose_client_is_gone_ends_by_itself(
    api: Api, ana: Client, store: LiveStore, new_host: Callable[..., LiveHost]
) -> None:
    session = (await opened(api, ana, store)).session
    await send(store, session, frames(pcm(talk("#" * 12), talk("")), FRAME))
    await store.seen(session, client_s=0.01)
    async with running(new_host()):
        over = (await told(store, session, until="session_ended"))[-1]
    assert (over["reason"], over["duration_s"]) == ("client_gone", 1.2)
    assert over["call_id"] is not None


async def test_a_long_session_leaves_the_store_and_is_whole_at_the_end(
    api: Api, ana: Client, store: LiveStore, new_host: Callable[..., LiveHost]
) -> None:
    session = (await opened(api, ana, store)).session
    sound = pcm(talk((SELLER + "." * 10) * 3), talk((CUSTOMER + "." * 10) * 3))
    parts = frames(sound, FRAME)
    for number, begin in enumerate(range(0, len(parts), 65)):
        said = (await store.kept(session)).event
        async with running(new_host(f"host-{number}")):
            await send(store, session, parts[begin : begin + 65], first=begin + 1)
            await told(store, session, until="final", after=said)
    async with running(new_host("last")):
        await store.note(session, "end", {"reason": "ended"}, closes=True)
        over = (await told(store, session, until="session_ended"))[-1]
    audio = await ana.get(f"/v1/calls/{over['call_id']}/audio")
    samples, _ = soundfile.read(io.BytesIO(audio.content), dtype="int16")
    assert samples.astype("<i2").tobytes() == sound


async def test_no_more_sessions_than_can_be_heard(api: Api, ana: Client, store: LiveStore) -> None:
    door = LiveDoor(store, QUICK)
    me = (await ana.get("/v1/me")).json()
    new = lambda: facts(UUID(me["tenant_id"]), UUID(me["id"]))  # noqa: E731
    with pytest.raises(Unavailable, match="is starting"):
        await door.admit(new())
    await store.report("somewhere", {"held": 0, "most": 1}, lives_s=10)
    await door.admit(first := new())
    assert await store.running() == [first.session]
    with pytest.raises(Unavailable, match="running as can be heard"):
        await door.admit(new())


async def test_what_the_first_session_would_wait_for_is_loaded_before_it_comes(
    new_host: Callable[..., LiveHost],
) -> None:
    warmed = asyncio.Event()

    async def warm() -> None:
        warmed.set()

    async with running(new_host(warm=warm)), asyncio.timeout(5):
        await warmed.wait()


async def test_a_host_that_could_not_be_warmed_holds_sessions_all_the_same(
    api: Api, ana: Client, store: LiveStore, new_host: Callable[..., LiveHost]
) -> None:
    async def warm() -> None:
        raise Unavailable("no embedder")

    session = (await opened(api, ana, store)).session
    async with running(new_host(warm=warm)):
        assert (await told(store, session, until="session_started"))[0]["session"] == str(session)


async def test_nobody_more_is_let_in_while_what_hears_is_as_busy_as_it_may_be(
    api: Api, ana: Client, store: LiveStore, new_host: Callable[..., LiveHost]
) -> None:
    me = (await ana.get("/v1/me")).json()
    new = lambda: facts(UUID(me["tenant_id"]), UUID(me["id"]))  # noqa: E731
    busy = False
    host = new_host(is_full=lambda: busy)
    door = LiveDoor(store, QUICK, host)
    session = (await opened(api, ana, store)).session
    async with running(host):
        await told(store, session, until="session_started")
        busy = True
        assert host.most() == 1
        with pytest.raises(Unavailable, match="as can be heard"):
            await door.admit(new())
        busy = False
        assert host.most() == QUICK.sessions_per_host


async def test_what_cannot_be_kept_going_becomes_a_call_all_the_same(
    api: Api, ana: Client, store: LiveStore, new_host: Callable[..., LiveHost]
) -> None:
    session = (await opened(api, ana, store)).session
    await send(store, session, frames(pcm(talk("#" * 12), talk("")), FRAME))

    async def broken(*_: Any) -> Any:
        raise ValueError("broken")

    host = new_host(ear=broken)
    async with running(host):
        over = (await told(store, session, until="session_ended"))[-1]
    assert (over["reason"], over["duration_s"]) == ("failed", 1.2)
    assert over["call_id"] is not None
