"""One run: start the product, let people work, kill, wait until all is done, and compare."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.bootstrap import load_models
from core.settings import configs_dir
from tests.chaos import check, faults
from tests.chaos.faults import Fault
from tests.chaos.load import Load
from tests.chaos.product import Product


@dataclass(frozen=True, slots=True)
class Outcome:
    """`wrong`: each thing that is not as it was promised. `mails_repeated`: copies under an id that had come before,
    which mail readers show once; a crash between a mail's acceptance and its commit makes them."""

    faults: list[Fault]
    changes: int
    calls: int
    notifications: int
    mails: int
    mails_repeated: int
    requests_repeated: int
    wrong: list[str]


async def run(
    transport: str, *, victims: Sequence[str], seed: int, companies: int, tell: Callable[[str], None]
) -> Outcome:  # fmt: skip
    load_models()
    begun = time.monotonic()
    tell(f"seed {seed}: {len(victims)} faults, {companies} companies, transport {transport}")
    with Product(transport) as product:
        tell(f"ready after {time.monotonic() - begun:.0f} s; log: {product.folder / 'up.log'}")
        outcome = await _under_fire(product, victims, seed, companies, tell)
    if not outcome.wrong:
        shutil.rmtree(product.folder, ignore_errors=True)
    for line in _report(outcome):
        tell(line)
    tell(f"{time.monotonic() - begun:.0f} s in all; again with --seed {seed}")
    return outcome


async def _under_fire(
    product: Product, victims: Sequence[str], seed: int, companies: int, tell: Callable[[str], None]
) -> Outcome:  # fmt: skip
    load = Load(product.url, configs_dir() / "demo", companies=companies, seed=seed)
    try:
        await load.begin()
        struck = await faults.strike(product, victims, seed, tell, load.raise_what_broke)
        await load.stop()
        tell("the work is over; what is left is being done")
        people = [person.company for person in load.people]
        await check.settle(product, people)
        while sum([await person.approve() for person in load.people]):
            await check.settle(product, people)
        wrong = await check.check(product, people)
    finally:
        await load.close()
    came = product.mail.came
    return Outcome(
        struck, sum(one.changes() for one in people), sum(len(deal.calls) for one in people for deal in one.deals),
        sum(len(one.heard) for one in people), len(came), came.total() - len(came),
        sum(one.repeated for one in people), wrong,
    )  # fmt: skip


def _report(outcome: Outcome) -> list[str]:
    return [
        *faults.summary(outcome.faults),
        f"{outcome.changes} changes of deals, {outcome.calls} calls, {outcome.notifications} notifications, "
        f"{outcome.mails} mails ({outcome.mails_repeated} came again under the same id); "
        f"{outcome.requests_repeated} requests were sent again",
        *(outcome.wrong or ["nothing lost, nothing twice, everything in order"]),
    ]
