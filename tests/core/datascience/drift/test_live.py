"""A challenge on the tenant's own traffic: in the shadow, and with split traffic."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from core.datascience.models.model import ModelVersion
from core.datascience.models.pointers import Scope
from tests.core.datascience.drift.made import Case, cases, predicted
from tests.core.datascience.models.made import PASSED, registered
from tests.support import Api, Client

MODELS = "/v1/insights/models"


class Match:
    """A champion and a candidate of one tenant."""

    def __init__(self, api: Api, client: Client, tenant_id: UUID, rows: list[ModelVersion]) -> None:
        self.api, self.client, self.tenant_id = api, client, tenant_id
        self.challenger, self.champion = rows

    async def challenge(self, share: float = 0.0) -> None:
        body = {"share": share}
        assert (await self.client.post(f"{MODELS}/{self.challenger.id}/challenge", json=body)).status_code == 200
        clock: Any = self.api.services.clock
        clock.advance(timedelta(days=90))
        who = {"email": "ana@example.com", "password": Api.PASSWORD, "tenant": "acme"}
        self.client = Client(self.api, (await self.api.post("/v1/login", json=who)).json()["access_token"])

    async def standing(self) -> dict[str, Any]:
        answer = await self.client.get(f"{MODELS}/{self.challenger.id}/challenge", params={"language": "en"})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
async def match(api: Api, ana: Client) -> Match:
    tenant_id = UUID((await ana.get("/v1/me")).json()["tenant_id"])
    rows = []
    for version in (1, 2):
        async with api.services.db.tenant(tenant_id) as tx:
            rows.append(await registered(tx, api.services.objects, Scope.of_tenant(tenant_id), version, PASSED))
    return Match(api, ana, tenant_id, rows)


def blurred(by: float, seed: int) -> Callable[[Case], float]:
    rng = np.random.default_rng(seed)
    return lambda case: case.truth + float(rng.normal(0, by))


async def test_in_the_shadow_the_better_wins(match: Match) -> None:
    await match.challenge()
    async with match.api.services.db.tenant(match.tenant_id) as tx:
        about = await cases(tx, 300)
        await predicted(tx, match.champion, about, blurred(0.4, 1))
        await predicted(tx, match.challenger, about, blurred(0.02, 2), role="shadow", late_s=2)
    found = await match.standing()
    assert found["standing"]["outcomes"] == 300
    assert found["standing"]["winner"] == "challenger"
    assert found["standing"]["low"] <= found["standing"]["better"] <= found["standing"]["high"]
    assert 0 < found["standing"]["decided_at"] < 300
    assert found["verdict"].startswith("Version 1 is better than the champion 2")
    assert {c["measure"] for c in found["comparisons"]} == {"auc", "brier"}
    assert all(c["rows"] == 600 and c["better"] > 0 for c in found["comparisons"])


async def test_answers_to_other_inputs_are_no_pair(match: Match) -> None:
    await match.challenge()
    async with match.api.services.db.tenant(match.tenant_id) as tx:
        about = await cases(tx, 20)
        await predicted(tx, match.champion, about, blurred(0.1, 1))
        await predicted(tx, match.challenger, about, blurred(0.1, 2), role="shadow", late_s=400)
    found = await match.standing()
    assert (found["standing"]["outcomes"], found["standing"]["winner"], found["comparisons"]) == (0, None, [])
    assert found["verdict"].startswith("Not decided yet")


async def test_with_split_traffic_each_deal_speaks_for_one(match: Match) -> None:
    await match.challenge(share=0.4)
    async with match.api.services.db.tenant(match.tenant_id) as tx:
        about = await cases(tx, 900)
        his = [case for number, case in enumerate(about) if number % 5 < 2]
        rest = [case for number, case in enumerate(about) if number % 5 >= 2]
        await predicted(tx, match.champion, rest, lambda case: 1 - case.truth, weeks=1)
        await predicted(tx, match.challenger, his, blurred(0.02, 2), role="challenger", weeks=1)
    found = await match.standing()
    assert found["standing"]["outcomes"] == 900
    assert found["standing"]["winner"] == "challenger"
    assert found["comparisons"] == []


async def test_who_challenges_nobody_has_no_standing(match: Match) -> None:
    assert (await match.client.get(f"{MODELS}/{match.champion.id}/challenge")).status_code == 409
    await match.challenge()
    await match.client.post(f"{MODELS}/{match.champion.id}/rollback")
    assert (await match.client.get(f"{MODELS}/{match.challenger.id}/challenge")).status_code == 409
