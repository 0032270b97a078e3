"""Default periods begin with the first day with data, and end where coverage is high enough."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging_assets.dashboard.pages.period import select_period
from charging_assets.dashboard.request import DAYS, MOST_DAYS, Feed, PageRequest, utc

ZONE = "Europe/Berlin"
ONE_DAY = timedelta(days=1)
SPRING = datetime(2026, 3, 29)  # a day of 23 hours


def day(number: int) -> datetime:
    return datetime(2026, 1, 12) + timedelta(days=number)


def make_request(first_day: datetime, newest: datetime, **query: str) -> PageRequest:
    """A page of a feed whose data begins on a local day and ends at a local time."""
    newest_at = utc(newest, ZONE)
    feed = Feed("test", ZONE, 600, utc(first_day, ZONE), newest_at)
    return PageRequest("/city", query, "en", ["test"], feed, newest_at, draws=False)


def days(page: PageRequest, default: int = DAYS, **how: object) -> tuple[datetime, datetime]:
    period = select_period(page, default, **how)  # type: ignore[arg-type]
    return period.first, period.last


def test_default__after_two_days_is_these_days_and_not_thirty() -> None:
    # Two days of UTC are an hour of a third local day, by which coverage would be 0.67.
    demo = make_request(day(0), day(2) + timedelta(minutes=50))
    assert days(demo) == (day(0), day(1))
    assert days(demo, 7) == (day(0), day(1))
    assert days(demo, whole=False) == (day(0), day(2))


@pytest.mark.parametrize(
    ("first", "newest", "expected"),
    [
        (day(0), day(0) + timedelta(minutes=10), (day(0), day(0))),
        (day(0), day(1) + timedelta(hours=14, minutes=10), (day(0), day(0))),
        (day(0), day(1) + timedelta(hours=14, minutes=20), (day(0), day(1))),
        (day(0), day(4), (day(0), day(4))),  # four whole days of five are enough
        (day(0), day(29), (day(0), day(29))),
        (day(0), day(30), (day(1), day(30))),
        (SPRING, SPRING + timedelta(hours=5), (SPRING, SPRING)),
    ],
)
def test_default__by_how_much_there_is(
    first: datetime, newest: datetime, expected: tuple[datetime, datetime]
) -> None:
    assert days(make_request(first, newest)) == expected


def test_default__city_added_later_begins_with_its_first_day() -> None:
    page = make_request(day(0), day(20) + timedelta(hours=20))
    assert days(page, first_at=utc(day(18) + timedelta(hours=9), ZONE)) == (day(18), day(20))
    assert days(page, first_at=utc(day(-40), ZONE)) == (day(0), day(20))
    assert days(page, first_at=None) == (day(0), day(20))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"from": "2025-12-20", "to": "2026-01-12"}, (datetime(2025, 12, 20), day(0))),
        ({"from": "2025-12-20"}, (datetime(2025, 12, 20), day(2))),
        ({"to": "2026-01-13"}, (day(0), day(1))),
        ({"to": "2026-01-14"}, (day(0), day(2))),
        ({"to": "2026-01-05"}, (datetime(2025, 12, 7), datetime(2026, 1, 5))),
    ],
)
def test_explicit__stays_as_it_is_given(
    query: dict[str, str], expected: tuple[datetime, datetime]
) -> None:
    assert days(make_request(day(0), day(2) + timedelta(minutes=50), **query)) == expected


def test_faults__are_reported_once_when_the_period_is_read_twice() -> None:
    page = make_request(day(0), day(2), **{"from": "yesterday", "to": "2026-13-01"})
    for _ in range(2):
        select_period(page)
    assert len(page.faults) == 2


@given(
    first=st.integers(-400, 0),
    length=st.integers(0, 400),
    minutes=st.integers(0, 23 * 6 + 5).map(lambda n: 10 * n),
    default=st.sampled_from([7, DAYS]),
    later=st.none() | st.integers(-10, 400),
    query=st.fixed_dictionaries(
        {}, optional={name: st.integers(-500, 100) for name in ("from", "to")}
    ),
)
def test_period__has_data_at_both_ends_unless_it_is_given(
    first: int,
    length: int,
    minutes: int,
    default: int,
    later: int | None,
    query: dict[str, int],
) -> None:
    newest = day(first + length)
    given = {name: f"{day(number):%Y-%m-%d}" for name, number in query.items()}
    page = make_request(day(first), newest + timedelta(minutes=minutes), **given)
    first_at = None if later is None else utc(min(day(first + later), newest), ZONE)
    period = select_period(page, default, first_at)
    assert period.first <= period.last
    assert period.day_count <= MOST_DAYS
    if not given:
        assert day(first) <= period.first
        assert period.last in (newest, newest - ONE_DAY)
        assert period.day_count <= default
        assert first_at is None or period.start + ONE_DAY > first_at
        if period.last < newest:  # the day that is left out is one by which figures would go
            assert minutes < 24 * 60 * 0.8
            assert period.day_count < 5
    elif len(given) == 2 and abs(query["from"] - query["to"]) < MOST_DAYS:
        assert sorted(given.values()) == [f"{period.first:%Y-%m-%d}", f"{period.last:%Y-%m-%d}"]
