"""The customers of the demo calls: heard at the speed of speech, understood, answered from playbook and documents."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz

from core import bootstrap
from core.engines import embeddings
from core.engines.sentiment import EmbeddingSentiment
from core.engines.streaming_quick import QuickWhisper
from core.engines.streaming_stt import SharedTranscriber
from core.engines.vad import SileroMeter
from core.gateways.hot import RedisHotValues
from core.kit import audio
from core.kit.ids import new_id
from core.live import wire
from core.live.facts import Facts
from core.live.heard import Heard
from core.live.hearing import Listener
from core.live.mind import LiveMind, told
from core.live.suggest.suggester import Shelf
from core.live.understand import Understanding
from core.ports import SAMPLE_RATE_HZ, Side
from core.settings import Settings, configs_dir
from tests.bench.harness import servers
from tests.bench.live_audio import in_time
from tests.bench.suggest import tenant_with_handbooks

CUSTOMER = 1  # channel of the demo calls
Finding: TypeAlias = wire.Objection | wire.Intent


@dataclass(frozen=True, slots=True)
class Helped:
    """Seconds from the end of objections, questions and intentions to what was suggested, and from their text. `early`:
    of those told before their utterance was over, whether the whole of it says so too."""

    after_speech: list[float]
    after_text: list[float]
    early: list[bool]


def run(engine: QuickWhisper) -> Helped:
    with servers() as settings:
        return asyncio.run(_played(engine, settings))


async def _played(engine: QuickWhisper, settings: Settings) -> Helped:
    embedder = embeddings.make("e5")
    moods = EmbeddingSentiment.load(embedder)
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    shelf = Shelf(db, embedder, RedisHotValues(bootstrap.redis_url(settings)))
    tenant_id, helped = await tenant_with_handbooks(db, embedder), Helped([], [], [])
    for language in ("en", "pt"):
        await shelf.starter(language)
        facts = Facts(
            session=new_id(), tenant_id=tenant_id, owner_id=new_id(), deal_id=None, language=language, encoding="pcm16",
            sample_rate_hz=SAMPLE_RATE_HZ, channels=(Side.CUSTOMER,), title=None, participants=(),
            started_at=datetime.now(UTC),
        )  # fmt: skip
        mind = await LiveMind.open(shelf, moods, facts, None)
        ear = Listener(SharedTranscriber(engine), SileroMeter(), side=Side.CUSTOMER, language=language)
        call = await audio.decode(configs_dir() / "demo" / f"call_{language}.opus", max_decoded_s=600, timeout_s=60)
        found, finals = await _hear(ear, mind, call.samples[CUSTOMER], helped)
        once = Understanding(moods, [], language=language)
        whole = [event for final in finals for one in await once.take(final) for event in told(one)]
        borne = {_known(event) for event in whole if isinstance(event, Finding)}
        helped.early.extend(not borne.isdisjoint(_near(*_known(one))) for one in found)
    await db.close()
    return helped


async def _hear(
    ear: Listener, mind: LiveMind, pcm: NDArray[np.int16], helped: Helped
) -> tuple[list[Finding], list[Heard]]:
    """As a host does it: hearing goes on while what was heard is thought about. What was told early, and the finals."""
    begun = time.perf_counter()
    thoughts: asyncio.Queue[tuple[float, Heard] | None] = asyncio.Queue()
    said: list[tuple[float, Heard, str]] = []
    early: list[Finding] = []
    finals: list[Heard] = []

    async def think() -> None:
        while (thought := await thoughts.get()) is not None:
            text_s, heard = thought
            events = await mind.take(heard)
            if heard.kind == "final":
                finals.append(heard)
            now_s = time.perf_counter() - begun
            causes = [one for one in events if isinstance(one, Finding)]
            if heard.kind != "final":
                early.extend(causes)
            # What had to wait for its turn, as one came less than 8 s before, tells nothing of speed.
            if causes and any(isinstance(one, wire.Suggestion | wire.Battlecard) for one in events):
                said.append((now_s, heard, causes[0].text))
                helped.after_text.append(now_s - text_s)

    thinking = asyncio.create_task(think())
    async for frame in in_time(pcm.astype(np.float32) / 32768, begun):
        _put(thoughts, begun, await ear.hear(frame))
    _put(thoughts, begun, await ear.finish())
    thoughts.put_nowait(None)
    await thinking
    helped.after_speech.extend(now_s - _end_s(finals, heard, sentence) for now_s, heard, sentence in said)
    return early, finals


def _known(found: Finding) -> tuple[int, str]:
    """What is meant in which utterance."""
    return found.utterance, found.kind if isinstance(found, wire.Objection) else found.intent


def _near(utterance: int, name: str) -> set[tuple[int, str]]:
    """The same, also where the turn was divided between."""
    return {(utterance + step, name) for step in (-1, 0, 1)}


def _put(thoughts: asyncio.Queue[tuple[float, Heard] | None], begun: float, said: Sequence[Heard]) -> None:
    for heard in said:
        thoughts.put_nowait((time.perf_counter() - begun, heard))


def _end_s(finals: Sequence[Heard], heard: Heard, sentence: str) -> float:
    """When the sentence had been spoken, by the final that holds it: what was heard early may differ in a word."""
    near = [one for one in finals if one.utterance in (heard.utterance, heard.utterance + 1)]
    places = [(fuzz.partial_ratio_alignment(sentence, one.text), one) for one in near]
    place, final = max(((place, one) for place, one in places if place), key=lambda one: one[0].score)
    return final.words[len(final.text[: place.dest_end].split()) - 1].end_s
