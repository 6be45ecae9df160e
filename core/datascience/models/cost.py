"""What answering with a bundle takes, measured in a process of its own, so that nothing else is in the figure.

    python -m core.datascience.models.cost <bundle>

One thread, one row at a time with its reasons, over rows drawn from the range that the model is valid for. Memory is
what the second copy adds: the libraries are there once, however many models a replica holds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from core.datascience.models.bundle import Bundle, unpack
from core.datascience.models.gate import Cost
from core.datascience.models.scorers import Inputs, Scorer, open_scorer
from core.kit.errors import BadAnswer

if TYPE_CHECKING:
    import numpy as np

ROWS = 200
TIME_LIMIT_S = 120.0
_STEPS = 12
_MIB = 1 << 20


def measure(bundle: bytes) -> Cost:
    """Raises `BadAnswer` for a bundle that cannot be opened, or that answers nothing within the time limit."""
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(bundle)
        file.flush()
        command = [sys.executable, "-m", __name__, file.name]
        # A Ray job finds the project by `sys.path`, which a new process does not inherit.
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False, env=env)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise BadAnswer(f"The model did not answer {ROWS} rows within {TIME_LIMIT_S:g} s.") from None
    if done.returncode:
        raise BadAnswer("The model could not be measured: it does not open. Train it again.")
    told = json.loads(done.stdout.splitlines()[-1])
    return Cost(told["p95_ms"], told["memory_mib"])


def here(raw: bytes) -> Cost:
    """The same in this process."""
    import numpy as np

    bundle = unpack(raw)
    scorer = open_scorer(bundle)
    rows = [_row(bundle, scorer, np.random.default_rng(number)) for number in range(ROWS)]
    _timed(scorer, rows[:20])
    before = _own_bytes()
    second = open_scorer(unpack(raw))
    took = _timed(second, rows)
    grown = max(_own_bytes() - before, second.nbytes)
    return Cost(round(float(np.quantile(took, 0.95)), 3), round(grown / _MIB, 2))


def _timed(scorer: Scorer, rows: list[Inputs]) -> list[float]:
    took = []
    for row in rows:
        begun = time.perf_counter()
        scorer.contributions(row)
        took.append((time.perf_counter() - begun) * 1000)
    return took


def _row(bundle: Bundle, scorer: Scorer, rng: np.random.Generator) -> Inputs:
    import numpy as np

    x = np.array([[rng.uniform(f.low, f.high) for f in bundle.meta.features]], np.float32)
    if not scorer.channels:
        return Inputs(x)
    events = rng.normal(size=(1, _STEPS, scorer.channels)).astype(np.float32)
    return Inputs(x, events, np.array([_STEPS], np.int64))


def _own_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_full_info().uss)


def main(path: str) -> None:
    found = here(Path(path).read_bytes())
    sys.stdout.write(json.dumps({"p95_ms": found.p95_ms, "memory_mib": found.memory_mib}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
