"""Rules 1, 3, 4 and 5: imports point one way, queries and commits have one door, an import does nothing."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.source import REPOSITORY, ROOMS, Check, Finding, broken, dotted, imported, sources, walk

TOP = {*ROOMS, "configs", "tests", "docs", ".ci"}
HEAVY = ("ray", "torch", "xgboost", "sklearn", "faster_whisper", "ctranslate2", "onnxruntime", "pandas", "mlflow")

STATEMENTS = {"select", "insert", "update", "delete", "text"}
RUNNING = {"execute", "scalars", "scalar"}
OF_A_SESSION = {"add", "add_all", "get", "get_one", "merge", "delete", "flush", "refresh", "stream", "stream_scalars"}
QUERIES_ELSEWHERE = {
    "core/bootstrap.py::Services.check": "asks whether the database answers, and no table",
    "cluster/doctor.py": "asks the server itself for its state and roles, as a person at its console would",
    "cluster/embedded.py": "makes the database in which tables will live",
    "core/live/store.py": "asks Valkey, which has no tables; keys bear the id of a session that was looked up before",
}

PROBE = """
import importlib, json, os, sys, threading
did = []
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
ACTS = {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir", "os.rename", "os.remove"}

def hook(event, args):
    if event == "socket.bind" and args[1] == ("::1", 0):
        return  # urllib3 finds out in this way whether the machine knows IPv6
    if event in ACTS or event == "open" and isinstance(args[2], int) and args[2] & WRITING:
        did.append(f"{event} {args}")

modules = json.loads(sys.argv[1])
sys.addaudithook(hook)
for module in modules:
    importlib.import_module(module)
ray = sys.modules.get("ray")
print(json.dumps({
    "did": did,
    "loaded": sorted(name for name in sys.modules if "." not in name),
    "threads": threading.active_count(),
    "ray_runs": ray is not None and ray.is_initialized(),
}))
"""


def effects(modules: list[str], folder: Path, *also_from: Path) -> dict[str, Any]:
    """What happened in a fresh process that imported these modules and did nothing else; it runs in `folder`."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, *also_from)))}
    command = [sys.executable, "-B", "-c", PROBE, json.dumps(modules)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def names(*rooms: str) -> list[str]:
    """Alembic runs `env` inside of a migration; elsewhere it cannot be imported."""
    return [source.module for source in sources(*rooms) if source.module != "core.kit.migrations.env"]


# ── imports ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def lint_imports(config: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=300, check=False)


def test_imports_point_one_way() -> None:
    done = lint_imports(REPOSITORY / "pyproject.toml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_broken_contract_is_noticed(tmp_path: Path) -> None:
    config = tmp_path / "contracts.toml"
    config.write_text(
        '[tool.importlinter]\nroot_packages = ["core", "cluster"]\n'
        '[[tool.importlinter.contracts]]\nname = "Upside down"\ntype = "layers"\nlayers = ["core", "cluster"]\n'
    )
    done = lint_imports(config)
    assert "Upside down BROKEN" in done.stdout
    assert done.returncode == 1


def test_every_part_of_core_has_its_layer() -> None:
    config = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    [contract] = [c for c in config["tool"]["importlinter"]["contracts"] if c.get("containers") == ["core"]]
    layered = {word.strip(" ()") for layer in contract["layers"] for word in layer.replace("|", ":").split(":")}
    parts = {source.module.split(".")[1] for source in sources("core") if source.module != "core"}
    assert parts <= layered


def names_ray(text: str) -> Iterator[Finding]:
    """Also where a function or a type check hides the import."""
    for owner, node in walk(ast.parse(text)):
        for module in imported(node):
            if module.split(".")[0] in ("ray", "torch"):
                yield Finding(getattr(node, "lineno", 0), owner, f"imports {module}")


def names_torch(text: str) -> Iterator[Finding]:
    return (found for found in names_ray(text) if "torch" in found.what)


def test_core_knows_no_ray_and_serving_no_torch() -> None:
    assert broken(names_ray, sources("core")) == []
    assert broken(names_torch, sources("deployments", "actors")) == []


# ── queries and transactions ─────────────────────────────────────────────────────────────────────────────────────────


def queries(text: str) -> Iterator[Finding]:
    """Statements, their running, and what a session does with rows. The expression of an index is no query."""
    tree = ast.parse(text)
    known = {
        alias.asname or alias.name: alias.name
        for _, node in walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy"
        for alias in node.names
    }
    of_an_index = {
        id(inner)
        for _, node in walk(tree)
        if isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] == "Index"
        for inner in ast.walk(node)
    }
    for owner, node in walk(tree):
        if not isinstance(node, ast.Call) or id(node) in of_an_index:
            continue
        *before, last = dotted(node.func).split(".")
        states = known.get(last) in STATEMENTS if not before else before == ["sa"] and last in STATEMENTS
        runs = bool(before) and (last in RUNNING or (before[-1] in ("session", "_session") and last in OF_A_SESSION))
        if states or runs:
            yield Finding(node.lineno, owner, f"a query by {dotted(node.func)}()")


def commits(text: str) -> Iterator[Finding]:
    for owner, node in walk(ast.parse(text)):
        if isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] in ("commit", "rollback"):
            yield Finding(node.lineno, owner, f"ends a transaction by {dotted(node.func)}()")


def test_queries_live_in_repositories() -> None:
    among = [s for s in sources() if not s.path.startswith("core/kit/") and not s.path.endswith("/repository.py")]
    assert broken(queries, among, QUERIES_ELSEWHERE) == []


def test_only_the_outermost_layer_commits() -> None:
    allowed = {
        "core/kit/db.py::Database._begin": "this is the outermost layer",
        "core/gateways/kafka.py::KafkaSubscription._commit": "tells a broker how far its group is; no transaction",
    }
    assert broken(commits, sources(), allowed) == []


# ── nothing happens on import ────────────────────────────────────────────────────────────────────────────────────────


def test_importing_core_does_nothing_and_loads_nothing_heavy(tmp_path: Path) -> None:
    found = effects(names("core"), tmp_path)
    assert found["did"] == []
    assert [name for name in found["loaded"] if name in HEAVY] == []
    assert found["threads"] == 1


def test_the_application_is_free_of_ray(tmp_path: Path) -> None:
    assert "ray" not in effects(["core.app"], tmp_path)["loaded"]


def test_importing_everything_does_nothing(tmp_path: Path) -> None:
    found = effects(names(), tmp_path)
    assert found["did"] == []
    assert not found["ray_runs"]
    assert "torch" not in found["loaded"]
    assert found["threads"] == 1


def test_an_import_that_does_something_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "hasty.py").write_text(
        "import socket, threading, xgboost\n"
        "open('left', 'w').close()\n"
        "socket.socket().connect_ex(('127.0.0.1', 9))\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    found = effects(["hasty"], tmp_path, tmp_path)
    assert any(act.startswith("open ('left'") for act in found["did"])
    assert any(act.startswith("socket.connect") for act in found["did"])
    assert "xgboost" in found["loaded"]
    assert found["threads"] == 2


# ── the top of the house ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_top_level_has_its_fixed_folders() -> None:
    """As git has them; without git, as they lie there, but for hidden ones and for what a build leaves."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files"], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    if listed.returncode == 0:
        found = {path.split("/")[0] for path in listed.stdout.splitlines() if "/" in path}
    else:
        found = {path.name for path in REPOSITORY.iterdir() if path.is_dir() and path.name[0] != "."}
        found = {name for name in found if name not in ("build", "__pycache__") and not name.endswith(".egg-info")}
    assert found <= TOP


@pytest.mark.parametrize(
    ("check", "sample"),
    [
        (names_ray, "def f():\n    from ray import serve"),
        (names_ray, "if TYPE_CHECKING:\n    import ray.data"),
        (names_torch, "import torch"),
        (queries, "from sqlalchemy import select\nselect(Deal)"),
        (queries, "from sqlalchemy import update as change\nchange(Deal)"),
        (queries, "import sqlalchemy as sa\nsa.text('SELECT 1')"),
        (queries, "async def f(tx):\n    await tx.session.scalars(found)"),
        (queries, "async def f(self):\n    await self._tx.session.get(Deal, id)"),
        (queries, "async def f(tx):\n    (await tx.connection()).execute(found)"),
        (commits, "async def f(tx):\n    await tx.session.commit()"),
        (commits, "connection().rollback()"),
    ],
)
def test_breaches_are_found(check: Check, sample: str) -> None:
    assert list(check(sample))


def test_what_only_looks_like_a_query_is_let_through() -> None:
    assert not list(queries("known.update(names)\nawait objects.delete(key)\nfrom x import text\ntext('hello')"))
    assert not list(queries("from sqlalchemy import Index, text\nIndex('users_email', text('lower(email)'))"))
