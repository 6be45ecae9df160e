"""docs/asvs.md: what it names exists, and nothing of signing in, sessions, access and tokens is left unmet."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "asvs.md"
NEVER_UNMET = ("6.", "7.", "8.", "9.", "10.")
_FILE = re.compile(r"\b((?:core|cluster|tests|configs|deployments)/[\w/.]+)")
_TEST = re.compile(r"\b(test_\w+)\b(?!\.py)")


def rows() -> dict[str, str]:
    """Id → answer."""
    found = re.findall(r"^\| (\d+\.\d+\.\d+) \|[^|]*\| (.*) \|$", TABLE.read_text(), re.MULTILINE)
    return dict(found)


def named_tests() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def missing(answer: str, tests: set[str]) -> list[str]:
    files = [name.rstrip(".") for name in _FILE.findall(answer)]
    return [name for name in files if not (ROOT / name).exists()] + [
        name for name in _TEST.findall(answer) if name not in tests and not any(f"{name}.py" in file for file in files)
    ]


def test_what_the_table_names_is_there() -> None:
    tests = named_tests()
    assert {id_: gone for id_, answer in rows().items() if (gone := missing(answer, tests))} == {}


def test_a_name_that_is_not_there_is_noticed() -> None:
    assert missing("met: core/kit/nothing.py, tests/core/test_attacks.py::test_nothing", {"test_x"}) == [
        "core/kit/nothing.py", "test_nothing",
    ]  # fmt: skip


def test_every_row_is_answered() -> None:
    answers = rows()
    assert len(answers) > 150
    assert all(answer.startswith(("met", "not met: ", "operator")) for answer in answers.values())


@pytest.mark.parametrize("chapter", NEVER_UNMET)
def test_nothing_of_identity_is_unmet(chapter: str) -> None:
    assert [id_ for id_, answer in rows().items() if id_.startswith(chapter) and not answer.startswith("met")] == []
