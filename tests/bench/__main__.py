"""`python -m tests.bench [name …]`"""

from __future__ import annotations

import importlib
import os
import sys

NAMES = (
    "events",
    "events_kafka",
    "predict_engine",
    "predict_http",
    "batch_score",
    "multiplex",
    "train",
    "forecast_quality",
    "open_deals",
    "stt",
    "suggest",
    "api_get",
    "start",
    "login",
    "token",
    "rls",
    "features",
    "pit_join",
    "notify",
    "agents",
    "health",
    "live",
    "live_load",
)


def main() -> None:
    # As replicas have it: the threads of matrix products would spin on the other core.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    os.environ["OMP_WAIT_POLICY"] = "passive"
    wanted = sys.argv[1:] or NAMES
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        raise SystemExit(f"There is no benchmark {', '.join(unknown)}. There are {', '.join(NAMES)}.")
    for name in wanted:
        importlib.import_module(f"tests.bench.{name}").run()


if __name__ == "__main__":
    main()
