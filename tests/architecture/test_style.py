"""Rules 6, 9, 10, 12 and 14: errors, time, units, logs and threads."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
from collections.abc import Iterator

import pytest

from cluster.apps import options
from core.kit import errors
from core.kit.errors import SalesEdgeError
from core.kit.placement import DeploymentPlacement
from tests.architecture.source import ROOMS, Check, Finding, broken, dotted, sources, walk

# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────────

TREE_ELSEWHERE = {
    "core.live.keep.Overtaken",  # a host tells itself
    "core.datascience.training.work.Lost",
    "core.settings.SettingsError",
}  # refuses the start: no request ever sees it
OUTSIDE_OF_THE_TREE = {
    "core/datascience/models/trees.py": "TooDeep tells the scorer to leave a model to its library; nobody else sees it",
    "core/kit/errors.py": "the root itself",
    "core/kit/web.py": "Replayed carries an answer that is stored already; nothing went wrong",
    "core/kit/audio_decoder.py": "Refused stays in the decoder's own process, whose answer is a line of JSON",
}
RAISES_ELSEWHERE = {
    "core/kit/db.py::Tx.tenant_id": "a mistake in our code, which no caller can handle",
    "deployments/flows.py::Flows.check_health": "tells Serve that the replica is ill; any exception does",
}


def drawn(docstring: str) -> dict[str, tuple[str | None, int | None, bool]]:
    """A tree as text → name: (name of its parent, status, retryable)."""
    found: dict[str, tuple[str | None, int | None, bool]] = {}
    above: list[str] = []
    for line in docstring.splitlines():
        match = re.fullmatch(r"((?:[│├└─ ]{4})+)(\w+)(?: +(\d{3})(?: +(.*))?)?", line)
        if match:
            depth = len(match[1]) // 4 - 1
            above[depth:] = [match[2]]
            status = int(match[3]) if match[3] else None
            found[match[2]] = (above[depth - 1] if depth else None, status, "(retryable)" in (match[4] or ""))
    return found


def below(kind: type[SalesEdgeError]) -> Iterator[type[SalesEdgeError]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


def test_the_tree_of_errors_is_the_one_drawn() -> None:
    in_code = {
        kind.__name__: (kind.__bases__[0].__name__, kind.status, kind.retryable)
        for kind in below(SalesEdgeError)
        if kind.__module__ == errors.__name__
    }
    in_words = drawn(errors.__doc__ or "")
    assert in_words.pop("SalesEdgeError") == (None, None, False)
    assert in_words == in_code
    ours = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, BaseException)]
    assert all(issubclass(kind, SalesEdgeError) for kind in ours)


def test_other_errors_of_core_are_named_here() -> None:
    for source in sources("core"):
        if source.module != "core.kit.migrations.env":
            importlib.import_module(source.module)
    elsewhere = {f"{kind.__module__}.{kind.__name__}" for kind in below(SalesEdgeError)}
    elsewhere = {name for name in elsewhere if name.startswith("core.") and not name.startswith("core.kit.errors.")}
    assert elsewhere == TREE_ELSEWHERE


def strange_errors(text: str) -> Iterator[Finding]:
    """Classes that derive straight from one of Python's exceptions."""
    for owner, node in walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                found = getattr(builtins, dotted(base), None)
                if isinstance(found, type) and issubclass(found, BaseException):
                    yield Finding(node.lineno, owner, f"{node.name} stands outside of the tree")


def careless_errors(text: str) -> Iterator[Finding]:
    """An exception that says nothing, and a net that holds back even a cancellation."""
    for owner, node in walk(ast.parse(text)):
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised = dotted(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
            if raised in ("Exception", "BaseException", "RuntimeError"):
                yield Finding(node.lineno, owner, f"raises {raised}")
        if isinstance(node, ast.ExceptHandler):
            everything = node.type is None or "BaseException" in ast.unparse(node.type)
            last = node.body[-1]
            if everything and not (isinstance(last, ast.Raise) and last.exc is None and node.type is not None):
                yield Finding(node.lineno, owner, "catches everything and does not raise it again")


def test_errors_stand_in_the_tree() -> None:
    assert broken(strange_errors, sources("core"), OUTSIDE_OF_THE_TREE) == []


def test_no_careless_errors() -> None:
    assert broken(careless_errors, sources(), RAISES_ELSEWHERE) == []


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

CLOCKS = {
    "core/kit/clock.py::SystemClock.now": "this is the clock",
    "core/kit/events.py::Event": "the moment of a fact that was made without a clock at hand",
    "cluster/demo.py": "the demonstration happens today",
    "cluster/demo_tenant.py": "the demonstration's history ends today",
}


def own_time(text: str) -> Iterator[Finding]:
    """Who asks the machine for the hour or the day. A stopwatch (`time.monotonic`) is no calendar."""
    for owner, node in walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and re.fullmatch(
            r"(.*\.)?(datetime\.(now|utcnow|today)|date\.today|time\.(time|time_ns|localtime|gmtime))", dotted(node)
        ):
            yield Finding(node.lineno, owner, f"asks {dotted(node)} for the time")
        if isinstance(node, ast.ImportFrom) and node.module == "time" and node.names[0].name in ("time", "time_ns"):
            yield Finding(node.lineno, owner, "asks time.time for the time")


def test_time_is_a_port() -> None:
    assert broken(own_time, sources(), CLOCKS) == []


# ── units ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_A_TIME = re.compile(
    r"(^|_)(timeout|duration|delay|interval|period|ttl|backoff|latency|elapsed|seconds?|millis|milliseconds|minutes?)(_|$)"
)
_UNIT_OF_TIME = re.compile(r"_(s|ms|us|ns|min|h|hours|days|weeks|months)$")
_MONEY = re.compile(r"(^|_)(value|price|amount|cost|fee|revenue|budget|salary|mrr|arr)(_|$)")
_A_RATE = re.compile(r"_per_[a-z]+")
_WHOLE = {"int", "PositiveInt", "NonNegativeInt", "Decimal"}
_NUMBER = {*_WHOLE, "float", "PositiveFloat", "NonNegativeFloat"}
AMOUNTS = {
    "core/ports.py::Limits.check": "counted in units of its meter, which need not be money",
    "core/bootstrap.py::NoLimits.check": "counted in units of its meter, which need not be money",
}


def names_money(name: str) -> bool:
    """Is it a name for money that does not say its unit?"""
    return bool(_MONEY.search(name)) and not name.endswith("_cents")


def is_one_of(kind: str, numbers: set[str]) -> bool:
    """Is it a number, also where it may be missing or is a column? A collection of numbers is none."""
    inner = re.sub(r"^(Mapped|Annotated|ClassVar|Final|Optional)\[(.*)\]$", r"\2", kind)
    return bool({part.strip() for part in re.split(r"[|,]", inner)} & numbers) and (inner != kind or "[" not in kind)


def annotated(text: str) -> Iterator[tuple[str, int, str, str]]:
    """Parameters and fields: who holds them, line, name, annotation."""
    for owner, node in walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = f"{owner}.{node.name}".lstrip(".")
            for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                if arg.annotation:
                    yield inside, arg.lineno, arg.arg, ast.unparse(arg.annotation)
        if isinstance(node, ast.AnnAssign):
            yield owner, node.lineno, dotted(node.target).split(".")[-1], ast.unparse(node.annotation)


def times_without_unit(text: str) -> Iterator[Finding]:
    for owner, line, name, kind in annotated(text):
        word = _A_RATE.sub("", name.lower())
        if is_one_of(kind, _NUMBER) and _A_TIME.search(word) and not _UNIT_OF_TIME.search(word):
            yield Finding(line, owner, f"{name}: {kind} does not say in which unit of time it counts")


def money_without_unit(text: str) -> Iterator[Finding]:
    """Whole numbers only: a `value: float` is a model's number."""
    for owner, line, name, kind in annotated(text):
        if is_one_of(kind, _WHOLE) and names_money(name.lower()):
            yield Finding(line, owner, f"{name}: {kind} does not say that it counts cents")


def test_times_say_their_unit() -> None:
    assert broken(times_without_unit, sources()) == []


def test_money_says_its_unit() -> None:
    assert broken(money_without_unit, sources(), AMOUNTS) == []


# ── logs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

CONTENT = {
    "name", "email", "phone", "address", "text", "body", "title", "subject", "content", "transcript", "turns", "words",
    "message", "detail", "password", "token", "secret", "key", "data", "payload", "participants", "user_agent",
}  # fmt: skip


def talkative_logs(text: str) -> Iterator[Finding]:
    """The event of a log line is a fixed word; what it holds besides is ids and numbers."""
    for owner, node in walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of_a_log = dotted(node.func.value).split(".")[-1] in ("log", "_log", "logger")
        if of_a_log and node.func.attr in ("debug", "info", "warning", "error", "exception", "critical"):
            said = sorted(CONTENT & {keyword.arg for keyword in node.keywords if keyword.arg})
            if said:
                yield Finding(node.lineno, owner, f"logs {', '.join(said)}")
            if not (node.args and isinstance(node.args[0], ast.Constant)):
                yield Finding(node.lineno, owner, "logs a sentence that is put together")


def test_logs_carry_ids_and_never_content() -> None:
    assert broken(talkative_logs, sources()) == []


# ── threads ──────────────────────────────────────────────────────────────────────────────────────────────────────────

ONE_THREAD = {
    "WhisperModel": {"cpu_threads": "1", "num_workers": "1"},
    "E5": {"num_threads": "1"},
    "DMatrix": {"nthread": "1"},
}


def many_threads(text: str) -> Iterator[Finding]:
    """Models that would take more than one thread, and pools of more than one."""
    for owner, node in walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func).split(".")[-1]
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        least = [ast.unparse(arg) for arg in node.args][:1]
        one = all(given.get(key) == value for key, value in ONE_THREAD.get(name, {}).items())
        if name == "Booster":
            one = "'nthread': 1" in "".join(least) or "model_str" in given  # LightGBM's is told with every call
        elif name == "ThreadPoolExecutor":
            one = least == ["1"] or given.get("max_workers") == "1"
        elif name == "InferenceSession":
            one = "sess_options" in given
        if not one:
            yield Finding(node.lineno, owner, f"{name} takes more than one thread")


SOMEBODY_WAITS = {
    "core/engines/streaming_batched.py::BatchedWhisper.__init__": "for one answer, while cores are idle: decision 7",
}


def test_a_model_takes_one_thread() -> None:
    assert broken(many_threads, sources("core", "deployments", "actors"), SOMEBODY_WAITS) == []


def test_a_replica_takes_one_thread() -> None:
    env = options(DeploymentPlacement())["ray_actor_options"]["runtime_env"]["env_vars"]
    assert {env[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")} == {"1"}


# ── tidiness ─────────────────────────────────────────────────────────────────────────────────────────────────────────

SPEAK_FOR_THEMSELVES = {
    "core/ports.py::Emotion": "its members are words of everyday",
    "core/ports.py::TextGenerator": "what goes in and what comes out is said on Brief and on Text",
}


def unfinished(text: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b", line):
            yield Finding(number, "", "leaves work for later")


def unexplained(text: str) -> Iterator[Finding]:
    """Public classes and functions without a docstring; a class may leave it to its methods."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name[0] != "_":
            inner = node.body if isinstance(node, ast.ClassDef) else []
            methods = [method for method in inner if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)]
            if not any(ast.get_docstring(described) for described in (node, *methods)):
                yield Finding(node.lineno, node.name, "has no docstring")


def test_nothing_is_left_for_later() -> None:
    assert broken(unfinished, sources(*ROOMS, "tests")) == []


def test_ports_are_explained() -> None:
    [ports] = [source for source in sources("core") if source.path == "core/ports.py"]
    assert broken(unexplained, [ports], SPEAK_FOR_THEMSELVES) == []


# ── the checkers themselves ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("check", "sample"),
    [
        (strange_errors, "class Lost(Exception): ..."),
        (strange_errors, "class Lost(Mixin, ValueError): ..."),
        (careless_errors, "raise RuntimeError('no')"),
        (careless_errors, "raise Exception"),
        (careless_errors, "try:\n    f()\nexcept:\n    raise"),
        (careless_errors, "try:\n    f()\nexcept BaseException:\n    pass"),
        (own_time, "at = datetime.now(UTC)"),
        (own_time, "at = field(default_factory=datetime.datetime.utcnow)"),
        (own_time, "from time import time"),
        (own_time, "date.today()"),
        (times_without_unit, "def f(timeout: float = 1.0): ..."),
        (times_without_unit, "class A:\n    retry_delay: Mapped[int | None]"),
        (money_without_unit, "class A:\n    value: Mapped[int]"),
        (money_without_unit, "def f(*, unit_price: int): ..."),
        (talkative_logs, "log.info('sent', email=user.email)"),
        (talkative_logs, "self._log.info(f'sent to {user}')"),
        (many_threads, "WhisperModel(folder, cpu_threads=4, num_workers=1)"),
        (many_threads, "xgboost.Booster()"),
        (many_threads, "ThreadPoolExecutor()"),
        (many_threads, "onnxruntime.InferenceSession(path)"),
        (unfinished, "x = 1  # TO" + "DO: more"),
        (unexplained, "class Port(Protocol):\n    def f(self): ..."),
    ],
)
def test_breaches_are_found(check: Check, sample: str) -> None:
    assert list(check(sample))


@pytest.mark.parametrize(
    ("check", "sample"),
    [
        (strange_errors, "class Lost(NotFound): ..."),
        (careless_errors, "try:\n    f()\nexcept BaseException:\n    undo()\n    raise"),
        (own_time, "end = time.monotonic() + clock.now().timestamp()"),
        (times_without_unit, "def f(timeout_s: float, delay: timedelta, silence_days: int): ..."),
        (times_without_unit, "class A:\n    words_per_minute: float\n    delays: dict[str, float]"),
        (money_without_unit, "class A:\n    value_cents: int\n    value: float"),
        (talkative_logs, "log.info('sent', user=str(user.id))"),
        (many_threads, "ThreadPoolExecutor(1, thread_name_prefix='stt')"),
    ],
)
def test_what_is_in_order_is_let_through(check: Check, sample: str) -> None:
    assert not list(check(sample))


def test_a_drawn_tree_is_read_as_it_stands() -> None:
    tree = "The tree.\n\n    Root\n    ├── A    400  wrong\n    │   └── B   503  (retryable) asleep\n    └── C  500\n"
    assert drawn(tree) == {
        "Root": (None, None, False), "A": ("Root", 400, False), "B": ("A", 503, True), "C": ("Root", 500, False),
    }  # fmt: skip
