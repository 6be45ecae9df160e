"""A deal's rows become the history that features read: each field as it stood."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from core.deals import repository as deals
from core.forecasting.features import DealHistory, build
from core.forecasting.history import history
from core.kit.clock import VirtualClock
from core.kit.db import Database
from tests.conftest import NOW
from tests.support import Api, Client, new_deal

STEP = timedelta(minutes=1)


async def read(db: Database, client: Client, deal_id: str) -> DealHistory:
    tenant_id = UUID((await client.get("/v1/me")).json()["tenant_id"])
    async with db.tenant(tenant_id) as tx:
        return history(await deals.story(tx, UUID(deal_id)))


async def test_value_and_date_as_they_stood(api: Api, ana: Client, clock: VirtualClock) -> None:
    deal = await new_deal(ana, value_cents=100_00, segment="smb", source="referral")
    url = f"/v1/deals/{deal['id']}"
    steps = [
        {"expected_close_on": "2027-01-10", "value_cents": 200_00},
        {"expected_close_on": "2027-02-20", "stage": "proposal"},
        {"stage": "closed_won", "value_cents": 150_00, "expected_close_on": None},
    ]
    for body in steps:
        clock.advance(STEP)
        assert (await ana.patch(url, json=body)).status_code == 200
    found = await read(api.services.db, ana, deal["id"])
    assert (found.value_cents, found.expected_close_on) == (150_00, None)
    assert (found.won, found.closed_at) == (True, NOW + 3 * STEP)
    assert found.value_was == ((NOW + STEP, 100_00), (NOW + 3 * STEP, 200_00))
    assert [(at - NOW, str(date)) for at, date in found.expected_close_was] == [
        (STEP, "None"), (2 * STEP, "2027-01-10"), (3 * STEP, "2027-02-20"),
    ]  # fmt: skip
    assert [(c.at - NOW, c.stage) for c in found.stage_changes] == [
        (0 * STEP, "prospecting"), (2 * STEP, "proposal"), (3 * STEP, "closed_won"),
    ]  # fmt: skip
    told = [build(found, NOW + n * STEP)["days_to_expected_close"] for n in range(4)]
    assert told == [None, 47, 88, None]


async def test_what_is_added_later_leaves_the_past_alone(api: Api, ana: Client, clock: VirtualClock) -> None:
    deal = await new_deal(ana, expected_close_on="2027-01-10")
    url = f"/v1/deals/{deal['id']}"
    await ana.post(f"{url}/activities", json={"kind": "email", "direction": "in"})
    clock.advance(STEP)
    then = clock.now()
    before = build(await read(api.services.db, ana, deal["id"]), then)
    clock.advance(STEP)
    await ana.patch(url, json={"value_cents": 1, "expected_close_on": "2028-01-10", "stage": "closed_lost"})
    await ana.post(f"{url}/activities", json={"kind": "meeting", "direction": "out"})
    afterwards = await read(api.services.db, ana, deal["id"])
    assert build(afterwards, then) == before
    assert build(afterwards, clock.now()) != before
    assert before["activities_14d"] == 1


async def test_an_open_deal_has_no_outcome(api: Api, ana: Client) -> None:
    deal = await new_deal(ana, segment="enterprise", region="sul", source="partner")
    found = await read(api.services.db, ana, deal["id"])
    assert (found.won, found.closed_at, found.opened_at) == (None, None, NOW)
    assert (found.segment, found.region, found.source, found.currency) == ("enterprise", "sul", "partner", "BRL")
