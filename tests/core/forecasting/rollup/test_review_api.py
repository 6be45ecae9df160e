"""How good numbers were, and what changed since, over HTTP on the real database; months pass by the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cluster.forecast import take_due
from core.flows import REACTIONS
from core.kit.clock import VirtualClock
from core.kit.relay import Relay
from tests.support import Api, Client, member, new_deal

DECEMBER_END = datetime(2027, 1, 4, 12, tzinfo=UTC)


class Months:
    """A tenant with a seller, whose days pass: nights are snapshots."""

    def __init__(self, api: Api, ana: Client, rep: Client, clock: VirtualClock) -> None:
        self.api, self.ana, self.rep, self.clock = api, ana, rep, clock

    async def settle(self) -> None:
        await Relay(self.api.services.db, REACTIONS, self.api.services).drain()

    async def go_to(self, day: datetime) -> None:
        self.clock.advance(day - self.clock.now())
        for client in (self.ana, self.rep):
            me = "ana@example.com" if client is self.ana else "rep@example.com"
            answer = await self.api.post("/v1/login", json={"email": me, "password": Api.PASSWORD, "tenant": "acme"})
            client.token = answer.json()["access_token"]

    async def night(self) -> None:
        assert await take_due(self.api.services.db, self.api.services.predictor) == 1


@pytest.fixture
async def months(api: Api, ana: Client, clock: VirtualClock) -> Months:
    return Months(api, ana, await member(api, ana, "REP", email="rep@example.com", team="north"), clock)


async def get(client: Client, path: str, **query: Any) -> Any:
    answer = await client.get(f"/v1/forecasts/{path}", params={"language": "en", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def close(client: Client, deal: dict[str, Any], stage: str) -> None:
    answer = await client.patch(f"/v1/deals/{deal['id']}", json={"stage": stage})
    assert answer.status_code == 200, answer.text


async def test_model_and_person_are_scored_when_the_month_is_over(months: Months) -> None:
    deals = [await new_deal(months.rep, value_cents=1_000_00, segment="smb") for _ in range(4)]
    await months.settle()
    number = {"by": "all", "month": "2026-12", "value_cents": 1_500_00, "reason": "Two will come for sure."}
    assert (await months.ana.post("/v1/forecasts/overrides", json=number)).status_code == 201
    await months.go_to(datetime(2026, 12, 1, 12, tzinfo=UTC))
    await months.night()
    told = (await get(months.ana, "rollup", months=1))["groups"][0]["months"][0]["figures"]
    await months.go_to(datetime(2026, 12, 20, 12, tzinfo=UTC))
    late = {**number, "value_cents": 1_900_00}
    assert (await months.ana.post("/v1/forecasts/overrides", json=late)).status_code == 201
    for deal in deals[:2]:
        await close(months.rep, deal, "closed_won")
    assert (await get(months.ana, "accuracy"))["rows"] == []  # December is not over
    await months.go_to(DECEMBER_END)
    [row] = (await get(months.ana, "accuracy", days_before_end=30))["rows"]
    assert row["points"] == [
        {
            "month": "2026-12", "told_at": "2026-12-01T12:00:00Z", "expected_cents": told["expected_cents"],
            "low_cents": told["low_cents"], "high_cents": told["high_cents"], "override_cents": 1_500_00,
            "actual_cents": 2_000_00,
        }
    ]  # fmt: skip
    miss = told["expected_cents"] - 2_000_00
    assert row["model"]["wape"] == pytest.approx(abs(miss) / 2_000_00)
    assert row["model"]["bias"] == pytest.approx(miss / 2_000_00)
    assert row["model"]["coverage_90"] == float(told["low_cents"] <= 2_000_00 <= told["high_cents"])
    assert row["override"]["wape"] == pytest.approx(0.25)
    assert row["override"]["pinball_p50"] == pytest.approx(0.125)
    assert row["override"]["model_wape"] == row["model"]["wape"]


async def test_a_group_that_nobody_foresaw_counts_as_a_miss(months: Months) -> None:
    await new_deal(months.rep, segment="smb")
    await months.settle()
    await months.go_to(datetime(2026, 12, 1, 12, tzinfo=UTC))
    await months.night()
    deal = await new_deal(months.rep, value_cents=700_00, segment="enterprise")
    await close(months.rep, deal, "closed_won")
    await months.go_to(DECEMBER_END)
    rows = {r["key"]: r for r in (await get(months.ana, "accuracy", by="segment", days_before_end=30))["rows"]}
    assert (rows["enterprise"]["model"]["wape"], rows["enterprise"]["model"]["coverage_90"]) == (1.0, 0.0)
    assert rows["smb"]["model"]["wape"] is None


async def test_accuracy_is_seen_of_groups_that_one_sees_whole(months: Months) -> None:
    for client in (months.rep, months.ana):
        await new_deal(client, team="north")
    await months.settle()
    await months.go_to(datetime(2026, 12, 1, 12, tzinfo=UTC))
    await months.night()
    await months.go_to(DECEMBER_END)
    own = (await months.rep.get("/v1/me")).json()["id"]
    seen = {by: [r["key"] for r in (await get(months.rep, "accuracy", by=by, days_before_end=30))["rows"]] for by in ("all", "team", "seller")}  # fmt: skip # noqa: E501
    assert seen == {"all": [], "team": [], "seller": [own]}
    assert len((await get(months.ana, "accuracy", by="seller", days_before_end=30))["rows"]) == 2


# ── closed deals ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_closed_deals_forecasts_are_scored_and_an_opened_one_has_no_scores(months: Months) -> None:
    deal = await new_deal(months.rep)
    url = f"/v1/deals/{deal['id']}/forecast"
    await months.settle()
    assert (await months.rep.get(url)).json()["now"]["status"] == "predicted"
    odds = (await months.rep.get(url)).json()["now"]["probability"]
    months.clock.advance(timedelta(days=10))
    await months.go_to(months.clock.now())
    await close(months.rep, deal, "closed_won")
    await months.settle()
    [row] = await get(months.rep, "accuracy/deals")
    assert row["brier"] == pytest.approx((1 - odds) ** 2)
    assert (row["deals"], row["won"], row["expected"]) == (1, 1.0, pytest.approx(odds))
    assert await get(months.rep, "accuracy/deals", lead_days=11) == []
    assert (await months.rep.get(url)).json()["now"]["status"] == "won"
    assert (await months.rep.get("/v1/forecasts")).json()["items"][0]["status"] == "won"
    await close(months.rep, deal, "proposal")
    await months.settle()
    assert await get(months.rep, "accuracy/deals") == []


# ── what changed ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_changed_since_monday(months: Months) -> None:
    won, lost, grown, kept = [
        await new_deal(months.rep, value_cents=cents) for cents in (1_000_00, 2_000_00, 3_000_00, 4_000_00)
    ]
    await months.settle()
    monday = months.clock.now()
    before = (await get(months.ana, "rollup"))["groups"][0]["total"]["expected_cents"]
    months.clock.advance(timedelta(minutes=5))
    await close(months.rep, won, "closed_won")
    await close(months.rep, lost, "closed_lost")
    await months.rep.patch(f"/v1/deals/{grown['id']}", json={"value_cents": 6_000_00})
    new = await new_deal(months.rep, value_cents=500_00)
    await months.settle()
    months.clock.advance(timedelta(minutes=5))
    told = await get(months.ana, "changes", since=monday.isoformat())
    after = (await get(months.ana, "rollup"))["groups"][0]["total"]["expected_cents"]
    assert (told["before_cents"], told["after_cents"]) == (before, after)
    assert sum(effect["cents"] for effect in told["effects"]) == after - before
    assert sum(deal["cents"] for deal in told["deals"]) == after - before
    kinds = {effect["kind"]: effect["deals"] for effect in told["effects"]}
    assert {kind: kinds.get(kind) for kind in ("won", "lost", "value", "new")} == {
        "won": 1, "lost": 1, "value": 1, "new": 1,
    }  # fmt: skip
    by_deal = {deal["deal_id"]: deal for deal in told["deals"]}
    assert kept["id"] not in by_deal
    assert by_deal[new["id"]]["before_cents"] == 0
    assert by_deal[grown["id"]]["because"][0] == "R$ 3,000 → R$ 6,000"
    seen = [effect["text"] for effect in (await get(months.ana, "changes", since=monday.isoformat(), language="pt"))["effects"]]  # fmt: skip # noqa: E501
    assert {"ganhos", "perdidos", "novos negócios", "valor alterado"} <= set(seen)


async def test_the_past_is_told_as_it_was(months: Months) -> None:
    """A moment that lies back gives the figures of then, though deals were closed, opened again or given away."""
    deals = [await new_deal(months.rep, value_cents=1_000_00 * n) for n in range(1, 6)]
    await close(months.rep, deals[4], "closed_won")
    await months.settle()
    moments, told = [], []
    steps = (
        {"stage": "closed_lost"}, {"value_cents": 9_000_00}, {"stage": "negotiation", "team": "west"},
        {"stage": "closed_won"},
    )  # fmt: skip
    for step in steps:
        moments.append(months.clock.now())
        told.append((await get(months.ana, "rollup"))["groups"][0]["total"]["expected_cents"])
        months.clock.advance(timedelta(minutes=1))
        await months.rep.patch(f"/v1/deals/{deals[0]['id']}", json=step)
        await months.rep.patch(f"/v1/deals/{deals[4]['id']}", json=step)
        await months.settle()
        months.clock.advance(timedelta(minutes=1))
    for at, figure in zip(moments, told, strict=True):
        assert (await get(months.ana, "changes", since=at.isoformat()))["before_cents"] == figure
    between = await get(months.ana, "changes", since=moments[0].isoformat(), until=moments[2].isoformat())
    assert (between["before_cents"], between["after_cents"]) == (told[0], told[2])
    assert sum(effect["cents"] for effect in between["effects"]) == told[2] - told[0]


async def test_pages_of_deals_hold_each_once(months: Months) -> None:
    monday = months.clock.now()
    months.clock.advance(timedelta(minutes=1))
    for number in range(5):
        await new_deal(months.rep, value_cents=1_000_00 + number)
    await months.settle()
    seen: list[str] = []
    cursor, until = None, months.clock.now().isoformat()
    for _ in range(3):
        query = {"since": monday.isoformat(), "until": until, "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = await get(months.rep, "changes", **query)
        seen += [deal["deal_id"] for deal in page["deals"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize(("since", "until"), [("2027-01-01T00:00:00Z", None), ("2026-11-20T00:00:00Z", "2026-11-19T00:00:00Z")])  # fmt: skip # noqa: E501
async def test_moments_that_cannot_be_compared(months: Months, since: str, until: str | None) -> None:
    answer = await months.ana.get("/v1/forecasts/changes", params={"since": since, **({"until": until} if until else {})})  # fmt: skip # noqa: E501
    assert answer.status_code == 422
