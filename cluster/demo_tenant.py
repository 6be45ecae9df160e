"""The tenant of the demonstration: a company with a simulated pipeline, and how to log in to it."""

from __future__ import annotations

import json
import os
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import yaml

from core.competitors import repository as competitors
from core.competitors.model import Competitor
from core.deals import repository as deals
from core.deals.model import Account, Activity, Contact, Deal, DealChange
from core.kit.db import Database
from core.kit.errors import Conflict
from core.kit.ids import new_id
from core.kit.security import Identity
from core.settings import Settings, configs_dir
from core.tenants import repository as tenants
from core.tenants.permissions import Roles
from core.tenants.schemas import SignUp
from core.tenants.sign_up import sign_up
from training.simulated_pipeline import SimulatedDeal, simulate

SLUG, EMAIL = "demo", "demo@salesedge.example"
_LOG_IN = "demo.json"
_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class LogIn:
    """How a person gets in; made once and kept beside the data."""

    email: str
    password: str


@dataclass(frozen=True, slots=True)
class Story:
    """Whom the demo call is between and what it is about, from `configs/demo/call_<language>.yaml`."""

    language: str
    seller: str
    seller_company: str
    contact: str
    email: str
    company: str
    deal: str
    value_cents: int
    currency: str
    stage: str


def story(language: str) -> Story:
    raw = yaml.safe_load((configs_dir() / "demo" / f"call_{language}.yaml").read_text("utf-8"))["facts"]
    seller, customer, deal = raw["seller"], raw["customer"], raw["deal"]
    address = f"{customer['name'].split()[0].lower()}@{customer['company'].split()[0].lower()}.example"
    ascii_address = unicodedata.normalize("NFKD", address).encode("ascii", "ignore").decode()
    return Story(
        language, seller["name"], seller["company"], customer["name"], ascii_address, customer["company"],
        deal["name"], deal["value_cents"], deal["currency"], deal["stage"],
    )  # fmt: skip


def new_log_in(settings: Settings) -> LogIn:
    """With a password of its own, kept in the data folder, where only its owner reads it."""
    path = settings.data_dir / _LOG_IN
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"email": EMAIL, "password": secrets.token_urlsafe(12)}, file)
    return log_in_of(settings)


def log_in_of(settings: Settings) -> LogIn:
    """What was kept. Raises `Conflict` where it is gone: the database cannot tell a password."""
    path = settings.data_dir / _LOG_IN
    try:
        return LogIn(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise Conflict(
            f"The demo company is there, but its password is not: {path} cannot be read. Put it back, or remove the "
            f"folder {settings.data_dir} with the demo's database in it and start anew."
        ) from error


async def create(db: Database, roles: Roles, log_in: LogIn, told: Story) -> Identity:
    wanted = SignUp(
        company=told.seller_company, slug=SLUG, name=told.seller, email=log_in.email, password=log_in.password,
        locale="pt-BR" if told.language == "pt" else "en-US", currency=told.currency,
    )  # fmt: skip
    return await sign_up(db, roles, wanted)


async def load_pipeline(db: Database, tenant_id: UUID, owner_id: UUID, *, count: int = 1500) -> int:
    """Write the simulated deals with their histories, in one transaction; returns how many rows."""
    simulated = simulate(deals=count, until=datetime.now(UTC) - timedelta(hours=1))
    async with db.tenant(tenant_id) as tx:
        rows = [_rows(deal, owner_id, tx.clock.now()) for deal in simulated]
        written = 0
        for number, table in enumerate((Account, Contact, Deal, DealChange, Activity)):
            todo = iter([row for five in rows for row in five[number]])
            while batch := list(islice(todo, _BATCH)):
                await deals.add_many(tx, table, batch)
                written += len(batch)
        return written


def _rows(deal: SimulatedDeal, owner_id: UUID, now: datetime) -> tuple[list[dict[str, Any]], ...]:
    """Rows of account, contact, deal, changes and activities."""
    account_id, contact_id, deal_id = new_id(), new_id(), new_id()
    past = deal.history
    stage = past.stage_changes[-1].stage
    account = {
        "id": account_id, "name": deal.account, "segment": past.segment, "region": past.region,
        "created_at": past.opened_at,
    }  # fmt: skip
    contact = {
        "id": contact_id, "account_id": account_id, "name": deal.contact, "email": deal.email,
        "language": deal.language, "created_at": past.opened_at,
    }  # fmt: skip
    row = {
        "id": deal_id, "account_id": account_id, "contact_id": contact_id, "owner_id": owner_id, "name": deal.name,
        "value_cents": past.value_cents, "currency": past.currency, "stage": stage,
        "team": f"team-{deal.seller % 2 + 1}",
        "segment": past.segment, "region": past.region, "source": past.source, "products": ["CRM"],
        "opened_at": past.opened_at, "expected_close_on": past.expected_close_on, "closed_at": past.closed_at,
        "outcome": None if past.won is None else "won" if past.won else "lost",
    }  # fmt: skip
    return [account], [contact], [row], _changes(deal, deal_id), _activities(deal, deal_id)


def _changes(deal: SimulatedDeal, deal_id: UUID) -> list[dict[str, Any]]:
    stages: Sequence[Any] = deal.history.stage_changes
    befores = [None, *(change.stage for change in stages)]
    return [
        {"deal_id": deal_id, "at": change.at, "field": "stage", "before": [before], "after": [change.stage]}
        for before, change in zip(befores, stages, strict=False)
    ]


def _activities(deal: SimulatedDeal, deal_id: UUID) -> list[dict[str, Any]]:
    return [
        {
            "deal_id": deal_id, "kind": a.kind, "direction": a.direction, "at": a.at, "sentiment": a.sentiment,
            "objections": a.objections, "unanswered_objections": a.unanswered_objections,
            "competitors": a.competitors, "buying_signals": a.buying_signals, "has_next_step": a.has_next_step,
        }
        for a in deal.history.activities
    ]  # fmt: skip


async def find(db: Database) -> UUID | None:
    """The demo tenant, where it was made before."""
    async with db.system() as tx:
        return await tenants.find_tenant_id(tx, SLUG)


async def add_competitors(db: Database, tenant_id: UUID) -> None:
    async with db.tenant(tenant_id) as tx:
        for name in ("Salesforce", "HubSpot", "Pipedrive", "RD Station", "Zoho"):
            row = Competitor(id=new_id(), tenant_id=tenant_id, name=name, created_at=tx.clock.now())
            await competitors.add(tx, row)
