"""Rule 2: a file stays under 400 lines and a function under 60."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture.source import ROOMS, VERSIONS, Finding, broken, sources, walk

MOST_LINES_OF_A_FILE = 399
MOST_LINES_OF_A_FUNCTION = 59


def long_file(text: str) -> Iterator[Finding]:
    count = len(text.splitlines())
    if count > MOST_LINES_OF_A_FILE:
        yield Finding(count, "", f"{count} lines in the file")


def long_functions(text: str) -> Iterator[Finding]:
    for owner, node in walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = (node.end_lineno or node.lineno) - node.lineno + 1
            if count > MOST_LINES_OF_A_FUNCTION:
                yield Finding(node.lineno, owner, f"{count} lines in {node.name}")


def test_files_stay_short() -> None:
    assert broken(long_file, sources(*ROOMS, "tests")) == []


def test_functions_stay_short() -> None:
    """A migration says all its steps in one function: it is read once, from top to bottom."""
    among = [source for source in sources(*ROOMS, "tests") if not source.path.startswith(VERSIONS)]
    assert broken(long_functions, among) == []


def test_long_ones_are_found() -> None:
    assert not list(long_file("x = 1\n" * 399))
    assert list(long_file("x = 1\n" * 400))
    assert not list(long_functions("def f():\n" + "    x = 1\n" * 58))
    assert list(long_functions("class A:\n  async def f():\n" + "    x = 1\n" * 59))
