"""The product's own source as syntax trees, and how a rule is held against it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ROOMS = ("core", "deployments", "actors", "training", "cluster")
VERSIONS = "core/kit/migrations/versions/"


@dataclass(frozen=True, slots=True)
class Source:
    """One file; `path` is relative to the repository."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a checker found: where, and in which function or class (`Tx.tenant_id`; empty: the module)."""

    line: int
    owner: str
    what: str


Check = Callable[[str], Iterable[Finding]]
"""Source text → where it breaks the rule."""


def sources(*rooms: str) -> list[Source]:
    """The Python files of these rooms; of all five where none is named."""
    paths = sorted(path for room in rooms or ROOMS for path in (REPOSITORY / room).rglob("*.py"))
    return [Source(path.relative_to(REPOSITORY).as_posix(), path.read_text("utf-8")) for path in paths]


def walk(node: ast.AST, owner: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every node below, with the name of the function or class that holds it."""
    for child in ast.iter_child_nodes(node):
        yield owner, child
        inner = owner
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{owner}.{child.name}".lstrip(".")
        yield from walk(child, inner)


def broken(check: Check, among: Iterable[Source], allowed: Mapping[str, str] | None = None) -> list[str]:
    """Lines that name each breach. `allowed`: `path` or `path::owner` → why the rule does not hold there.

    An exception that nothing needs any more is a breach as well.
    """
    unused = dict(allowed or {})
    lines = []
    for source in among:
        for found in check(source.text):
            keys = {source.path, f"{source.path}::{found.owner}"}
            if keys & set(allowed or {}):
                for key in keys:
                    unused.pop(key, None)
            else:
                lines.append(f"{source.path}:{found.line} {found.owner or 'module'}: {found.what}")
    return lines + [f"{key}: an exception that nothing needs" for key in unused]


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or an attribute; the part before a call or an index is left out, as in `.execute`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def imported(node: ast.AST) -> list[str]:
    """The modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module or ""]
    return []
