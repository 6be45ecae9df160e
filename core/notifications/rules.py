"""Pure decisions: when somebody is told by another way than his open page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

KINDS: dict[str, int] = {
    "task_waiting": 10, "task_failed": 2, "task_to_do": 2, "call_ready": 30, "call_failed": 10, "forecast_fell": 10,
    "competitor_named": 10, "health_turned": 30, "drift_found": 30, "rule_matched": 10, "battlecard": 2,
    "announcement": 10, "training_done": 10, "training_refused": 10, "training_failed": 2,
}  # fmt: skip
"""Kind → the minutes in which it may be read before it is sent."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How somebody wants to be told; times are of the tenant's day."""

    muted: frozenset[str] = frozenset()
    ways: tuple[str, ...] = ("email",)
    quiet: tuple[time, time] | None = None
    digest_at: time | None = None


def clock_time(text: str | None) -> time | None:
    return time.fromisoformat(text) if text else None


def send_at(kind: str, now: datetime, wishes: Wishes, time_zone: str) -> datetime:
    """When what was not read by then is sent: after some minutes, never in the quiet hours, or with the digest."""
    zone = ZoneInfo(time_zone)
    if wishes.digest_at is not None:
        return _next(now.astimezone(zone), wishes.digest_at)
    due = (now + timedelta(minutes=KINDS[kind])).astimezone(zone)
    if wishes.quiet is not None and _within(due.time(), *wishes.quiet):
        return _next(due, wishes.quiet[1])
    return due.astimezone(UTC)


def worth_sending(kinds: Sequence[str], wishes: Wishes) -> bool:
    return bool(wishes.ways) and any(kind not in wishes.muted for kind in kinds)


def _within(at: time, begin: time, end: time) -> bool:
    return begin <= at < end if begin <= end else at >= begin or at < end


def _next(local: datetime, at: time) -> datetime:
    """The next moment of the local day at which the clock shows `at`."""
    day = local.date() + timedelta(days=local.time() >= at)
    return datetime.combine(day, at, local.tzinfo).astimezone(UTC)
