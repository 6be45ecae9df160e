"""What is asked is found by meaning and by words, quoted with its place, and not answered where nothing does."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import yaml

from core.engines import embeddings
from core.kit.db import Database
from core.kit.ids import new_id
from core.knowledge import repository
from core.knowledge.add import Given, add
from core.knowledge.index import index
from core.knowledge.repository import Found
from core.knowledge.search import Searched, fused, nearest, quoted, search
from core.ports import Embedder
from tests.fakes.engines import FakeEmbedder

HERE = Path(__file__).parent


async def given(db: Database, tenant_id: UUID, embedder: Embedder, *names: str) -> None:
    for name in names:
        async with db.tenant(tenant_id) as tx:
            row = await add(tx, Given(name, (HERE / name).read_bytes(), name, None, new_id()))
            await index(tx, row.id, embedder)


@pytest.fixture
async def tenant_id(db: Database) -> UUID:
    tenant_id = new_id()
    await given(db, tenant_id, FakeEmbedder(), "handbook_en.md", "handbook_pt.md")
    return tenant_id


@pytest.mark.parametrize(
    ("question", "heading", "title"),
    [
        ("encrypted penetration tests", "Security", "handbook_en.md"),
        ("multas do contrato", "Preços e contrato", "handbook_pt.md"),
    ],
)
async def test_words_find_their_passage_in_its_language(
    db: Database, tenant_id: UUID, question: str, heading: str, title: str
) -> None:
    async with db.tenant(tenant_id) as tx:
        [first, *_] = await repository.by_words(tx, await repository.lexemes(tx, question), 5)
        [(passage, of)] = (await repository.passages(tx, [first.id])).values()
    assert (passage.heading, of) == (heading, title)


@pytest.mark.parametrize("question", ["'); DROP TABLE deals; --", "a & | ! <-> :* \\ ''", "\\' it's"])
async def test_a_question_is_never_part_of_a_query(db: Database, tenant_id: UUID, question: str) -> None:
    async with db.tenant(tenant_id) as tx:
        assert (await search(tx, question, FakeEmbedder())).hits


async def test_the_server_and_arrays_find_the_same(db: Database, tenant_id: UUID) -> None:
    [vector] = await FakeEmbedder().embed(["anything"])
    async with db.tenant(tenant_id) as tx:
        assert await repository.has_pgvector(tx)
        by_server = await repository.by_meaning(tx, vector.tolist(), 5)
        by_hand = nearest(await repository.vectors(tx, len(vector)), vector, 5)
    assert [one.id for one in by_server] == [one.id for one in by_hand]
    assert np.allclose([one.score for one in by_server], [one.score for one in by_hand], atol=1e-5)


async def test_another_tenant_finds_nothing(db: Database, tenant_id: UUID) -> None:
    async with db.tenant(new_id()) as tx:
        assert await search(tx, "How much is the business plan?", FakeEmbedder()) == Searched(None, ())


async def test_a_vector_goes_with_its_words(db: Database, tenant_id: UUID) -> None:
    from core.privacy.repository import strike_out

    async with db.tenant(tenant_id) as tx:
        assert await strike_out(tx, "knowledge_passages", "text", ["Harlow Freight"]) == 1
        assert len(await repository.vectors(tx, 8)) == 11 - 1
        stems = await repository.lexemes(tx, "Harlow Freight")
        assert await repository.by_words(tx, stems, 5) == []


def test_what_stands_high_in_both_lists_comes_first() -> None:
    a, b, c = new_id(), new_id(), new_id()
    assert fused([[Found(a, 0.9), Found(b, 0.8)], [Found(b, 3.0), Found(c, 1.0)]]) == [b, a, c]
    assert fused([[], []]) == []


def test_the_sentences_that_hold_the_words_are_quoted() -> None:
    text = "We began in 2010. The Team plan costs $45. Business costs $75. We are many."
    assert quoted(text, ["cost", "team"]) == "The Team plan costs $45. Business costs $75."
    assert quoted("One.", ["two"]) == "One."


@pytest.mark.weights
async def test_real_questions_are_answered_or_honestly_not(db: Database) -> None:
    """The same numbers as `core.knowledge.search` gives for what it was fitted on, which flatters them a little."""
    embedder, tenant_id = embeddings.make("e5"), new_id()
    await given(db, tenant_id, embedder, "handbook_en.md", "handbook_pt.md")
    asked = yaml.safe_load((HERE / "asked.yaml").read_text("utf-8"))
    async with db.tenant(tenant_id) as tx:
        right = [(await search(tx, question, embedder)).answer for question, _ in asked["answered"]]
        wrong = [(await search(tx, question, embedder)).answer for question in asked["not_answered"]]
    found = [
        one is not None and one.citation.title == name for one, (_, name) in zip(right, asked["answered"], strict=True)
    ]
    answered = sum(one is not None for one in [*right, *wrong])
    assert sum(found) / len(found) > 0.7
    assert sum(found) / answered > 0.85
