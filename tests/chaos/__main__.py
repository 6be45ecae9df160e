"""`make chaos`: the whole product under work and under fire. Exit status 1 where anything was lost or came twice."""

from __future__ import annotations

import argparse
import asyncio
import functools
import random

from tests.chaos.faults import order
from tests.chaos.run import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=26, help="how many, each victim in turn")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000), help="of a former run")
    parser.add_argument("--companies", type=int, default=4)
    parser.add_argument("--transport", choices=("kafka", "embedded"), default="kafka")
    given = parser.parse_args()
    tell = functools.partial(print, flush=True)
    victims = order(given.seed, given.faults, broker=given.transport == "kafka")
    outcome = asyncio.run(run(given.transport, victims=victims, seed=given.seed, companies=given.companies, tell=tell))
    raise SystemExit(1 if outcome.wrong else 0)


main()
