"""History in Parquet: what was written comes back, only what changed is made anew, joins see no future, and who is
erased is in no file."""

from __future__ import annotations

import io
from datetime import timedelta
from uuid import UUID

import numpy as np
import pytest
from pyarrow import parquet

from core.datascience.features import repository
from core.datascience.features.definitions import CALL_TEXT, DEAL, by_name, named
from core.datascience.features.history import archive, folder, load
from core.datascience.features.row import Key
from core.datascience.features.table import Table, of_rows
from core.forecasting.backfill import backfill
from core.kit.clock import VirtualClock
from core.kit.errors import Conflict
from core.kit.ids import new_id
from core.privacy.consent import may_analyse
from core.privacy.retention import Stores, retain
from tests.conftest import NOW
from tests.core.datascience.features.pipeline import STEP, Pipeline


async def archived(pipeline: Pipeline) -> int:
    services, changed = pipeline.api.services, 0
    for one in by_name().values():
        async with services.db.tenant(pipeline.tenant_id) as tx:
            changed += await archive(tx, one, services.objects)
    return changed


async def files(pipeline: Pipeline) -> list[str]:
    return [k for k in await pipeline.api.services.objects.keys("features/") if k.endswith(".parquet")]


async def loaded(pipeline: Pipeline, name: str) -> Table:
    return await load(pipeline.api.services.objects, pipeline.tenant_id, named(name))


async def test_what_was_written_comes_back(pipeline: Pipeline) -> None:
    await pipeline.call()
    by_reactions = {name: what for name, what in by_name().items() if what.sources}
    assert await archived(pipeline) == len(by_reactions)
    for name, what in by_reactions.items():
        async with pipeline.api.services.db.tenant(pipeline.tenant_id) as tx:
            truth = of_rows(what, await repository.of_set(tx, what))
        found = await loaded(pipeline, name)
        assert list(found.ids) == list(truth.ids)
        assert found.event_us.tolist() == truth.event_us.tolist()
        assert found.known_us.tolist() == truth.known_us.tolist()
        assert np.array_equal(found.numbers, truth.numbers, equal_nan=True)
        assert dict(found.others) == dict(truth.others)


async def test_only_months_that_were_written_to_are_made_anew(pipeline: Pipeline, clock: VirtualClock) -> None:
    await pipeline.settle()
    old = NOW - timedelta(days=70)
    deal_id = await pipeline.imported(old, {"discovery": 1})
    async with pipeline.api.services.db.tenant(pipeline.tenant_id) as tx:
        await backfill(tx, [deal_id], pipeline.api.services.features)
    await archived(pipeline)
    assert await archived(pipeline) == 0
    before = {key: await pipeline.api.services.objects.get(key) for key in await files(pipeline)}
    assert any(key.endswith("2026-09.parquet") for key in before)
    clock.advance(STEP)
    await pipeline.client.patch(f"/v1/deals/{pipeline.deal_id}", json={"stage": "proposal"})
    await pipeline.settle()
    # One file each for the deal, its score, its account, its seller and its contact.
    assert await archived(pipeline) == 5
    after = {key: await pipeline.api.services.objects.get(key) for key in await files(pipeline)}
    assert {key for key in before if before[key] != after[key]} == {key for key in before if "2026-11" in key}


async def test_each_row_says_what_it_follows_from(pipeline: Pipeline) -> None:
    await pipeline.settle()
    await archived(pipeline)
    [key] = [key for key in await files(pipeline) if "/deal/" in key]
    assert key == f"{folder(pipeline.tenant_id, 'deal', 1)}/2026-11.parquet"
    [row] = parquet.read_table(io.BytesIO(await pipeline.api.services.objects.get(key))).to_pylist()
    events = await pipeline.events()
    assert events[UUID(bytes=row["cause"])].type == row["cause_type"] == "DEAL_CREATED"
    assert (row["module"], row["f_segment_smb"]) == ("core.forecasting.features", 1.0)


async def test_a_join_gives_what_serving_saw_at_each_moment(pipeline: Pipeline, clock: VirtualClock) -> None:
    """The training table and the online reads of the same moments are equal, to the last bit."""
    services, deal_id = pipeline.api.services, UUID(pipeline.deal_id)
    asked, seen = [], []
    for stage in ("discovery", "proposal", "negotiation"):
        clock.advance(STEP / 4)
        await pipeline.client.patch(f"/v1/deals/{pipeline.deal_id}", json={"stage": stage})
        await pipeline.settle()
        clock.advance(STEP / 4)
        [found] = await services.features.read(pipeline.tenant_id, [Key(DEAL, deal_id)])
        assert found is not None
        asked.append(clock.now())
        seen.append([np.nan if found.values[name] is None else found.values[name] for name in DEAL.numbers])
    await archived(pipeline)
    table = await loaded(pipeline, "deal")
    ids = [deal_id] * 3 + [new_id(), deal_id]
    places = table.places(ids, [*asked, NOW, NOW - STEP])
    assert np.array_equal(table.take(places[:3]), np.array(seen), equal_nan=True)
    assert places[3:].tolist() == [-1, -1], "of nobody, and before anything was known, there is nothing"
    assert np.isnan(table.take(places[3:])).all()
    assert table.places([deal_id], [NOW + 9 * STEP], most_age_days=0.001).tolist() == [-1]


async def test_a_file_that_is_gone_is_told_and_made_anew(pipeline: Pipeline) -> None:
    await pipeline.settle()
    await archived(pipeline)
    [key] = [key for key in await files(pipeline) if "/deal/" in key]
    await pipeline.api.services.objects.delete(key)
    with pytest.raises(Conflict, match="features archive"):
        await loaded(pipeline, "deal")
    assert await archived(pipeline) == 1
    assert len(await loaded(pipeline, "deal")) == 1


async def test_who_is_erased_is_nowhere(pipeline: Pipeline) -> None:
    call = await pipeline.call()
    await archived(pipeline)
    services = pipeline.api.services
    ids = [UUID(one) for one in (call, pipeline.deal_id, pipeline.contact_id)]
    keys = [Key(CALL_TEXT, ids[0]), Key(DEAL, ids[1])]
    assert None not in await services.features.read(pipeline.tenant_id, keys)
    asked = {"contact_id": pipeline.contact_id, "reason": "asked"}
    assert (await pipeline.client.post("/v1/privacy/erasures", json=asked)).status_code == 202
    await pipeline.settle()
    assert {row.entity_id for row in await pipeline.rows()} & set(ids) == set()
    assert await services.features.read(pipeline.tenant_id, keys) == [None, None]
    assert {key.split("/")[2] for key in await files(pipeline)} == {"account", "seller"}
    await archived(pipeline)
    assert {key.split("/")[2] for key in await files(pipeline)} == {"account", "seller"}


async def test_who_takes_his_consent_back_is_in_no_file_either(pipeline: Pipeline) -> None:
    """Hearing a call again finds no basis: what was made of it goes."""
    call = await pipeline.call()
    await archived(pipeline)
    url = f"/v1/contacts/{pipeline.contact_id}/consents/withdraw"
    assert (await pipeline.client.post(url, json={"purpose": "analysis"})).status_code == 201
    services = pipeline.api.services
    async with services.db.tenant(pipeline.tenant_id) as tx:
        assert not await may_analyse(tx, UUID(call), services.consents, services.features)
    assert [row for row in await pipeline.rows() if row.entity_id == UUID(call)] == []
    assert [key for key in await files(pipeline) if "call_" in key] == []


async def test_a_contact_whose_time_is_over_leaves_no_features(pipeline: Pipeline, clock: VirtualClock) -> None:
    await pipeline.settle()
    await archived(pipeline)
    body = {"audio_days": None, "transcript_days": None, "draft_days": None, "contact_days": 7}
    assert (await pipeline.client.request("PUT", "/v1/privacy/retention", json=body)).status_code == 200
    await pipeline.client.patch(f"/v1/deals/{pipeline.deal_id}", json={"contact_id": None})
    clock.advance(timedelta(days=8))
    services = pipeline.api.services
    assert await retain(services.db, Stores(services.objects, services.features)) == {"contacts": 1}
    assert await pipeline.rows("contact") == []
    assert [key for key in await files(pipeline) if "/contact/" in key] == []
