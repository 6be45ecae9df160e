"""Look at a tenant's health: put down how each group stands today, and tell who answers for it what has turned."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.kit.db import Tx
from core.kit.events import Event, EventType
from core.notifications.notify import Notice, notify
from core.pipeline_health import repository, words
from core.pipeline_health.measure import Asked, Health, Window, measure
from core.pipeline_health.repository import Dimension, Only
from core.pipeline_health.turns import Turn, levels, turns
from core.tenants import repository as tenants

TIMER = "health.look"
DIMENSIONS: tuple[Dimension, ...] = ("all", "seller", "team", "segment", "region", "stage")
TOLD_OF: tuple[Dimension, ...] = ("all", "team")
LEARNT_MONTHS = 12
_BEFORE = timedelta(days=28)
_AT_NIGHT = time(0, 10)

Group = tuple[str, str]  # key, currency


def next_look(now: datetime, zone: ZoneInfo) -> datetime:
    """Shortly after the tenant's next midnight: what depends on the day has changed then."""
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, _AT_NIGHT, zone).astimezone(UTC)


def months_back(today: date, count: int) -> Window:
    """So many months, this one the last of them."""
    return Window(plus_months(today, 1 - count), plus_months(today, 1))


def quarter(today: date) -> Window:
    first = today.replace(month=3 * ((today.month - 1) // 3) + 1, day=1)
    return Window(first, plus_months(first, 3))


def plus_months(day: date, count: int) -> date:
    """The first day of the month so many months later."""
    number = day.year * 12 + day.month - 1 + count
    return date(number // 12, number % 12 + 1, 1)


def figures(found: Health) -> dict[str, Any]:
    """What is put down of a group."""
    return {
        "open_deals": found.open_deals, "open_cents": found.open_cents, "stalled_share": found.stalled.share,
        "overdue_share": found.overdue.share, "pushed_share": found.pushed.share, "pushed_days": found.pushed_days,
        "age_days": found.age_days, "win_rate": found.win_rate, "cycle_days": found.cycle_days,
        "velocity_cents": found.velocity_cents, "coverage": found.coverage.times,
        "target_cents": found.coverage.target_cents, "won_cents": found.coverage.won_cents,
        "due_cents": found.coverage.due_cents, "bottleneck": found.bottleneck,
        "conversion": {stage.stage: stage.ends.ahead if stage.ends else None for stage in found.stages},
    }  # fmt: skip


async def targets_of(tx: Tx, by: str, window: Window) -> dict[Group, int]:
    found: dict[Group, int] = {}
    for row in await repository.targets(tx, window.begin, window.end, dimension=by):
        found[(row.key, row.currency)] = found.get((row.key, row.currency), 0) + row.value_cents
    return found


async def look(tx: Tx, zone: ZoneInfo, told: Mapping[str, str]) -> dict[str, str]:
    """`told`: the levels until now, by group and figure. Returns those that hold from now on."""
    now = tx.clock.now()
    today = now.astimezone(zone).date()
    learnt, target = months_back(today, LEARNT_MONTHS), quarter(today)
    new: dict[str, str] = {}
    for by in DIMENSIONS:
        wanted = await targets_of(tx, by, target)
        stand = {
            group: figures(measure(cells, Asked(today, learnt, target, wanted.get(group))))
            for group, cells in (await repository.groups(tx, by, Only(), learnt.begin)).items()
        }
        await repository.put_points(
            tx,
            [
                {"on": today, "dimension": by, "key": key, "currency": currency, "figures": one, "at": now}
                for (key, currency), one in stand.items()
            ],
        )
        if by in TOLD_OF:
            new |= await _tell(tx, by, stand, today, told)
    if new != dict(told):
        await repository.set_levels(tx, new)
    return new


async def _tell(
    tx: Tx, by: Dimension, stand: Mapping[Group, dict[str, Any]], today: date, told: Mapping[str, str]
) -> dict[str, str]:
    earlier = {
        (point.key, point.currency): point.figures
        for point in await repository.points(tx, by, today - _BEFORE, today - _BEFORE)
    }
    new: dict[str, str] = {}
    for group, one in stand.items():
        place = f"{by}:{group[0]}:{group[1]}:"
        was = {name.removeprefix(place): level for name, level in told.items() if name.startswith(place)}
        found = {**was, **levels(one, earlier.get(group), was)}
        new |= {place + figure: level for figure, level in found.items()}
        for turn in turns(one, was, found):
            await _notify(tx, by, group[0], place, turn, today)
            data = {
                "dimension": by, "key": group[0], "currency": group[1], "figure": turn.figure, "level": turn.level,
                "value": turn.value,
            }  # fmt: skip
            await tx.emit(Event(EventType.HEALTH_TURNED, tx.tenant_id, tx.tenant_id, data, at=tx.clock.now()))
    return new


async def _notify(tx: Tx, by: Dimension, key: str, place: str, turn: Turn, today: date) -> None:
    language = (await tenants.tenant(tx)).locale[:2]
    said = words.turned(words.name(by, key, {}, language), turn, language)
    unique = hashlib.blake2b(f"{place}{turn.figure}:{turn.level}:{today}".encode(), digest_size=16).hexdigest()
    people = await repository.who_leads(tx, key if by == "team" else None)
    await notify(tx, Notice("health_turned", tx.tenant_id, f"health:{unique}", text=said), people)
