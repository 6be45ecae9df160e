"""Roll-ups, numbers of one's own and snapshots over HTTP, on the real database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from cluster.forecast import take_due
from core.flows import REACTIONS
from core.kit.clock import VirtualClock
from core.kit.ids import new_id
from core.kit.relay import Relay
from tests.support import Api, Client, member, new_deal, sign_up


@dataclass(frozen=True)
class House:
    """Two teams; everybody has one open deal of 1,000.00 with a forecast."""

    api: Api
    ana: Client
    rita: Client  # north
    leader: Client  # of north
    sara: Client  # south
    manager: Client
    ids: dict[str, str]

    async def settle(self) -> None:
        await Relay(self.api.services.db, REACTIONS, self.api.services).drain()


@pytest.fixture
async def house(api: Api, ana: Client) -> House:
    people = {
        "rita": await member(api, ana, "REP", team="north"),
        "leader": await member(api, ana, "LEADER", team="north"),
        "sara": await member(api, ana, "REP", team="south"),
        "manager": await member(api, ana, "MANAGER"),
    }
    teams = {"rita": "north", "leader": "north", "sara": "south", "manager": None}
    for name, client in people.items():
        await new_deal(client, value_cents=1_000_00, segment="smb", **({"team": teams[name]} if teams[name] else {}))
    ids = {name: (await client.get("/v1/me")).json()["id"] for name, client in people.items()}
    found = House(api, ana, **people, ids=ids)
    await found.settle()
    return found


async def rollup(client: Client, **query: Any) -> dict[str, Any]:
    answer = await client.get("/v1/forecasts/rollup", params={"language": "en", **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_roll_up_holds_what_one_may_see(house: House) -> None:
    seen = {}
    for name in ("rita", "leader", "sara", "manager", "ana"):
        [group] = (await rollup(getattr(house, name)))["groups"]
        seen[name] = group["open_count"]
    assert seen == {"rita": 1, "leader": 2, "sara": 1, "manager": 4, "ana": 4}


async def test_groups_add_up_and_have_names(house: House) -> None:
    [whole] = (await rollup(house.manager))["groups"]
    for by, names in (
        ("team", {"north", "south", "no team"}), ("segment", {"smb"}), ("region", {"no region"}),
        ("seller", {"A rep", "A leader", "A manager"}),
    ):  # fmt: skip
        groups = (await rollup(house.manager, by=by))["groups"]
        assert {group["name"] for group in groups} == names
        assert sum(g["total"]["expected_cents"] for g in groups) == whole["total"]["expected_cents"]
    assert whole["total"]["low_cents"] <= whole["total"]["p10_cents"] <= whole["total"]["p50_cents"]
    assert whole["total"]["p50_cents"] <= whole["total"]["p90_cents"] <= whole["total"]["high_cents"] == 4_000_00
    assert [month["month"] for month in whole["months"]] == [
        "2026-11", "2026-12", "2027-01", "2027-02", "2027-03", "2027-04",
    ]  # fmt: skip


async def test_the_same_state_gives_the_same_answer(house: House) -> None:
    assert await rollup(house.manager, by="seller") == await rollup(house.manager, by="seller")


async def test_what_was_won_is_in_its_month(house: House) -> None:
    await new_deal(house.rita, value_cents=5_000_00, stage="closed_won")
    [group] = (await rollup(house.rita))["groups"]
    assert group["months"][0]["figures"]["won_cents"] == group["total"]["won_cents"] == 5_000_00
    assert group["total"]["low_cents"] >= 5_000_00
    [later] = (await rollup(house.rita, first="2026-12", months=1))["groups"]
    assert later["total"]["won_cents"] == 0


async def test_the_answer_says_what_the_correlation_rests_on(house: House) -> None:
    said = (await rollup(house.ana))["correlation"]
    assert (said["months"], said["text"]) == (0, "assumed: no months with closed deals yet")
    assert said["low"] < said["mean"] < said["high"]
    other = (await house.ana.get("/v1/forecasts/rollup?language=pt")).json()["correlation"]["text"]
    assert other == "suposta: ainda não há meses com negócios fechados"


@pytest.mark.parametrize("query", ["by=owner", "first=2026-13", "months=13", "months=0", "first=november"])
async def test_a_wrong_question_is_answered_as_one(ana: Client, query: str) -> None:
    assert (await ana.get(f"/v1/forecasts/rollup?{query}")).status_code == 422


# ── a person's own numbers ───────────────────────────────────────────────────────────────────────────────────────────


def number(by: str, key: str | None, cents: int = 3_000_00, month: str = "2026-12") -> dict[str, Any]:
    return {"by": by, "key": key, "month": month, "value_cents": cents, "reason": "The tender is decided in December."}


async def test_a_number_stands_beside_the_models_and_changes_nothing_of_it(house: House) -> None:
    [before] = [g for g in (await rollup(house.leader, by="team"))["groups"] if g["key"] == "north"]
    given = await house.leader.post("/v1/forecasts/overrides", json=number("team", "north"))
    assert given.status_code == 201, given.text
    [after] = [g for g in (await rollup(house.leader, by="team"))["groups"] if g["key"] == "north"]
    assert after["months"][1]["override"]["value_cents"] == 3_000_00
    assert after["months"][1]["override"]["user_id"] == house.ids["leader"]
    assert [month["figures"] for month in after["months"]] == [month["figures"] for month in before["months"]]
    model = before["months"][1]["figures"]
    said = given.json()
    assert said["model_expected_cents"] == model["expected_cents"]
    assert (said["model_p10_cents"], said["model_p90_cents"]) == (model["p10_cents"], model["p90_cents"])


async def test_numbers_have_versions_and_can_be_taken_back(house: House) -> None:
    first = (await house.manager.post("/v1/forecasts/overrides", json=number("all", None))).json()
    second = (await house.manager.post("/v1/forecasts/overrides", json=number("all", None, 2_500_00))).json()
    assert (first["version"], second["version"]) == (1, 2)
    url = f"/v1/forecasts/overrides/{first['id']}"
    taken = await house.manager.post(f"{url}/withdraw", json={"reason": "The tender was put off."})
    assert (taken.status_code, taken.json()["version"], taken.json()["value_cents"]) == (200, 3, None)
    history = (await house.manager.get(url)).json()["versions"]
    assert [(v["version"], v["value_cents"]) for v in history] == [(3, None), (2, 2_500_00), (1, 3_000_00)]
    [group] = (await rollup(house.manager))["groups"]
    assert group["months"][1]["override"] is None
    again = await house.manager.post(f"{url}/withdraw", json={"reason": "Once more."})
    assert (again.status_code, "taken back already" in again.text) == (409, True)


async def test_who_gave_what_is_in_the_audit_trail_without_his_words(house: House) -> None:
    await house.manager.post("/v1/forecasts/overrides", json=number("segment", "smb"))
    entries = (await house.ana.get("/v1/audit?action=forecast.overridden")).json()["items"]
    [entry] = [entry for entry in entries if entry["action"] == "forecast.overridden"]
    assert entry["after"]["value_cents"] == 3_000_00
    assert entry["actor_id"] == house.ids["manager"]
    assert "tender" not in str(entry)


@pytest.mark.parametrize(
    ("who", "by", "key", "status"),
    [
        ("leader", "team", "north", 201),
        ("leader", "seller", "rita", 201),
        ("leader", "seller", "sara", 403),
        ("leader", "team", "south", 403),
        ("leader", "all", None, 403),
        ("leader", "segment", "smb", 403),
        ("manager", "seller", "sara", 201),
        ("manager", "all", None, 201),
        ("manager", "region", None, 201),
        ("manager", "team", "west", 404),
        ("manager", "seller", "nobody", 404),
        ("rita", "seller", "rita", 403),
    ],
)
async def test_a_number_is_given_for_those_whom_one_sees(
    house: House, who: str, by: str, key: str | None, status: int
) -> None:
    wanted = house.ids.get(key or "", key)
    answer = await getattr(house, who).post("/v1/forecasts/overrides", json=number(by, wanted))
    assert answer.status_code == status, answer.text


async def test_numbers_are_seen_with_their_group(house: House) -> None:
    given = {}
    for by, key in (("seller", "rita"), ("seller", "sara"), ("team", "north"), ("all", None)):
        body = number(by, house.ids.get(key or "", key))
        given[by, key] = (await house.manager.post("/v1/forecasts/overrides", json=body)).json()["id"]
    seen = {
        name: {row["id"] for row in (await getattr(house, name).get("/v1/forecasts/overrides")).json()["items"]}
        for name in ("rita", "sara", "leader", "manager")
    }
    assert seen["manager"] == set(given.values())
    assert seen["leader"] == {given["seller", "rita"], given["team", "north"]}
    assert seen["rita"] == {given["seller", "rita"]}
    assert (await house.rita.get(f"/v1/forecasts/overrides/{given['all', None]}")).status_code == 404
    first = (await house.manager.get("/v1/forecasts/overrides?limit=3")).json()
    rest = (await house.manager.get(f"/v1/forecasts/overrides?limit=3&cursor={first['next_cursor']}")).json()
    assert len(first["items"]) + len(rest["items"]) == 4


async def test_a_month_that_is_over_has_no_number(house: House) -> None:
    answer = await house.manager.post("/v1/forecasts/overrides", json=number("all", None, month="2026-10"))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.month")


# ── snapshots ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_snapshot_keeps_what_was_told(house: House) -> None:
    told = {by: await rollup(house.manager, by=by) for by in ("all", "seller", "team")}
    asked = await house.manager.post("/v1/forecasts/snapshots")
    assert asked.status_code == 202
    url = asked.headers["Location"]
    assert (await house.manager.get(url)).status_code == 404
    await house.settle()
    await new_deal(house.rita, value_cents=9_000_00)
    for by, before in told.items():
        kept = (await house.manager.get(url, params={"by": by})).json()
        totals = {row["key"]: row["expected_cents"] for row in kept["figures"] if row["month"] is None}
        assert totals == {group["key"]: group["total"]["expected_cents"] for group in before["groups"]}
    listed = (await house.manager.get("/v1/forecasts/snapshots")).json()["items"]
    assert [row["kind"] for row in listed] == ["request"]


async def test_figures_of_a_snapshot_are_seen_with_their_group(house: House) -> None:
    url = (await house.manager.post("/v1/forecasts/snapshots")).headers["Location"]
    await house.settle()
    seen = {
        (name, by): {row["key"] for row in (await getattr(house, name).get(url, params={"by": by})).json()["figures"]}
        for name in ("rita", "leader")
        for by in ("all", "seller", "team", "segment")
    }
    assert seen == {
        ("rita", "all"): set(), ("rita", "seller"): {house.ids["rita"]}, ("rita", "team"): set(),
        ("rita", "segment"): set(), ("leader", "all"): set(),
        ("leader", "seller"): {house.ids["rita"], house.ids["leader"]}, ("leader", "team"): {"north"},
        ("leader", "segment"): set(),
    }  # fmt: skip
    assert (await house.rita.post("/v1/forecasts/snapshots")).status_code == 403


async def test_a_number_is_preceded_by_what_the_model_said(house: House) -> None:
    await house.leader.post("/v1/forecasts/overrides", json=number("team", "north"))
    await house.settle()
    [kept] = (await house.manager.get("/v1/forecasts/snapshots")).json()["items"]
    assert kept["kind"] == "override"
    rows = (await house.manager.get(f"/v1/forecasts/snapshots/{kept['id']}?by=seller")).json()["figures"]
    assert {row["key"] for row in rows} == {house.ids[name] for name in ("rita", "leader", "sara", "manager")}


async def test_every_tenant_has_one_night_a_day_of_its_own(house: House, clock: VirtualClock) -> None:
    db, predictor = house.api.services.db, house.api.services.predictor
    await sign_up(house.api, "other", email="o@other.example")
    assert await take_due(db, predictor) == 2
    assert await take_due(db, predictor) == 0
    clock.advance(timedelta(hours=12))  # 02:00 UTC is still yesterday in São Paulo
    assert await take_due(db, predictor) == 0
    clock.advance(timedelta(hours=2))
    assert await take_due(db, predictor) == 2


async def test_a_night_writes_a_forecast_only_where_it_says_something_new(house: House, clock: VirtualClock) -> None:
    tenant_id = house.api.services.tokens.check(house.ana.token).tenant_id
    deal = (await house.rita.get("/v1/deals")).json()["items"][0]["id"]
    first = (await house.rita.get(f"/v1/deals/{deal}/forecast")).json()["now"]["id"]
    assert await take_due(house.api.services.db, house.api.services.predictor, tenant_id) == 1
    assert (await house.rita.get(f"/v1/deals/{deal}/forecast")).json()["now"]["id"] == first


async def test_one_tenant_that_fails_does_not_keep_the_others_awake(house: House) -> None:
    db = house.api.services.db
    assert await take_due(db, house.api.services.predictor, new_id()) == 0
    assert await take_due(db, house.api.services.predictor) == 1
