"""Streaming recognition of one session at the speed of speech, against a public streaming Whisper on the same model,
recordings and thread.

The peer is the package whisper-streaming in an environment of its own, whose interpreter BENCH_LIVE_PEER names; without
it our figures stand alone. It ends no utterances: its final is when it has said its last words.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np

from core.engines.streaming_quick import QuickWhisper
from core.engines.streaming_stt import SharedTranscriber
from core.engines.stt import FasterWhisper
from core.engines.vad import SileroMeter, SileroVad
from core.live.hearing import Listener
from core.ports import Side
from core.settings import placement
from tests.bench import live_audio, live_suggestions
from tests.bench.harness import line, quantile
from tests.bench.live_audio import Clip, Played
from tests.bench.wer import ours, plain

TEXT_TO_SUGGESTION_S = 0.3
SETS = {"asr_en": 12, "asr_pt": 6}


@dataclass(frozen=True, slots=True)
class Figures:
    final_s: list[float]
    first_word_s: list[float]
    partials: int
    texts: list[str]


def run() -> None:
    parts = [clip for folder, most in SETS.items() for clip in live_audio.chosen(folder, most)]
    parts += live_audio.calls()
    seconds = sum(clip.seconds for clip in parts)
    engine = QuickWhisper(live_audio.model(), threads=placement("cpu").live_stt.threads)
    mine = _ours(engine, parts)
    helped = live_suggestions.run(engine)
    peer = _peer(parts)
    batch = _batch(parts)
    told = [
        ("final_p50_s", quantile(mine.final_s, 0.5), peer and quantile(peer.final_s, 0.5)),
        ("final_p95_s", quantile(mine.final_s, 0.95), peer and quantile(peer.final_s, 0.95)),
        ("first_word_p50_s", quantile(mine.first_word_s, 0.5), peer and quantile(peer.first_word_s, 0.5)),
        ("wer_points_over_batch", _over(parts, mine.texts, batch), peer and _over(parts, peer.texts, batch)),
    ]
    for metric, value, other in told:
        unit = "points" if "wer" in metric else "s"
        _line(metric, value, unit, other)
    for metric, share in (("suggestion_p50_s", 0.5), ("suggestion_p95_s", 0.95)):
        _line(metric, quantile(helped.after_speech, share), "s", None)
    after_text_s = quantile(helped.after_text, 0.95)
    line(
        "live", "text_to_suggestion_p95_s", after_text_s, "s", "goal", TEXT_TO_SUGGESTION_S, more_is_better=False
    )  # fmt: skip
    kept = f"{sum(helped.early)} of {len(helped.early)} findings told early are in the final too"
    print(f"# live: {len(helped.after_speech)} suggestions; {kept}", flush=True)
    _line("partials_per_s", mine.partials / seconds, "1/s", peer and peer.partials / seconds, more_is_better=True)


def _line(metric: str, value: float, unit: str, other: float | None, *, more_is_better: bool = False) -> None:
    peer = "absent" if other is None else "whisper-streaming"
    line("live", metric, value, unit, peer, value if other is None else other, more_is_better=more_is_better)


def _ours(engine: QuickWhisper, parts: Sequence[Clip]) -> Figures:
    def listen(clip: Clip) -> Listener:
        return Listener(SharedTranscriber(engine), SileroMeter(), side=Side.SELLER, language=clip.language)

    played: list[Played] = asyncio.run(live_audio.play_all(parts, listen))
    return Figures(
        [one.final_s for one in played if one.final_s is not None],
        [at_s for one in played for at_s in one.first_seen_s()],
        sum(event.kind == "partial" for one in played for _, event in one.events),
        [one.text for one in played],
    )


def _batch(parts: Sequence[Clip]) -> list[str]:
    """What recorded calls of the same sound get."""
    engine, detector = FasterWhisper(live_audio.model()), SileroVad()
    return [
        ours(engine, detector, (clip.sound * 32768).astype(np.int16), clip.language) if clip.text else ""
        for clip in parts
    ]


def _over(parts: Sequence[Clip], texts: Sequence[str], batch: Sequence[str]) -> float:
    """Points of word error rate more than batch, where it is known what was said."""
    known = [number for number, clip in enumerate(parts) if clip.text]
    truth = [plain(parts[number].text or "") for number in known]
    live, recorded = (jiwer.wer(truth, [plain(said[number]) for number in known]) for said in (texts, batch))
    return 100 * (live - recorded)


def _peer(parts: Sequence[Clip]) -> Figures | None:
    python, threads = os.environ.get("BENCH_LIVE_PEER"), str(placement("cpu").live_stt.threads)
    if not python:
        return None
    with tempfile.TemporaryDirectory() as folder:
        for number, clip in enumerate(parts):
            np.save(Path(folder) / f"{number}_{clip.language}.npy", clip.sound)
        script = Path(__file__).with_name("live_peer.py")
        answer = subprocess.run(
            [python, "-I", str(script), str(live_audio.model()), folder, str(live_audio.REST_S), threads],
            check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": threads},
        )  # fmt: skip
    said: list[list[tuple[float, str, float]]] = json.loads(answer.stdout.splitlines()[-1])  # when, what, its end
    return Figures(
        [words[-1][0] - clip.end_s for words, clip in zip(said, parts, strict=True) if words],
        [at_s - end_s for words in said for at_s, _, end_s in words],
        sum(len({at_s for at_s, _, _ in words}) for words in said),
        ["".join(text for _, text, _ in words) for words in said],
    )
