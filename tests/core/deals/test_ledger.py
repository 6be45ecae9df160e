"""The ledger answers as the query does, at every moment of random pipelines."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core.deals import repository as deals
from core.deals.ledger import Ledger
from core.deals.model import Account, Deal, DealChange
from core.kit.db import Database
from core.kit.ids import new_id
from core.tenants import repository as tenants
from core.tenants.model import Tenant, User
from tests.conftest import NOW

HOUR = timedelta(hours=1)
STAGES = ("prospecting", "proposal", "closed_won", "closed_lost")


def a_life(
    rng: random.Random, accounts: list[UUID], sellers: list[UUID]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A deal and its changes, as they are written: each says what was before it."""
    opened = NOW - HOUR * rng.randrange(20, 40)
    row: dict[str, Any] = {
        "id": new_id(), "account_id": rng.choice(accounts), "owner_id": rng.choice([*sellers, None]), "name": "D",
        "value_cents": rng.randrange(1000), "currency": "BRL", "stage": "prospecting", "products": [],
        "opened_at": opened, "recorded_at": rng.choice([None, opened + 2 * HOUR]),
    }  # fmt: skip
    first = {"deal_id": row["id"], "at": opened, "field": "stage", "before": [None], "after": ["prospecting"]}
    changes = [first]
    at = opened + 2 * HOUR
    for _ in range(rng.randrange(6)):
        at += HOUR * rng.randrange(1, 4)
        seller = rng.choice([*sellers, None])
        name, after = rng.choice(
            [("stage", rng.choice(STAGES)), ("value_cents", rng.randrange(1000)), ("owner_id", seller)]
        )  # fmt: skip
        told = [str(one) if isinstance(one, UUID) else one for one in (row[name], after)]
        changes.append({"deal_id": row["id"], "at": at, "field": name, "before": told[:1], "after": told[1:]})
        row[name] = after
    return row, changes


@pytest.mark.parametrize("seed", range(3))
async def test_it_answers_as_the_query_does(db: Database, seed: int) -> None:
    rng, tenant_id = random.Random(seed), new_id()
    accounts, sellers = [new_id() for _ in range(3)], [new_id() for _ in range(3)]
    lives = [a_life(rng, accounts, sellers) for _ in range(25)]
    async with db.tenant(tenant_id) as tx:
        await tenants.add(tx, Tenant(id=tenant_id, name="T", slug=f"t{seed}", created_at=NOW))
        for one in sellers:
            await tenants.add(
                tx, User(id=one, tenant_id=tenant_id, email=f"{one}@x.example", name="U", roles=[], created_at=NOW)
            )  # fmt: skip
        await deals.add_many(tx, Account, [{"id": one, "name": "A", "created_at": NOW} for one in accounts])
        await deals.add_many(tx, Deal, [row for row, _ in lives])
        await deals.add_many(tx, DealChange, [change for _, changes in lives for change in changes])
    async with db.tenant(tenant_id) as tx:
        ledger = await Ledger.read(tx)
        for moment in range(42):
            at = NOW - HOUR * moment
            for whose in [*({"account_id": one} for one in accounts), *({"seller_id": one} for one in sellers)]:
                told = await deals.sales(tx, at, **whose)
                assert dict(ledger.sales(at, **whose)) == told, (moment, whose)
