"""UTC hours, their windows and slots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging_assets.hours import (
    FIRST_HOUR,
    ONE_HOUR,
    Hour,
    format_spans,
    hourly_partitions,
    hours_between,
    slot_of,
)

BERLIN = ZoneInfo("Europe/Berlin")
TEN_MINUTES = timedelta(minutes=10)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_hour__is_half_open() -> None:
    hour = Hour.parse("2022-01-11T20")
    assert hour.start in hour
    assert hour.end - timedelta(microseconds=1) in hour
    assert hour.end not in hour
    assert hour.start - timedelta(microseconds=1) not in hour


def test_hour__contains_an_instant_of_any_zone() -> None:
    assert at("2022-01-11T21:30:00+01:00") in Hour.parse("2022-01-11T20")
    assert at("2022-01-11T20:30:00+01:00") not in Hour.parse("2022-01-11T20")


@pytest.mark.parametrize(
    "start",
    [
        datetime(2022, 1, 11, 20),
        datetime(2022, 1, 11, 20, tzinfo=timezone(timedelta(hours=1))),
        datetime(2022, 1, 11, 20, 0, 0, 1, tzinfo=UTC),
        datetime(2022, 1, 11, 20, 10, tzinfo=UTC),
    ],
)
def test_hour__that_is_not_a_utc_hour_is_refused(start: datetime) -> None:
    with pytest.raises(ValueError, match="an hour must start"):
        Hour(start)


@pytest.mark.parametrize(
    "key", ["", "2022-01-11", "2022-01-11T24", "2022-01-11 20", "T", "2022-02-30T01"]
)
def test_parse__of_what_is_no_hour_names_the_form(key: str) -> None:
    with pytest.raises(ValueError, match="YYYY-MM-DDTHH"):
        Hour.parse(key)


@pytest.mark.parametrize("key", ["2022-1-11T20", "2022-01-11T5", "22-01-11T20"])
def test_parse__takes_no_second_spelling_of_an_hour(key: str) -> None:
    with pytest.raises(ValueError, match="YYYY-MM-DDTHH"):
        Hour.parse(key)


@given(st.datetimes(datetime(2021, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)))
def test_parse__gives_back_the_hour_of_a_key(instant: datetime) -> None:
    hour = Hour.of(instant)
    assert instant in hour
    assert Hour.parse(hour.key) == hour


def test_hours_between__covers_both_ends_and_crosses_a_change_of_clocks() -> None:
    first = Hour.of(datetime(2021, 10, 31, 0, tzinfo=BERLIN))
    last = Hour.of(datetime(2021, 10, 31, 23, tzinfo=BERLIN))
    assert len(list(hours_between(first, last))) == 25
    spring = Hour.of(datetime(2022, 3, 27, 0, tzinfo=BERLIN))
    assert len(list(hours_between(spring, Hour.of(datetime(2022, 3, 27, 23, tzinfo=BERLIN))))) == 23
    assert list(hours_between(first, first)) == [first]
    assert list(hours_between(last, first)) == []


@pytest.mark.parametrize(
    ("instant", "cadence", "slot"),
    [
        ("2022-01-11T12:59:59.999999+00:00", TEN_MINUTES, "2022-01-11T12:50:00+00:00"),
        ("2022-01-11T13:00:00+00:00", TEN_MINUTES, "2022-01-11T13:00:00+00:00"),
        ("2022-01-12T00:05:00+01:00", TEN_MINUTES, "2022-01-11T23:00:00+00:00"),
        ("2022-01-11T12:59:00+00:00", timedelta(hours=1), "2022-01-11T12:00:00+00:00"),
        ("2022-01-11T12:59:30+00:00", timedelta(minutes=1), "2022-01-11T12:59:00+00:00"),
    ],
)
def test_slot_of__is_the_floor_to_the_cadence(instant: str, cadence: timedelta, slot: str) -> None:
    assert slot_of(at(instant), cadence) == at(slot)
    assert slot_of(at(instant), cadence).utcoffset() == timedelta(0)


@given(st.datetimes(datetime(2021, 1, 1), datetime(2060, 1, 1), timezones=st.just(BERLIN)))
def test_slot_of__is_never_later_nor_a_cadence_earlier(instant: datetime) -> None:
    slot = slot_of(instant, TEN_MINUTES)
    assert timedelta(0) <= instant.astimezone(UTC) - slot < TEN_MINUTES
    assert slot_of(slot, TEN_MINUTES) == slot


def test_hourly_partitions__begin_in_2021_and_include_the_running_hour() -> None:
    partitions = hourly_partitions()
    assert partitions.get_first_partition_key() == Hour(FIRST_HOUR).key == "2021-01-01T00"
    before = Hour.of(datetime.now(UTC)).key
    last = partitions.get_last_partition_key()
    assert last in {before, Hour.of(datetime.now(UTC)).key}
    window = partitions.time_window_for_partition_key("2022-01-11T20")
    assert (window.start, window.end) == (
        at("2022-01-11T20:00:00+00:00"),
        at("2022-01-11T21:00:00+00:00"),
    )


@given(st.sets(st.integers(0, 40)))
def test_spans__name_exactly_the_hours(numbers: set[int]) -> None:
    hours = {Hour(FIRST_HOUR + n * ONE_HOUR) for n in numbers}
    named: set[Hour] = set()
    for span in filter(None, format_spans(hours).split(", ")):
        first, _, last = span.partition(" to ")
        named |= set(hours_between(Hour.parse(first), Hour.parse(last or first)))
    assert named == hours
