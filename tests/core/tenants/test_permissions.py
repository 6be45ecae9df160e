"""The table of roles: a slip in it refuses the start."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
import yaml
from fastapi import APIRouter

from core import bootstrap
from core.app import create_app
from core.kit.web import allow, permissions
from core.tenants.permissions import LADDER, Roles
from tests.support import Api


@pytest.fixture
def table() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((bootstrap.configs() / "roles.yaml").read_text("utf-8"))
    return read


def test_who_stands_higher_may_do_all_that_those_below_may_do() -> None:
    roles = bootstrap.roles()
    scopes = [roles.scopes([name]) for name in LADDER]
    assert all(below < above for below, above in pairwise(scopes))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"REP": {"inherits": ["SDR"], "permision": ["can_x"]}}, "REP has something else"),
        ({"REP": {"inherits": ["SDR"], "permissions": ["Can_Everything"]}}, "no permission"),
        ({"REP": {"inherits": ["SRD"]}}, "inherits from SRD, which is not there"),
        ({"GUEST": {"inherits": ["ADMIN"]}}, "inherits from itself"),
        ({"Boss": {"permissions": []}}, "no name of a role"),
        ({"REP": None}, "something else"),
        ({"MANAGER": {"inherits": ["GUEST"], "permissions": []}}, "MANAGER stands above LEADER and lacks"),
    ],
)
def test_a_slip_in_the_table_is_named(table: dict[str, Any], change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Roles({**table, **change})


def test_a_role_that_the_product_speaks_of_must_be_there(table: dict[str, Any]) -> None:
    without = deepcopy(table)
    del without["DEVOPS"], without["SUPER_ADMIN"]
    with pytest.raises(ValueError, match="DEVOPS, SUPER_ADMIN is missing"):
        Roles(without)


def test_a_route_that_asks_for_what_nobody_has_refuses_the_start(api: Api) -> None:
    app = create_app(api.services)
    router = APIRouter()

    @router.get("/x", dependencies=[allow("can_fly")])
    async def fly() -> None: ...

    app.include_router(router)
    with pytest.raises(ValueError, match="can_fly"):
        api.services.roles.check_known(permissions(app))
