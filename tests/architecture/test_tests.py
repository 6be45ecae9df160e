"""Rule 8 and what follows from it: tests patch nothing of ours, are never passed over, and do not wait."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.source import Check, Finding, broken, dotted, imported, sources, walk

PATCHES = {"tests/core/kit/test_audio.py::nothing_left_behind": "says to the standard library where temporary files go"}
SLEEPS = {
    **dict.fromkeys(
        ("tests/bench/live_audio.py", "tests/bench/live_load.py", "tests/bench/live_peer.py"),
        "plays sound as it is spoken",
    ),
    "tests/e2e/house.py": "asks a running cluster over HTTP until it is there: its time is nobody's to move",
    **dict.fromkeys(
        (f"tests/chaos/{name}.py" for name in ("check", "faults", "load", "product")),
        "people at work on a real cluster, whose processes come back when they do",
    ),
    "tests/cluster/test_embedded.py::eventually": "waits for a PostgreSQL that was killed",
    "tests/core/kit/test_relay.py::_emit_stubbornly": "waits for a PostgreSQL whose connections were cut",
}


def patches(text: str) -> Iterator[Finding]:
    for owner, node in walk(ast.parse(text)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Attribute) and dotted(node) in (
            "monkeypatch.setattr", "monkeypatch.delattr", "monkeypatch.setitem", "pytest.MonkeyPatch.context",
        ):  # fmt: skip
            yield Finding(line, owner, f"patches by {dotted(node)}")
        if any(module.split(".")[0] in ("unittest", "mock") for module in imported(node)):
            yield Finding(line, owner, "imports a mocking library")
        if isinstance(node, ast.arg) and node.arg in ("mocker", "mock"):
            yield Finding(line, owner, f"takes {node.arg}")


def skips(text: str) -> Iterator[Finding]:
    for owner, node in walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and re.fullmatch(
            r"pytest\.(mark\.)?(skip|skipif|xfail|importorskip)", dotted(node)
        ):
            yield Finding(node.lineno, owner, f"passes over a test by {dotted(node)}")


def sleeps(text: str) -> Iterator[Finding]:
    """`sleep(0)` gives way to others and takes no time."""
    for owner, node in walk(ast.parse(text)):
        if isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] == "sleep":
            nothing = len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
            if not nothing:
                yield Finding(node.lineno, owner, "lets real time pass")


def test_tests_patch_nothing_of_ours() -> None:
    assert broken(patches, sources("tests"), PATCHES) == []


def test_tests_are_never_passed_over() -> None:
    assert broken(skips, sources("tests")) == []


def test_tests_do_not_wait() -> None:
    assert broken(sleeps, sources("tests"), SLEEPS) == []


@pytest.mark.parametrize(
    ("check", "sample"),
    [
        (patches, "def test(monkeypatch):\n    monkeypatch.setattr(calls, 'upload', None)"),
        (patches, "from unittest.mock import patch"),
        (patches, "def test(mocker): ..."),
        (skips, "@pytest.mark.skipif(True, reason='')\ndef test(): ..."),
        (skips, "def test():\n    pytest.skip('not today')"),
        (sleeps, "time.sleep(0.1)"),
        (sleeps, "async def f():\n    await asyncio.sleep(wait_s)"),
    ],
)
def test_breaches_are_found(check: Check, sample: str) -> None:
    assert list(check(sample))


@pytest.mark.parametrize(
    ("check", "sample"),
    [
        (patches, "def test(monkeypatch):\n    monkeypatch.setenv('A', 'b')"),
        (sleeps, "async def f():\n    await asyncio.sleep(0)"),
    ],
)
def test_what_is_in_order_is_let_through(check: Check, sample: str) -> None:
    assert not list(check(sample))
