"""A compliance tester that others wrote (scim2-tester), which comes as an identity provider's client would."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from core.settings import Settings
from tests.server import Server
from tests.support import Api, Client, sign_up

KNOWN = {
    "search_with_attributes": "one search over users and groups together is not offered, only one over each",
    "check_replace_attribute": "the address that is kept is the primary one, whatever the client called it",
}


@pytest.fixture
def directory(new_database: Callable[[], Settings]) -> Iterator[httpx2.Client]:
    tokens: list[str] = []

    async def furnish(api: Api) -> None:
        ana = Client(api, (await sign_up(api, "acme"))["access_token"])
        tokens.append((await ana.post("/v1/scim/tokens", json={"name": "Directory"})).json()["token"])

    with Server(new_database(), furnish) as running:
        headers = {"Authorization": f"Bearer {tokens[0]}"}
        with httpx2.Client(base_url=f"{running.url}/scim/v2", headers=headers) as client:
            yield client


def test_a_foreign_compliance_tester_finds_nothing_else_wrong(directory: httpx2.Client) -> None:
    results = check_server(SyncSCIMClient(directory))
    wrong = [one for one in results if one.status is not Status.SUCCESS]
    assert [(one.title, one.reason) for one in wrong if one.title not in KNOWN] == []
    assert all("emails" in str(one.reason) for one in wrong if one.title == "check_replace_attribute")
    assert len(results) - len(wrong) > 55
