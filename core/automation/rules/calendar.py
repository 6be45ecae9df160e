"""Working days of one company: its country's holidays, its own closed and open days, its time zone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import holidays

from core.kit.errors import FieldProblem

_MORNING = time(9)


@dataclass(slots=True)
class WorkingDays:
    """`country` None: no holidays but its own. `weekend`: 1 is Monday. What is `open` is so even on a holiday."""

    time_zone: str
    country: str | None = None
    subdivision: str | None = None
    weekend: Collection[int] = (6, 7)
    closed: Collection[date] = ()
    open: Collection[date] = ()
    _holidays: holidays.HolidayBase | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        known = self.country is not None
        self._holidays = holidays.country_holidays(str(self.country), self.subdivision) if known else None

    def local(self, at: datetime) -> datetime:
        return at.astimezone(ZoneInfo(self.time_zone))

    def works(self, day: date) -> bool:
        if day in self.open:
            return True
        if day in self.closed or day.isoweekday() in self.weekend:
            return False
        return self._holidays is None or day not in self._holidays

    def after(self, at: datetime, working_days: int) -> datetime:
        """The same time of day, so many working days later."""
        local = self.local(at)
        day = local.date()
        for _ in range(working_days):
            day = self._next(day)
        return datetime.combine(day, local.time(), local.tzinfo).astimezone(UTC)

    def between(self, begin: datetime, end: datetime) -> int:
        """Working days that began since; 0 on the same day."""
        day, last = self.local(begin).date(), self.local(end).date()
        count = 0
        while day < last:
            day += timedelta(days=1)
            count += self.works(day)
        return count

    def at(self, day: date, time_of_day: time) -> datetime:
        """That time of a day here, as UTC."""
        return datetime.combine(day, time_of_day, ZoneInfo(self.time_zone)).astimezone(UTC)

    def next_at(self, after: datetime, hour: int) -> datetime:
        """The first such hour of a working day after a moment."""
        day = self.local(after).date()
        if self.works(day) and (at := self.at(day, time(hour))) > after:
            return at
        return self.at(self._next(day), time(hour))

    def morning_in(self, at: datetime, working_days: int) -> datetime:
        """Nine o'clock so many working days later."""
        local = self.local(self.after(at, working_days))
        return datetime.combine(local.date(), _MORNING, local.tzinfo).astimezone(UTC)

    def _next(self, day: date) -> date:
        # A company that never works is one whose calendar is wrong: after a year any day will do.
        for _ in range(366):
            day += timedelta(days=1)
            if self.works(day):
                break
        return day


def quiet_until(at: datetime, begin: time, end: time, calendar: WorkingDays) -> datetime | None:
    """When the quiet hours end in which this lies; None outside of them."""
    local = calendar.local(at)
    now = local.time()
    if not (begin <= now < end if begin <= end else now >= begin or now < end):
        return None
    day = local.date() + timedelta(days=now >= end)
    first = datetime.combine(day, end, local.tzinfo)
    until = first.astimezone(UTC)
    # When clocks go back, the same hour comes twice: it may be the second.
    return until if until > at else first.replace(fold=1).astimezone(UTC)


def place_problems(country: str | None, subdivision: str | None) -> list[FieldProblem]:
    """What is wrong with a country and a part of it; empty: their holidays are known."""
    if country is None:
        return [FieldProblem("body.subdivision", "belongs to a country: send `country` too")] if subdivision else []
    known = holidays.list_supported_countries()
    if country not in known:
        return [FieldProblem("body.country", "holidays of this country are not known: send null and list your own")]
    if subdivision is not None and subdivision not in known[country]:
        parts = ", ".join(known[country][:60]) or "-"
        return [FieldProblem("body.subdivision", f"not a part of {country} whose holidays are known: {parts}")]
    return []
