"""Windows of days and months: how much could be observed, in any order of loading.

EVSEs come and go, polling starts, pauses and stops, and time is attributed to places and operators.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.lake.memory import MemoryLake
from charging_assets.schemas.marts import MART_OPERATOR_MONTH
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests import builders
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, station

EXAMPLES = max(5, settings().max_examples // 20)
BERLIN = ZoneInfo("Europe/Berlin")
HOUR_S, DAY_S = 3600, 86_400
CADENCE = timedelta(minutes=10)
DAY = datetime(2022, 1, 12, tzinfo=BERLIN)

# What a place answers: the EVSEs of a station, each with its status. None: it did not answer.
Answer = Mapping[str, Mapping[str, str]] | None
Polls = Mapping[datetime, Mapping[str, Answer]]

E1 = {"s1": {"e1": "AVAILABLE"}}
E2 = {"s1": {"e2": "AVAILABLE"}}
BOTH = {"s1": {"e1": "AVAILABLE", "e2": "AVAILABLE"}}


def at(hour: float, day: datetime = DAY) -> datetime:
    """So many hours after the beginning of a local day, in UTC."""
    return day.astimezone(UTC) + timedelta(hours=hour)


def lake_of(polls: Polls, operators: Mapping[datetime, str] | None = None) -> MemoryLake:
    lake = MemoryLake()
    for slot_at, answers in polls.items():
        named = (operators or {}).get(slot_at, "Musterwerke")
        bodies = {
            place: builders.place(place, None, "timeout")
            if answer is None
            else builders.envelope(
                *(
                    station(
                        [evse(uid, status) for uid, status in evses.items()],
                        station_id,
                        operator={"name": named},
                    )
                    for station_id, evses in answer.items()
                )
            )
            for place, answer in answers.items()
        }
        minute = (slot_at - builders.SLOT).total_seconds() / 60
        builders.archived(lake, builders.poll(minute), bodies)
    return lake


def hourly(first: float, last: float, answer: Answer, place: str = "koeln") -> Polls:
    """A poll each half hour, from the first hour of the day until before the last."""
    halves = range(round(first * 2), round(last * 2))
    return {at(half / 2): {place: answer} for half in halves}


def rows(warehouse: DuckDBWarehouse, table: str) -> list[dict[str, Any]]:
    mart_rows: list[dict[str, Any]] = warehouse.query(
        f"SELECT * FROM mart.{table} ORDER BY slot_at, place"
        if table != MART_OPERATOR_MONTH.name
        else f"SELECT * FROM mart.{table} ORDER BY slot_at, operator_name"
    ).to_pylist()
    return mart_rows


def windows(polls: Polls) -> tuple[list[int], list[int]]:
    """The windows of station days and of city days."""
    warehouse = hours.span_loaded(lake_of(polls))
    station_days, city_days = rows(warehouse, "mart_station_day"), rows(warehouse, "mart_city_day")
    for row in station_days + city_days:
        assert row["observed_s"] <= row["window_s"]
    return [row["window_s"] for row in station_days], [row["window_s"] for row in city_days]


NOON = 12 * HOUR_S
TENTH = round(CADENCE.total_seconds())


@pytest.mark.parametrize(
    ("polls", "window_s"),
    [
        pytest.param(hourly(0, 24, BOTH), 2 * DAY_S, id="all day"),
        # The last poll without it, at 11:30, stands for ten minutes; what follows is missing time.
        pytest.param(
            hourly(0, 12, E2) | hourly(12, 24, BOTH), DAY_S + NOON + 2 * TENTH, id="appears at noon"
        ),
        pytest.param(
            {at(n / 6): {"koeln": E2 if n < 72 else BOTH} for n in range(60, 84)},
            DAY_S + NOON,
            id="appears at noon between regular polls",
        ),
        pytest.param(hourly(0, 12, BOTH) | hourly(12, 24, E2), DAY_S + NOON, id="gone at noon"),
        pytest.param(
            hourly(0, 9, BOTH) | hourly(9, 15, E2) | hourly(15, 24, BOTH), 2 * DAY_S, id="absent"
        ),
        pytest.param(hourly(12, 24, BOTH), 2 * DAY_S, id="polling begins at noon"),
        pytest.param(hourly(0, 9, BOTH) | hourly(15, 24, BOTH), 2 * DAY_S, id="gap at noon"),
        pytest.param(
            hourly(0, 9, BOTH) | hourly(9, 24, None), 2 * DAY_S, id="place fails from nine on"
        ),
        pytest.param(
            hourly(6, 9, E2) | hourly(9, 15, None) | hourly(15, 24, BOTH),
            # Not polled from 8:40 on: whether it was there then nobody knows.
            DAY_S + (24 * HOUR_S - (8 * HOUR_S + 4 * TENTH)),
            id="appears while the place fails",
        ),
        pytest.param(hourly(12, 12.5, E1), DAY_S, id="one poll"),
    ],
)
def test_day__window_is_the_day_less_the_time_in_which_polls_lack_the_evse(
    polls: Polls, window_s: int
) -> None:
    assert windows(polls) == ([window_s], [window_s])


@pytest.mark.parametrize(("day", "length_h"), [((2021, 10, 31), 25), ((2022, 3, 27), 23)])
def test_day__of_a_clock_change_has_23_or_25_hours(
    day: tuple[int, int, int], length_h: int
) -> None:
    local_day = datetime(*day, tzinfo=BERLIN)
    polls = {
        at(hour, local_day): {"koeln": BOTH if hour >= 12 else E2} for hour in range(0, length_h)
    }
    window_s = length_h * HOUR_S + (length_h - 11) * HOUR_S - TENTH
    warehouse = hours.span_loaded(lake_of(polls))
    for table in ("mart_station_day", "mart_city_day"):
        (row,) = rows(warehouse, table)
        assert row["window_s"] == window_s
        assert row["ends_at"] - row["slot_at"] == timedelta(hours=length_h)


def test_day__of_an_evse_in_two_places_takes_its_place_from_its_first_and_last_hour() -> None:
    """Köln's polls lack it in the morning, Bonn's from noon on; the station counts in Bonn."""
    polls = {
        at(hour): {"koeln": E1 if hour >= 12 else {}, "bonn": E1 if 6 <= hour < 12 else {}}
        for hour in range(24)
    }
    warehouse = hours.span_loaded(lake_of(polls))
    # It appears in Bonn at 6:00, whose poll at 5:00 stands until 5:10, and stays in Köln.
    window_s = DAY_S - 5 * HOUR_S - TENTH
    for table in ("mart_station_day", "mart_city_day"):
        (row,) = rows(warehouse, table)
        assert (row["place"], row["window_s"], row["evse_count"]) == ("bonn", window_s, 1)
    places = {
        row["place"] for row in warehouse.query("SELECT place FROM mart.city_hour").to_pylist()
    }
    assert places == {"bonn"}


def test_day__an_operator_that_changes_at_noon_has_the_whole_day_in_every_mart() -> None:
    polls = {at(hour): {"koeln": E1} for hour in range(0, 30)}
    operators = {slot: "A" if slot < at(12) else "B" for slot in polls}
    warehouse = hours.span_loaded(lake_of(polls, operators))
    first, second = rows(warehouse, "mart_station_day")
    assert (first["operator_name"], second["operator_name"]) == ("B", "B")
    seconds = warehouse.query(
        "SELECT operator_name, SUM(observed_s) AS observed_s FROM mart.city_hour GROUP BY 1"
    ).to_pylist()
    city_days = sum(row["observed_s"] for row in rows(warehouse, "mart_city_day"))
    assert seconds == [{"operator_name": "B", "observed_s": city_days}]


def test_reliability__of_an_evse_that_is_mostly_unknown_is_null() -> None:
    for observed, expected in ((0, None), (4, None), (5, 1.0)):
        statuses = ["UNKNOWN"] * (24 - observed) + ["AVAILABLE"] * observed
        polls = {
            at(hour) + number * CADENCE: {"koeln": {"s1": {"e1": statuses[hour]}}}
            for hour in range(24)
            for number in range(6)
        }
        warehouse = hours.span_loaded(lake_of(polls))
        tables = ("mart_station_day", "mart_city_day", "mart_operator_month")
        # The month has 31 days, of which one was polled.
        shares = [rows(warehouse, table)[0]["reliability"] for table in tables]
        assert shares == [expected, expected, None]
        assert rows(warehouse, "mart_station_day")[0]["availability"] is not None


def test_saturation__of_one_charging_and_one_unknown_is_possible_and_not_certain() -> None:
    answer = {"s1": {"e1": "CHARGING", "e2": "UNKNOWN", "e3": "REMOVED"}}
    certain = {"s1": {"e1": "CHARGING", "e3": "PLANNED"}}
    polls = hourly(0, 1, answer) | hourly(1, 2, certain)
    (row,) = rows(hours.span_loaded(lake_of(polls)), "mart_station_day")
    assert row["station_operable_s"] == row["saturated_or_unknown_s"] == 4 * TENTH
    assert row["saturated_s"] == 2 * TENTH


def test_sessions__whose_start_was_not_observed_do_not_count() -> None:
    """A gap of three polls cuts one session in two, of which the second has no observed start."""
    statuses = ["AVAILABLE", *["CHARGING"] * 4, None, None, None, *["CHARGING"] * 3, "AVAILABLE"]
    polls = {
        at(8) + number * CADENCE: {"koeln": {"s1": {"e1": status}}}
        for number, status in enumerate(statuses)
        if status
    }
    warehouse = hours.span_loaded(lake_of(polls))
    sessions = warehouse.query("SELECT is_start_censored FROM warehouse.fact_charging_session")
    assert sorted(sessions.column(0).to_pylist()) == [False, True]
    exposure_s = sum(row["session_exposure_s"] for row in rows(warehouse, "mart_evse_hour"))
    for table in ("mart_station_day", "mart_city_day", "mart_operator_month"):
        (row,) = rows(warehouse, table)
        assert (row["session_count"], row["session_exposure_s"]) == (1, exposure_s), table
    # Until 8:40, and over the one missing poll at 8:50; then from 9:20 to 9:50.
    assert exposure_s == HOUR_S + 3 * TENTH


# --- Months

MARCH, APRIL = datetime(2022, 3, 1, tzinfo=BERLIN), datetime(2022, 4, 1, tzinfo=BERLIN)


def on_days(days: Iterable[int], answer: Answer = E1, hour: float = 12) -> Polls:
    """One poll on each of some days, counted from the first of March as 1."""
    return {
        (MARCH + timedelta(days=day - 1, hours=hour)).astimezone(UTC): {"koeln": answer}
        for day in days
    }


def month_rows(polls: Polls, order: int = 1) -> list[dict[str, Any]]:
    """The months, with hours loaded forwards (1) or backwards (-1), the same either way."""
    lake, warehouse = lake_of(polls), DuckDBWarehouse(None)
    for hour in sorted(hours_archived(lake), reverse=order < 0):
        hours.load(warehouse, lake, hour)
    return rows(warehouse, "mart_operator_month")


def test_month__of_four_polled_days_of_thirty_has_them_all_in_its_window() -> None:
    polls = {
        at(hour, datetime(2022, 4, day, tzinfo=BERLIN)): {"koeln": E1}
        for day in (3, 4, 10, 30)
        for hour in range(24)
    }
    (row,) = rows(hours.span_loaded(lake_of(polls)), "mart_operator_month")
    assert row["day_count"] == 4
    # The newest poll, at 23:00 of the last day, stands until 23:10.
    assert row["window_s"] == 30 * DAY_S - 5 * TENTH
    assert row["coverage"] == pytest.approx(4 * 24 * TENTH / row["window_s"])
    assert row["utilisation"] is None


@pytest.mark.parametrize("order", [pytest.param(1, marks=pytest.mark.slow), -1])
def test_month__after_a_gap_from_the_27th_ends_with_the_month_once_polling_resumes(
    order: int,
) -> None:
    (march,) = month_rows(on_days([20, 27]))
    assert march["ends_at"] == datetime(2022, 3, 27, 10, 10)
    assert march["window_s"] == 26 * DAY_S + 11 * HOUR_S + TENTH
    march, april = month_rows(on_days([20, 27, 31 + 10]), order)
    assert march["ends_at"] == datetime(2022, 3, 31, 22)
    assert march["window_s"] == 31 * DAY_S - HOUR_S
    assert april["ends_at"] == datetime(2022, 4, 10, 10, 10)
    assert april["window_s"] == 9 * DAY_S + 12 * HOUR_S + TENTH


@pytest.mark.slow
def test_month__whose_later_polls_are_replaced_by_failures_ends_with_its_newest_poll_again() -> (
    None
):
    right, wrong = on_days([20, 27]), on_days([20, 27, 31 + 10])
    failed = {slot: {"koeln": None} for slot in wrong if slot not in right}
    warehouse, lake = DuckDBWarehouse(None), lake_of(wrong)
    for hour in hours_archived(lake):
        hours.load(warehouse, lake, hour)
    replaced = lake_of({**right, **failed})
    hours.load(warehouse, replaced, max(hours_archived(replaced)))
    assert rows(warehouse, "mart_operator_month") == month_rows(right)


COUNTS = {f"e{n}": "AVAILABLE" for n in range(3)}
EVSES = st.integers(1, 3).map(lambda count: {"s1": dict(list(COUNTS.items())[:count])})
# Days from the first of March on, of three months: what a place answered on each, or that it
# failed.
DAYS = st.dictionaries(
    st.integers(1, 80),
    st.fixed_dictionaries({}, optional={"koeln": st.none() | EVSES, "bonn": EVSES}).filter(bool),
    min_size=1,
    max_size=5,
)


def expected_months(days: Mapping[int, Mapping[str, Answer]]) -> dict[datetime, int]:
    """The window of each month, from one poll a day of stations that differ by place."""
    good = {
        day: {p: a for p, a in answers.items() if a is not None} for day, answers in days.items()
    }
    good = {day: answers for day, answers in good.items() if answers}
    if not good:
        return {}
    start = {day: _local(day) for day in range(1, 130)}
    end_s = start[max(good)] + 12 * HOUR_S + TENTH - _shift(max(good), 12)
    seconds: dict[datetime, int] = defaultdict(int)
    for place in ("koeln", "bonn"):
        by_month: dict[datetime, list[int]] = defaultdict(list)
        for day in sorted(good):
            if place in good[day]:
                by_month[_month(day)].append(day)
        for month, month_days in by_month.items():
            first_day = 1 + (month - datetime(2022, 3, 1)).days
            next_month = datetime(month.year, month.month + 1, 1)
            end = min(end_s, start[1 + (next_month - datetime(2022, 3, 1)).days])
            for number, day in enumerate(month_days):
                answer = good[day][place]
                assert answer is not None
                count = len(answer["s1"] if "s1" in answer else answer["s2"])
                begin = start[first_day] if number == 0 else start[day]
                until = start[month_days[number + 1]] if day != month_days[-1] else end
                seconds[month] += count * (until - begin)
    return dict(seconds)


def _local(day: int) -> int:
    return round((MARCH + timedelta(days=day - 1)).timestamp())


def _shift(day: int, hour: int) -> int:
    """By how much summer time that begins on the day shortens its first hours."""
    noon = round((MARCH + timedelta(days=day - 1, hours=hour)).timestamp())
    return _local(day) + hour * HOUR_S - noon


def _month(day: int) -> datetime:
    return (datetime(2022, 3, 1) + timedelta(days=day - 1)).replace(day=1)


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(days=DAYS, data=st.data())
def test_month__has_the_whole_period_up_to_the_newest_poll_in_any_order(
    days: dict[int, dict[str, Any]], data: st.DataObject
) -> None:
    for answers in days.values():
        if "bonn" in answers:
            answers["bonn"] = {"s2": {f"b{uid}": s for uid, s in answers["bonn"]["s1"].items()}}
    polls = {
        (MARCH + timedelta(days=day - 1, hours=12)).astimezone(UTC): answers
        for day, answers in days.items()
    }
    lake, warehouse = lake_of(polls), DuckDBWarehouse(None)
    for hour in data.draw(st.permutations(sorted(hours_archived(lake)))):
        hours.load(warehouse, lake, hour)
    windows = {
        row["local_month"]: row["window_s"] for row in rows(warehouse, "mart_operator_month")
    }
    assert windows == expected_months(days)
    assert hours.digests(warehouse) == hours.digests(hours.span_loaded(lake))


# --- Days, against the definition

# Polls of three local days.
SLOTS = st.lists(st.integers(0, 6 * 40 - 1), min_size=1, max_size=14, unique=True)
STATUSES = st.dictionaries(st.sampled_from(["e1", "e2"]), st.just("AVAILABLE"))
ANSWERS = st.dictionaries(st.sampled_from(["bonn", "koeln"]), st.none() | STATUSES, min_size=1)


def expected_days(polls: Mapping[datetime, Mapping[str, Any]]) -> Counter[datetime]:
    """The windows of a station's days: EVSE by EVSE, as documented."""
    seen: dict[tuple[str, datetime], dict[datetime, str]] = defaultdict(dict)
    for slot, answers in polls.items():
        for place in sorted(answers, reverse=True):
            for uid in answers[place] or {}:
                seen[uid, _date(slot)][slot] = place
    total: Counter[datetime] = Counter()
    for (_, date), slots in seen.items():
        first, last = min(slots), max(slots)
        begin = date.replace(tzinfo=BERLIN).astimezone(UTC)
        end = (date + timedelta(days=1)).replace(tzinfo=BERLIN).astimezone(UTC)
        before = [slot for slot in _good(polls, _hour_place(slots, first)) if begin <= slot < first]
        after = [slot for slot in _good(polls, _hour_place(slots, last)) if last < slot < end]
        if before:
            begin = min(first, max(before) + CADENCE)
        total[date] += round((min([*after, end]) - begin).total_seconds())
    return total


def _good(polls: Mapping[datetime, Mapping[str, Any]], place: str) -> list[datetime]:
    return [slot for slot, answers in polls.items() if answers.get(place) is not None]


def _hour_place(slots: Mapping[datetime, str], slot: datetime) -> str:
    return min(place for at, place in slots.items() if _hour(at) == _hour(slot))


def _hour(slot: datetime) -> datetime:
    return slot.replace(minute=0)


def _date(slot: datetime) -> datetime:
    return slot.astimezone(BERLIN).replace(hour=0, minute=0, tzinfo=None)


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(slots=SLOTS, data=st.data())
def test_day__windows_are_those_of_the_definition(slots: list[int], data: st.DataObject) -> None:
    polls = {at(slot / 6 - 20): data.draw(ANSWERS) for slot in slots}
    answered = {
        slot: {
            place: None if statuses is None else {"s1": statuses}
            for place, statuses in answers.items()
        }
        for slot, answers in polls.items()
    }
    warehouse = hours.span_loaded(lake_of(answered))
    for table in ("mart_station_day", "mart_city_day"):
        windows = Counter({row["local_date"]: row["window_s"] for row in rows(warehouse, table)})
        assert windows == expected_days(polls), table
