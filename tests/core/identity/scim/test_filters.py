"""Filters in SQL say what the library's own evaluation in memory says."""

from __future__ import annotations

import random

import pytest
from scim2_models import ScimFilter

from core.identity.scim import filters, repository, wire
from core.kit.errors import BadInput
from tests.core.identity.scim.directory import made, user
from tests.support import Api, Client, new_directory

_PEOPLE = (
    ("bia@acme.example", "Bia", "Souza", "e-1", True), ("BOB@acme.example", "bob", "Silva", "E-1", False),
    ("carl_o@other.example", "Carl%", "O'Neil", None, True), ("dora@acme.example", "Dora", None, "x\\y", True),
    ("eve@acme.example", '"Eve"', "Souza", "", False),
)  # fmt: skip
_WORDS = ("bia", "SOUZA", "acme", "o", "e-1", "E-1", "%", "_", "'", '\\"Eve\\"', "x\\\\y", "", "zz")
_TEXTS = ("userName", "displayName", "externalId", "name.familyName", "name.givenName", "emails.value", "emails")
_OPERATORS = ("eq", "ne", "co", "sw", "ew", "gt", "le")


def an_expression(chance: random.Random, depth: int = 0) -> str:
    pick = chance.random()
    if depth < 3 and pick < 0.35:
        return f"({an_expression(chance, depth + 1)} {chance.choice(('and', 'or'))} {an_expression(chance, depth + 1)})"
    if depth < 3 and pick < 0.45:
        return f"not ({an_expression(chance, depth + 1)})"
    if pick < 0.55:
        return f"active {chance.choice(('eq', 'ne'))} {chance.choice(('true', 'false'))}"
    if pick < 0.65:
        return f"{chance.choice(_TEXTS)} pr"
    if pick < 0.75:
        return f'emails[type eq "work" and value {chance.choice(_OPERATORS)} "{chance.choice(_WORDS)}"]'
    return f'{chance.choice(_TEXTS)} {chance.choice(_OPERATORS)} "{chance.choice(_WORDS)}"'


async def test_sql_agrees_with_the_library_on_any_filter(api: Api, ana: Client) -> None:
    directory = await new_directory(api, ana)
    for user_name, given, family, external, active in _PEOPLE:
        name = {key: value for key, value in (("givenName", given), ("familyName", family)) if value}
        await made(directory, user(user_name, name=name, externalId=external, active=active))
    chance, matched = random.Random(7), 0
    async with api.services.db.tenant(api.services.tokens.check(ana.token).tenant_id) as tx:
        _, everybody = await repository.accounts(tx, None, 0, 100)
        for _ in range(300):
            text = an_expression(chance)
            expected = [one.user.id for one in everybody if ScimFilter[wire.User](text).match(wire.user(one, [], ""))]
            where = filters.condition(wire.User, text, repository.USER_COLUMNS)
            total, found = await repository.accounts(tx, where, 0, 100)
            assert ([one.user.id for one in found], total) == (expected, len(expected)), text
            matched += 0 < len(expected) < len(everybody)
    assert matched > 80, "most of them tell people apart"


@pytest.mark.parametrize(
    "text",
    [
        "userName", "userName eq", 'userName like "x"', 'nothing eq "x"', 'password sw "a"', "active co true",
        'active eq "yes"', 'meta.created gt "soon"', 'meta.created co "20"', "userName eq 7", "((((", 'groups co "x"',
        'urn:x:y:User:userName eq "x"',
    ],
)  # fmt: skip
def test_what_is_no_filter_of_ours_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        filters.condition(wire.User, text, repository.USER_COLUMNS)
    assert refused.value.extra["scimType"] == "invalidFilter"
