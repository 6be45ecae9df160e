"""A join as of 100,000 moments over 100,000 rows, by event time and by time of knowledge, against pandas.merge_asof,
which knows event time alone. Both get unsorted columns."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from core.datascience.features.asof import Log, Questions, as_of
from tests.bench.harness import line, quantile

ROWS, QUESTIONS, DEALS, TIMES = 100_000, 100_000, 5_000, 15
YEARS_US = 3 * 365 * 86_400_000_000
LATE = 0.02  # were written down an hour to a month after they were so


def run() -> None:
    rng = np.random.default_rng(7)
    event_us = rng.integers(0, YEARS_US, ROWS)
    late_us = np.where(rng.random(ROWS) < LATE, rng.integers(3_600_000_000, 30 * 86_400_000_000, ROWS), 50_000)
    log = Log(rng.integers(0, DEALS, ROWS), event_us, event_us + late_us)
    entity, at_us = rng.integers(0, DEALS, QUESTIONS), rng.integers(0, YEARS_US, QUESTIONS)
    left = pd.DataFrame({"deal": entity, "at": at_us, "asked": np.arange(QUESTIONS)})
    right = pd.DataFrame({"deal": log.entity, "at": log.event_us, "row": np.arange(ROWS)})

    def theirs() -> Any:
        return pd.merge_asof(left.sort_values("at"), right.sort_values("at"), on="at", by="deal")

    known = Questions(entity, at_us, at_us)
    took = _in_turn(
        lambda: as_of(log, known), theirs, lambda: as_of(log, Questions(entity, at_us))
    )  # fmt: skip
    told = theirs().sort_values("asked")["row"].fillna(-1).to_numpy(np.int64)
    assert (as_of(log, Questions(entity, at_us)) == told).all()
    found = as_of(log, known)
    assert (log.known_us[found[found >= 0]] <= at_us[found >= 0]).all()
    line("pit_join", "seconds", took[0], "s", "pandas.merge_asof by event alone", took[1], more_is_better=False)
    line("pit_join", "seconds_by_event", took[2], "s", "pandas.merge_asof", took[1], more_is_better=False)


def _in_turn(*ways: Callable[[], Any]) -> list[float]:
    """The median of each, in turns, so that all meet the same machine."""
    took: list[list[float]] = [[] for _ in ways]
    for _ in range(TIMES):
        for place, way in enumerate(ways):
            begun = time.perf_counter()
            way()
            took[place].append(time.perf_counter() - begun)
    return [quantile(values, 0.5) for values in took]
