"""Every operation of the OpenAPI document, asked well and badly, as every role: no 5xx, nothing outside the schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as how
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.settings import Settings
from tests.server import Server
from tests.support import Api, Client, member, new_deal, sign_up

CHECKS = (
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
)  # fmt: skip
ROLES = ("ADMIN", "MANAGER", "LEADER", "REP", "SDR", "DATA_SCIENTIST", "DEVOPS", "SUPER_ADMIN", "SYSTEM", "GUEST")
SCIM = "the directory"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENDS_THE_SESSION = "/logout"


class House:
    """A tenant with somebody of every role, and what there is to ask about."""

    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}
        self.known: dict[str, str] = {}
        self.asked = 0

    async def furnish(self, api: Api) -> None:
        admin = Client(api, (await sign_up(api, "acme"))["access_token"])
        deal = await new_deal(admin)
        competitor = (await admin.post("/v1/competitors", json={"name": "Rival"})).json()
        self.tokens = {role: (await member(api, admin, role)).token for role in ROLES}
        self.tokens[SCIM] = (await admin.post("/v1/scim/tokens", json={"name": "Directory"})).json()["token"]
        user_id = (await admin.get("/v1/me")).json()["id"]
        group = {"schemas": [GROUP], "displayName": "North", "members": [{"value": user_id}]}
        made = (await Client(api, self.tokens[SCIM]).post("/scim/v2/Groups", json=group)).json()
        self.known = {
            "deal_id": deal["id"], "account_id": deal["account_id"], "competitor_id": competitor["id"],
            "user_id": user_id, "group_id": made["id"],
        }  # fmt: skip


@pytest.fixture(scope="module")
def house() -> House:
    return House()


@pytest.fixture(scope="module")
def server(new_database: Callable[[], Settings], house: House) -> Iterator[Server]:
    with Server(new_database(), house.furnish) as running:
        yield running


@pytest.fixture(scope="module")
def openapi(server: Server) -> Any:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json").exclude(path_regex=ENDS_THE_SESSION)


HOW: dict[str, Any] = {
    "deadline": None, "derandomize": True, "database": None, "phases": [Phase.explicit, Phase.generate],
    "suppress_health_check": list(HealthCheck),
}  # fmt: skip


@pytest.mark.parametrize("role", [*ROLES, SCIM])
def test_every_operation_answers_as_the_document_says(openapi: Any, house: House, role: str) -> None:
    examples = 20 if role in ("ADMIN", SCIM) else 3
    asked = 0
    for found in openapi.get_all_operations():
        if role == SCIM and not found.ok().path.startswith("/scim/"):
            continue
        case = found.ok().as_strategy()
        given(case)(how(max_examples=examples, **HOW)(lambda case: ask(case, house, role)))()
        asked += 1
    assert asked > 12


def ask(case: schemathesis.Case, house: House, role: str) -> None:
    """Of every two requests one is about things that are there."""
    house.asked += 1
    if house.asked % 2 and case.path_parameters:
        case.path_parameters.update({k: v for k, v in house.known.items() if k in case.path_parameters})
    case.call_and_validate(headers={"Authorization": f"Bearer {house.tokens[role]}"}, checks=CHECKS)
