"""What the sums say of a pipeline on a day. Pure, and as long as there are different marks, not deals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from core.deals.rules import OPEN_STAGES
from core.pipeline_health.survival import Ends, ends

STALLED_AFTER_DAYS = 14
AGES = (30, 60, 90, 180)
"""Where one bracket of ages ends, in days; the last has no end."""


class Cell(NamedTuple):
    """Sums of one group of deals under one mark, as `marks.Mark` and `marks.Sums` say it."""

    stage: str
    kind: str
    day: date
    length_days: int
    deals: int
    cents: int
    days: int


@dataclass(frozen=True, slots=True)
class Window:
    """Months in a row, from the first day of the first to the first day after the last."""

    begin: date
    end: date

    def holds(self, day: date) -> bool:
        return self.begin <= day < self.end


@dataclass(frozen=True, slots=True)
class Asked:
    """`learnt`: what ended then is what rates, velocity and usual times are of. `target`: which months the target is
    for, and how much it is (None: nobody set one)."""

    today: date
    learnt: Window
    target: Window
    target_cents: int | None = None
    stalled_after_days: int = STALLED_AFTER_DAYS


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the open deals. `share`: of their value; of their number where they have none."""

    deals: int
    cents: int
    share: float


@dataclass(frozen=True, slots=True)
class StageHealth:
    """`waited_days`: mean, of the open ones. `usual_days`: in which half of all leave it. `overtime`: cents × days that
    its deals have waited beyond the usual."""

    stage: str
    open: Part
    stalled: Part
    waited_days: float | None
    usual_days: int | None
    overtime: int
    ends: Ends | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of a target: what was `won`, what is `due` in its months, and how often that covers what is still missing; None
    without a target, and where it is met."""

    won_cents: int
    due_cents: int
    target_cents: int | None
    times: float | None


@dataclass(frozen=True, slots=True)
class Health:
    """`share` of each part is of the open deals. `velocity_cents`: what the open deals bring a day, at the win rate,
    value and length of those that closed."""

    open_deals: int
    open_cents: int
    stalled: Part
    overdue: Part
    pushed: Part
    pushed_days: float | None
    age_days: float | None
    ages: tuple[Part, ...]
    won_deals: int
    lost_deals: int
    win_rate: float | None
    cycle_days: float | None
    velocity_cents: float | None
    stages: tuple[StageHealth, ...]
    bottleneck: str | None
    coverage: Coverage


def measure(cells: Sequence[Cell], asked: Asked) -> Health:
    by_kind: defaultdict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        by_kind[cell.kind].append(cell)
    deals, cents = _summed(by_kind["waiting"])
    age_days = _mean_age(by_kind["opened"], asked.today)
    stages = tuple(_stages(by_kind, asked, (deals, cents)))
    won = [cell for cell in by_kind["won"] if asked.learnt.holds(cell.day)]
    lost = [cell for cell in by_kind["lost"] if asked.learnt.holds(cell.day)]
    won_deals, lost_deals = _summed(won)[0], _summed(lost)[0]
    win_rate = won_deals / (won_deals + lost_deals) if won_deals + lost_deals else None
    cycle_days = sum(cell.days for cell in won) / won_deals if won_deals else None
    pushed = _part(by_kind["pushed"], (deals, cents))
    return Health(
        open_deals=deals, open_cents=cents, stalled=_stalled(by_kind["touched"], asked, (deals, cents)),
        overdue=_part([cell for cell in by_kind["due"] if cell.day < asked.today], (deals, cents)), pushed=pushed,
        pushed_days=sum(cell.days for cell in by_kind["pushed"]) / pushed.deals if pushed.deals else None,
        age_days=age_days, ages=_ages(by_kind["opened"], asked.today, (deals, cents)), won_deals=won_deals,
        lost_deals=lost_deals, win_rate=win_rate, cycle_days=cycle_days,
        velocity_cents=_velocity(deals, win_rate, _summed(won)[1], won_deals, cycle_days), stages=stages,
        bottleneck=_bottleneck(stages), coverage=_coverage(by_kind, asked),
    )  # fmt: skip


def _summed(cells: Iterable[Cell]) -> tuple[int, int]:
    found = [(cell.deals, cell.cents) for cell in cells]
    return sum(deals for deals, _ in found), sum(cents for _, cents in found)


def _part(cells: Iterable[Cell], whole: tuple[int, int]) -> Part:
    deals, cents = _summed(cells)
    return Part(deals, cents, cents / whole[1] if whole[1] else deals / whole[0] if whole[0] else 0.0)


def _stalled(touched: Iterable[Cell], asked: Asked, whole: tuple[int, int]) -> Part:
    return _part([cell for cell in touched if (asked.today - cell.day).days > asked.stalled_after_days], whole)


def _mean_age(cells: Sequence[Cell], today: date) -> float | None:
    deals = sum(cell.deals for cell in cells)
    return sum(cell.deals * max(0, (today - cell.day).days) for cell in cells) / deals if deals else None


def _ages(opened: Sequence[Cell], today: date, whole: tuple[int, int]) -> tuple[Part, ...]:
    brackets: list[list[Cell]] = [[] for _ in range(len(AGES) + 1)]
    for cell in opened:
        age_days = (today - cell.day).days
        brackets[sum(age_days > end for end in AGES)].append(cell)
    return tuple(_part(bracket, whole) for bracket in brackets)


def _velocity(
    open_deals: int, win_rate: float | None, won_cents: int, won_deals: int, cycle_days: float | None
) -> float | None:
    if win_rate is None or cycle_days is None:
        return None
    return open_deals * win_rate * won_cents / won_deals / max(1.0, cycle_days)


def _stages(by_kind: dict[str, list[Cell]], asked: Asked, whole: tuple[int, int]) -> Iterable[StageHealth]:
    for stage in OPEN_STAGES:
        waiting = [cell for cell in by_kind["waiting"] if cell.stage == stage]
        touched = [cell for cell in by_kind["touched"] if cell.stage == stage]
        over: Counter[tuple[str, int]] = Counter()
        for kind in ("ahead", "behind", "back"):
            for cell in by_kind[kind]:
                if cell.stage == stage and asked.learnt.holds(cell.day):
                    over[(kind, cell.length_days)] += cell.deals
        lasting: Counter[int] = Counter()
        for cell in waiting:
            if asked.learnt.holds(cell.day):
                lasting[max(0, (asked.today - cell.day).days)] += cell.deals
        found = ends(over, lasting)
        here = _part(waiting, whole)
        usual_days = found.median_days if found else None
        yield StageHealth(
            stage=stage, open=here, stalled=_stalled(touched, asked, (here.deals, here.cents)),
            waited_days=_mean_age(waiting, asked.today), usual_days=usual_days,
            overtime=_overtime(waiting, usual_days, asked.today), ends=found,
        )  # fmt: skip


def _overtime(waiting: Iterable[Cell], usual_days: int | None, today: date) -> int:
    if usual_days is None:
        return 0
    return sum(cell.cents * max(0, (today - cell.day).days - usual_days) for cell in waiting)


def _bottleneck(stages: Sequence[StageHealth]) -> str | None:
    """Where most value has waited longest beyond what is usual there; None where nothing has."""
    worst = max(stages, key=lambda stage: stage.overtime)
    return worst.stage if worst.overtime else None


def _coverage(by_kind: dict[str, list[Cell]], asked: Asked) -> Coverage:
    """What was to close before today and is open still counts where the target's months have today in them."""
    won_cents = _summed(cell for cell in by_kind["won"] if asked.target.holds(cell.day))[1]
    now = asked.target.holds(asked.today)
    due_cents = _summed(
        cell for cell in by_kind["due"] if asked.target.holds(cell.day) or (now and cell.day < asked.target.begin)
    )[1]
    missing = None if asked.target_cents is None else asked.target_cents - won_cents
    times = due_cents / missing if missing is not None and missing > 0 else None
    return Coverage(won_cents, due_cents, asked.target_cents, times)
