"""Every column that holds something personal has an eraser."""

from __future__ import annotations

from core import bootstrap
from core.kit.db import Base
from core.privacy.person import Person
from core.privacy.register import MENTIONS, OF_A_DEAL, REGISTER, takes_care_of


def personal() -> list[tuple[str, str]]:
    bootstrap.load_models()
    return [
        (table.name, column.name)
        for table in Base.metadata.sorted_tables
        for column in table.c
        if column.info.get("personal")
    ]


def test_every_personal_column_has_an_eraser() -> None:
    found = personal()
    assert len(found) > 30
    assert [f"{table}.{column}" for table, column in found if not takes_care_of(table, column)] == []


def test_a_column_without_one_is_noticed() -> None:
    assert not takes_care_of("users", "roles")
    assert not takes_care_of("nothing", "email")


def test_what_the_register_names_is_there() -> None:
    bootstrap.load_models()
    tables = Base.metadata.tables
    for holding in REGISTER:
        assert str(holding.rows(holding.of, Person())), holding.table
        assert set(holding.blank) <= set(tables[holding.table].c.keys()), holding.table
    for table, columns in MENTIONS.items():
        assert set(columns.split()) <= set(tables[table].c.keys()), table
    assert all(column in tables[table].c for table, column in OF_A_DEAL.items())
