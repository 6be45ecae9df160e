"""The register of erasers: where the tables hold a person, what a copy shows of it, and what erasure does to it.

One place for both, so that what is shown is what is erased. A column that is marked `info={"personal": …}` and that
nothing here takes care of fails a test.

Kept on purpose: forecasts, logged predictions, their features and the numbers of activities. They count touches,
objections and days of a deal whose contact is gone, and are nobody's any more; models are fitted on these numbers
alone, so no training set holds a person. What the feature store holds of a person, his calls and his deals goes, in
cache and history as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, or_

from core.kit.db import Base
from core.privacy import repository
from core.privacy.person import Person

Rows = Callable[[Table, Person], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Holding:
    """A person's rows in one table. Erasure deletes them, blanks columns (to a value, or to what a function gives), or
    leaves them where they then say nothing of him. `cascades`: the rows go with those that they belong to."""

    table: str
    rows: Rows
    delete: bool = False
    cascades: bool = False
    blank: Mapping[str, Any] = field(default_factory=dict)
    shown: bool = True

    @property
    def of(self) -> Table:
        return Base.metadata.tables[self.table]


def _contact(column: str) -> Rows:
    return lambda table, person: table.c[column].in_(person.contact_ids)


def _user(column: str) -> Rows:
    return lambda table, person: table.c[column].in_(person.user_ids)


def _address(column: str) -> Rows:
    return lambda table, person: repository.lower(table.c[column]).in_(person.emails)


def _call(column: str) -> Rows:
    return lambda table, person: table.c[column].in_(person.call_ids)


def _deal_or_call(table: Table, person: Person) -> ColumnElement[bool]:
    return or_(table.c.deal_id.in_(person.deal_ids), table.c.call_id.in_(person.call_ids))


def _deal(column: str) -> Rows:
    return lambda table, person: table.c[column].in_(person.deal_ids)


def _request(table: Table, person: Person) -> ColumnElement[bool]:
    return or_(
        table.c.contact_id.in_(person.contact_ids), table.c.user_id.in_(person.user_ids),
        repository.lower(table.c.email).in_(person.emails),
    )  # fmt: skip


def features_of(person: Person) -> tuple[UUID, ...]:
    """Whose features are his, also those of his calls and deals. Backfill makes a deal's anew of what stays of it."""
    return (*person.contact_ids, *person.user_ids, *person.call_ids, *person.deal_ids)


def _features(table: Table, person: Person) -> ColumnElement[bool]:
    return table.c.entity_id.in_(features_of(person))


REGISTER: tuple[Holding, ...] = (
    Holding("feature_rows", _features, delete=True),
    Holding("drafts", repository.drafts_about, delete=True),
    Holding("tasks", _deal_or_call),
    Holding("agent_decisions", _deal_or_call),
    Holding("rule_firings", _deal_or_call, blank={"seen": {}}),
    Holding("transcripts", _call("id"), delete=True),
    Holding("sentiments", _call("id"), delete=True),
    Holding("insights", _call("id"), delete=True),
    Holding("activities", _deal_or_call, blank={"sentiment": None}),
    Holding("forecasts", _deal("deal_id")),
    Holding("prediction_logs", _deal("deal_id")),
    Holding(
        "calls", _call("id"),
        blank={
            "title": None, "object_key": None, "content_hash": repository.no_content, "error": None,
            "status": "erased", "participants": repository.others_on_call,
        },
    ),
    Holding("deals", _deal("id"), blank={"contact_id": None}),
    Holding("consents", _contact("contact_id"), cascades=True),
    Holding("contacts", _contact("id"), delete=True),
    Holding("notifications", _user("user_id"), delete=True),
    Holding("notification_settings", _user("id"), delete=True),
    Holding("push_subscriptions", _user("user_id"), delete=True),
    Holding("sessions", _user("user_id"), delete=True),
    Holding("second_factors", _user("user_id"), delete=True, shown=False),
    Holding("recovery_codes", _user("user_id"), delete=True, shown=False),
    Holding("api_keys", _user("created_by"), delete=True),
    Holding("sso_identities", _user("user_id"), delete=True),
    Holding("scim_users", _user("id"), delete=True),
    Holding("invitations", _address("email"), delete=True),
    # What he did stays in the trail, under an id that is nobody's any more; from where goes, as the chain allows.
    Holding("audit_entries", _user("actor_id"), blank={"address": None, "address_salt": None}),
    Holding(
        "users", _user("id"),
        blank={
            "email": repository.no_email, "name": "Erased user", "avatar_url": None, "password_hash": None,
            "is_active": False,
        },
    ),
    Holding("idempotency_keys", repository.answers_about, delete=True, shown=False),
    Holding("person_requests", _request, blank={"email": None, "object_key": None}, shown=False),
)  # fmt: skip
"""In the order of erasing: what refers to a row goes before it."""

MENTIONS: Mapping[str, str] = {
    "accounts": "name",
    "calls": "title participants",
    "competitors": "strengths weaknesses",
    "consents": "evidence",
    "deal_changes": "before after",
    "deals": "name",
    "deliveries": "error",
    "drafts": "subject body facts",
    "forecast_overrides": "reason",
    "insights": "data",
    "knowledge_documents": "title",
    "knowledge_passages": "heading text",
    "notifications": "text",
    "person_requests": "reason",
    "playbook_entries": "say examples",
    "tasks": "title",
    "transcripts": "turns",
}
"""Table → columns in which others may have written or said who he is: there his name and addresses are struck out."""

OF_A_DEAL: Mapping[str, str] = {"deals": "id", "deal_changes": "deal_id", "tasks": "deal_id"}
"""Table → column with the deal: in his own deals a name is struck out that others bear too."""

SECRETS = frozenset(
    {
        "password_hash", "secret_hash", "content_hash", "tenant_id", "address_salt", "address_hash", "hash",
        "previous_hash",
    }
)  # fmt: skip
"""Columns that no copy shows."""


def takes_care_of(table: str, column: str) -> bool:
    """Does something happen to this column when its person is erased?"""
    whole = any(h.table == table and (h.delete or h.cascades or column in h.blank) for h in REGISTER)
    return whole or column in MENTIONS.get(table, "").split()
