from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from hypothesis import given, settings
from hypothesis import strategies as some

from core.automation.rules.calendar import WorkingDays, place_problems, quiet_until

MOMENTS = some.datetimes(datetime(2020, 1, 1), datetime(2032, 1, 1), timezones=some.just(UTC))
ZONES = some.sampled_from(["America/Sao_Paulo", "Europe/Lisbon", "America/New_York", "Asia/Tokyo", "UTC"])


def test_holidays_of_country_and_state_and_own_days() -> None:
    days = WorkingDays("America/Sao_Paulo", "BR", "SP", closed={date(2026, 12, 24)}, open={date(2026, 12, 26)})
    works = {day: days.works(date(2026, 12, day)) for day in (23, 24, 25, 26, 27, 28)}
    assert works == {23: True, 24: False, 25: False, 26: True, 27: False, 28: True}
    assert not days.works(date(2026, 7, 9))  # the state's own
    assert WorkingDays("America/Sao_Paulo", "BR").works(date(2026, 7, 9))


def test_working_days_over_christmas() -> None:
    days = WorkingDays("America/Sao_Paulo", "BR")
    at = datetime(2026, 12, 23, 15, 0, tzinfo=UTC)  # Wednesday noon
    assert days.after(at, 2) == datetime(2026, 12, 28, 15, 0, tzinfo=UTC)
    assert days.morning_in(at, 1) == datetime(2026, 12, 24, 12, 0, tzinfo=UTC)


def test_the_first_such_hour_of_a_working_day() -> None:
    days = WorkingDays("America/Sao_Paulo", "BR", closed={date(2026, 11, 30)})
    tuesday = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)  # 11:00 there
    assert days.next_at(tuesday, 14) == datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
    assert days.next_at(tuesday, 11) == datetime(2026, 11, 25, 14, 0, tzinfo=UTC), "an hour that has just begun is over"
    friday = datetime(2026, 11, 27, 22, 0, tzinfo=UTC)
    assert days.next_at(friday, 9) == datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


@given(MOMENTS, ZONES, some.integers(0, 23))
def test_such_an_hour_is_of_a_working_day_and_comes_soon(after: datetime, zone: str, hour: int) -> None:
    days = WorkingDays(zone)
    at = days.next_at(after, hour)
    assert days.works(days.local(at).date())
    assert timedelta(0) < at - after <= timedelta(days=3, hours=2)


def test_a_company_that_never_works_is_no_endless_loop() -> None:
    never = WorkingDays("UTC", weekend=(1, 2, 3, 4, 5, 6, 7))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert never.after(at, 1) == at + timedelta(days=366)


def test_unknown_places_are_told() -> None:
    assert [one.field for one in place_problems("XX", None)] == ["body.country"]
    assert [one.field for one in place_problems("BR", "ZZ")] == ["body.subdivision"]
    assert [one.field for one in place_problems(None, "SP")] == ["body.subdivision"]
    assert place_problems("BR", "SP") == []


@settings(max_examples=50, deadline=None)
@given(at=MOMENTS, count=some.integers(1, 30), zone=ZONES)
def test_so_many_working_days_lie_between(at: datetime, count: int, zone: str) -> None:
    days = WorkingDays(zone, "BR")
    due = days.after(at, count)
    assert days.works(days.local(due).date())
    assert days.between(at, due) == count
    assert days.after(at, count + 1) > due


@settings(max_examples=50, deadline=None)
@given(at=MOMENTS, begin=some.times(), end=some.times(), zone=ZONES)
def test_quiet_hours_end(at: datetime, begin: time, end: time, zone: str) -> None:
    days = WorkingDays(zone)
    until = quiet_until(at, begin, end, days)
    if until is not None:
        assert at < until <= at + timedelta(hours=26)
    elif begin != end:
        local = days.local(at).time()
        assert not begin <= local < end


def test_quiet_hours_end_although_the_clock_went_back() -> None:
    days = WorkingDays("America/New_York")
    second_half_past_one = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    ends = quiet_until(second_half_past_one, time(1, 0), time(1, 45), days)
    assert ends == datetime(2026, 11, 1, 6, 45, tzinfo=UTC)
