"""Backfill writes to the byte what the reactions write, from nothing but what was known at each moment."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete

from core.analysis import backfill as of_calls
from core.datascience.features.definitions import by_name
from core.datascience.features.model import FeatureRow
from core.datascience.features.row import Stored, fill, pack
from core.forecasting import backfill as of_deals
from core.kit.clock import VirtualClock
from tests.conftest import NOW
from tests.core.datascience.features.pipeline import STEP, Pipeline

Packed = dict[tuple[str, UUID, Any], bytes]


def packed(rows: list[FeatureRow]) -> Packed:
    """The last written values of each moment, as bytes."""
    found: Packed = {}
    for row in rows:
        what = by_name()[row.feature_set]
        stored = Stored(row.event_at, NOW, fill(what, row.values))
        found[row.feature_set, row.entity_id, row.event_at] = pack(what, stored)
    return found


async def fill_in(pipeline: Pipeline) -> int:
    services = pipeline.api.services
    async with services.db.tenant(pipeline.tenant_id) as tx:
        done = await of_deals.backfill(tx, [UUID(pipeline.deal_id)], services.features)
        calls = [UUID(call) for call in pipeline.calls]
        return done + await of_calls.backfill(
            tx, calls, services.features, services.embedder, services.objects, services.settings.calls
        )  # fmt: skip


async def wipe(pipeline: Pipeline) -> None:
    async with pipeline.api.services.db.tenant(pipeline.tenant_id) as tx:
        await tx.session.execute(delete(FeatureRow))


async def something(pipeline: Pipeline, rng: random.Random, clock: VirtualClock) -> None:
    """One thing that happens to a deal; activities may be told late, and the store may be behind."""
    url = f"/v1/deals/{pipeline.deal_id}"
    late = (clock.now() - timedelta(seconds=rng.randrange(600))).isoformat()
    changes = [
        {"stage": rng.choice(["discovery", "proposal", "negotiation"])}, {"value_cents": rng.randrange(10**7)},
        {"segment": rng.choice(["smb", "enterprise"])}, {"expected_close_on": f"2027-0{rng.randrange(1, 9)}-11"},
        {"contact_id": rng.choice([None, pipeline.contact_id])}, {"source": rng.choice(["referral", None])},
    ]  # fmt: skip
    if rng.random() < 0.5:
        answer = await pipeline.client.patch(url, json=rng.choice(changes))
    else:
        kind = {"kind": rng.choice(["email", "meeting"]), "direction": rng.choice(["in", "out"])}
        answer = await pipeline.client.post(f"{url}/activities", json={**kind, "at": late})
    assert answer.status_code < 300, answer.text


@pytest.mark.parametrize("seed", range(3))
async def test_it_is_what_the_reactions_wrote(pipeline: Pipeline, clock: VirtualClock, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(8):
        clock.advance(STEP / 10)
        await something(pipeline, rng, clock)
        await pipeline.settle()
    await pipeline.call()
    online = await pipeline.rows()
    # An account's group comes of a model, not of what happened.
    assert {row.feature_set for row in online} == set(by_name()) - {"account_group"}
    clock.advance(STEP / 10)
    assert await fill_in(pipeline) == 0, "nothing is written that is there already"

    await wipe(pipeline)
    clock.advance(timedelta(days=30))
    assert await fill_in(pipeline) == len(packed(online))
    filled = await pipeline.rows()
    assert packed(filled) == packed(online)
    assert {(row.event_at, row.written_at) for row in filled if row.known_at != row.event_at} == set()


async def test_a_correction_is_not_known_before_it_is_made(pipeline: Pipeline, clock: VirtualClock) -> None:
    await pipeline.settle()
    [right] = await pipeline.rows("deal")
    await wipe(pipeline)
    async with pipeline.api.services.db.tenant(pipeline.tenant_id) as tx:
        wrong = {c.key: getattr(right, c.key) for c in FeatureRow.__table__.columns}
        tx.session.add(FeatureRow(**{**wrong, "values": {**right.values, "meetings": 9.0}}))
    clock.advance(STEP)
    await fill_in(pipeline)
    rows = await pipeline.rows("deal")
    assert [(row.values["meetings"], row.known_at) for row in rows] == [(9.0, NOW), (0.0, NOW + STEP)]


async def test_a_deal_that_came_with_its_past_gets_it(pipeline: Pipeline, clock: VirtualClock) -> None:
    """As the demonstration's deals do: no event told of them."""
    opened = NOW - timedelta(days=40)
    deal_id = await pipeline.imported(opened, {"discovery": 10, "proposal": 25})
    services = pipeline.api.services
    async with services.db.tenant(pipeline.tenant_id) as tx:
        await of_deals.backfill(tx, [deal_id], services.features)
    told = [
        (r.event_at, r.values["stage"], r.cause_type) for r in await pipeline.rows("deal") if r.entity_id == deal_id
    ]
    assert told == [
        (opened + timedelta(days=day), stage, "IMPORTED") for day, stage in ((0, 0.0), (10, 2.0), (25, 3.0))
    ]


async def test_open_deals_are_brought_up_to_today(pipeline: Pipeline, clock: VirtualClock) -> None:
    await pipeline.settle()
    clock.advance(timedelta(days=3))
    services = pipeline.api.services
    async with services.db.tenant(pipeline.tenant_id) as tx:
        await of_deals.refresh(tx, [UUID(pipeline.deal_id)], services.features)
    rows = await pipeline.rows("deal")
    assert [(row.values["days_open"], row.cause_type) for row in rows] == [(0.0, "DEAL_CREATED"), (3.0, "REFRESH")]
