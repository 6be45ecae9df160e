"""What happens to deals and calls is in the store, with when, why and by what; a repeated event adds nothing."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest

from core.datascience.features import definitions
from core.deals import repository as deals
from core.flows import remember_deal
from core.forecasting import remember
from core.forecasting.features import build
from core.forecasting.history import history
from core.kit.clock import VirtualClock
from core.kit.events import Event, EventType
from tests.conftest import NOW
from tests.core.datascience.features.pipeline import STEP, Pipeline


async def test_each_definition_is_computed_by_something(pipeline: Pipeline, clock: VirtualClock) -> None:
    await pipeline.call()
    clock.advance(STEP)
    url = f"/v1/deals/{pipeline.deal_id}"
    await pipeline.client.post(f"{url}/activities", json={"kind": "email", "direction": "in"})
    await pipeline.call(660.0)
    await pipeline.client.patch(url, json={"stage": "closed_won", "expected_close_on": "2027-01-10"})
    await pipeline.settle()
    rows = await pipeline.rows()
    known = {(r.feature_set, name) for r in rows for name, value in r.values.items() if value is not None}
    # The fake's words come without a pause, and nobody answers anybody: those are counted in test_behaviour.
    never = {("call_behaviour", name) for name in ("seller_mean_pause_s", "customer_mean_pause_s", "patience_s")}
    # An account's group comes of a model: tests/core/datascience/groups.
    made = {(one.name, name) for one in definitions.ALL if one.name != "account_group" for name in one.names}
    assert made - known == never


async def test_a_row_says_when_it_was_so_when_it_was_written_and_what_it_follows_from(pipeline: Pipeline) -> None:
    pipeline.clock.advance(STEP)
    await pipeline.settle()
    [row] = await pipeline.rows("deal")
    event = (await pipeline.events())[row.cause or UUID(int=0)]
    assert (event.type, event.subject) == ("DEAL_CREATED", UUID(pipeline.deal_id))
    assert (row.event_at, row.written_at, row.known_at) == (NOW, NOW + STEP, NOW + STEP)
    assert (row.cause_type, row.module, row.version) == ("DEAL_CREATED", "core.forecasting.features", 1)
    assert row.values["days_open"] == 0.0, "as it was, and not as it is when it is written"
    assert row.values["source_inbound"] == 1.0


async def test_values_are_those_that_the_one_pure_function_builds(pipeline: Pipeline, clock: VirtualClock) -> None:
    await pipeline.settle()
    clock.advance(STEP)
    await pipeline.client.patch(f"/v1/deals/{pipeline.deal_id}", json={"stage": "proposal"})
    await pipeline.settle()
    rows = await pipeline.rows("deal")
    async with pipeline.api.services.db.tenant(pipeline.tenant_id) as tx:
        past = history(await deals.story(tx, UUID(pipeline.deal_id)))
    assert [row.values for row in rows] == [build(past, NOW), build(past, NOW + STEP)]


async def test_a_repeated_event_adds_nothing(pipeline: Pipeline) -> None:
    await pipeline.settle()
    before = await pipeline.rows()
    services = pipeline.api.services
    for row in (await pipeline.events()).values():
        if row.type == "DEAL_CREATED":
            event = Event(EventType.DEAL_CREATED, row.tenant_id, row.subject, id=row.id, at=row.at)
            async with services.db.tenant(pipeline.tenant_id) as tx:
                await remember_deal(event, tx, services)
    assert [row.id for row in await pipeline.rows()] == [row.id for row in before]


async def test_sums_of_account_and_seller_follow_each_deal(pipeline: Pipeline, clock: VirtualClock) -> None:
    await pipeline.settle()
    clock.advance(STEP)
    await pipeline.client.patch(f"/v1/deals/{pipeline.deal_id}", json={"stage": "closed_won"})
    await pipeline.settle()
    for name in ("account", "seller"):
        told = [
            (r.values["deals_open"], r.values["deals_won"], r.values["win_share"]) for r in await pipeline.rows(name)
        ]
        assert told == [(1, 0, None), (0, 1, 1.0)]
    [*_, contact] = await pipeline.rows("contact")
    assert (contact.entity_id, contact.values["language"]) == (UUID(pipeline.contact_id), "en")


async def test_what_was_written_down_later_is_not_in_the_past(pipeline: Pipeline, clock: VirtualClock) -> None:
    """An activity that happened before a moment and was noted after it was not known then."""
    then = NOW + STEP
    url = f"/v1/deals/{pipeline.deal_id}"
    clock.advance(2 * STEP)
    early = {"kind": "meeting", "direction": "in", "at": (NOW + STEP / 2).isoformat()}
    assert (await pipeline.client.post(f"{url}/activities", json=early)).status_code == 201
    await pipeline.client.patch(url, json={"segment": "enterprise", "value_cents": 1, "owner_id": None})
    async with pipeline.api.services.db.tenant(pipeline.tenant_id) as tx:
        told = {
            row.feature_set.name: row.values
            for row in await remember.of_deal(tx, UUID(pipeline.deal_id), then, None, "BATCH")
        }
    assert (told["deal"]["meetings"], told["deal"]["segment_smb"], told["contact"]["touches"]) == (0.0, 1.0, 0)
    assert told["deal"]["log_value"] == pytest.approx(np.log1p(50_000))
    assert told["seller"]["deals_open"] == 1
