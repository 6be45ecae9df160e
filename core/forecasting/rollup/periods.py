"""Months as the tenant counts them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

MOST_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Period:
    """Whole months in a row, in the tenant's zone; `first` is the first day of the first."""

    first: date
    months: int
    zone: ZoneInfo

    @property
    def starts(self) -> list[date]:
        """The first day of each month, and of the one after."""
        return [add_months(self.first, number) for number in range(self.months + 1)]

    @property
    def begin(self) -> datetime:
        return moment(self.first, self.zone)

    @property
    def end(self) -> datetime:
        return moment(self.starts[-1], self.zone)

    def place(self, at: datetime) -> int | None:
        """Which month a moment falls into; None outside."""
        day = at.astimezone(self.zone).date()
        number = (day.year - self.first.year) * 12 + day.month - self.first.month
        return number if 0 <= number < self.months else None


def add_months(month: date, count: int) -> date:
    number = month.year * 12 + month.month - 1 + count
    return date(number // 12, number % 12 + 1, 1)


def month_of(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date().replace(day=1)


def moment(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins there, as UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def named(month: date) -> str:
    return f"{month:%Y-%m}"


def parsed(month: str) -> date:
    """Of a `2026-11` that was checked already."""
    return date(int(month[:4]), int(month[5:]), 1)
