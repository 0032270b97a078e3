"""Time and marts: observed seconds, in any order in which hours are loaded."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.modelling.marts import TABLES, mart_plan
from charging_assets.schemas import dimensions, marts
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests import builders
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, evse, station

EXAMPLES = max(5, settings().max_examples // 20)
CADENCE_S = 600
STATUSES = ("AVAILABLE", "CHARGING", "RESERVED", "BLOCKED", "INOPERATIVE", "OUTOFORDER", "UNKNOWN")
COLUMNS = dict(zip(STATUSES, (column.name for column in marts.STATUS_SECONDS[1:]), strict=True))
OPERABLE, OCCUPIED = set(STATUSES[:4]), set(STATUSES[1:4])

# What a poll says of the two EVSEs of one station; None is a place that did not answer.
STATUS = st.sampled_from([*STATUSES, None])
POLL = st.none() | st.fixed_dictionaries({"e1": STATUS, "e2": STATUS})
POLLS = st.lists(POLL, min_size=12, max_size=18)


def lake_of(polls: list[Any]) -> MemoryLake:
    return hours.lake_of(
        {
            10.0 * number: {"koeln": None if statuses is None else [_station(statuses)]}
            for number, statuses in enumerate(polls)
        }
    )


def _station(statuses: dict[str, str | None]) -> dict[str, Any]:
    return station([evse(uid, status) for uid, status in statuses.items()])


def load(lake: MemoryLake) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(None)
    for hour in hours_archived(lake):
        hours.load(warehouse, lake, hour)
    return warehouse


def _rows(warehouse: DuckDBWarehouse, table: str) -> list[dict[str, Any]]:
    mart_rows: list[dict[str, Any]] = warehouse.query(f"SELECT * FROM mart.{table}").to_pylist()
    return mart_rows


def seconds_by_hour(polls: list[Any]) -> dict[tuple[str, int], Counter[str]]:
    """Seconds by status of each EVSE and hour, counted poll by poll."""
    seconds_by_evse: dict[tuple[str, int], Counter[str]] = {}
    for number, statuses in enumerate(polls):
        for uid, status in (statuses or {}).items():
            seconds = seconds_by_evse.setdefault((uid, number // 6), Counter())
            seconds[COLUMNS[status or "UNKNOWN"]] += CADENCE_S
            seconds["observed_s"] += CADENCE_S
    return seconds_by_evse


def saturated_by_hour(polls: list[Any]) -> dict[int, tuple[int, int, int]]:
    """Station seconds of each hour: with an operable EVSE, certainly full, and possibly full."""
    seconds: dict[int, tuple[int, int, int]] = {}
    for number, statuses in enumerate(polls):
        if statuses is None:
            continue
        operable_s, full_s, possibly_full_s = seconds.get(number // 6, (0, 0, 0))
        operable = [status for status in statuses.values() if status in OPERABLE]
        is_possibly_full = bool(operable) and set(operable) <= OCCUPIED
        is_full = is_possibly_full and not {"UNKNOWN", None} & set(statuses.values())
        seconds[number // 6] = (
            operable_s + CADENCE_S * bool(operable),
            full_s + CADENCE_S * is_full,
            possibly_full_s + CADENCE_S * is_possibly_full,
        )
    return seconds


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(polls=POLLS)
@example(polls=[{"e1": "CHARGING", "e2": None}] * 12)
def test_marts__add_up_to_the_polls(polls: list[Any]) -> None:
    warehouse = load(lake_of(polls))
    keys = {hours.key_of("evse", uid): uid for uid in ("e1", "e2")}
    seconds_by_evse = {
        (keys[row["evse_key"]], _hour_number(row["slot_at"])): Counter(
            {name: row[name] for name in ("observed_s", *COLUMNS.values()) if row[name]}
        )
        for row in _rows(warehouse, "mart_evse_hour")
    }
    assert seconds_by_evse == seconds_by_hour(polls)
    saturated = {
        _hour_number(row["slot_at"]): (
            row["station_operable_s"],
            row["saturated_s"],
            row["saturated_or_unknown_s"],
        )
        for row in _rows(warehouse, "mart_station_hour")
    }
    assert saturated == saturated_by_hour(polls)
    everything = sum(seconds_by_evse.values(), Counter())
    for name in ("mart_station_hour", "mart_station_day", "mart_city_day", "mart_operator_month"):
        rows = _rows(warehouse, name)
        summed = Counter({c: sum(row[c] for row in rows) for c in everything})
        assert summed == everything, name


def _hour_number(at: datetime) -> int:
    return int((at.replace(tzinfo=UTC) - HOUR.start) / timedelta(hours=1))


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(polls=POLLS, wrong=POLLS, data=st.data())
def test_marts__any_order_with_repeats_and_replacements_gives_the_same(
    polls: list[Any], wrong: list[Any], data: st.DataObject
) -> None:
    right, bad = lake_of(polls), lake_of(wrong)
    there = list(hours_archived(right))
    warehouse = DuckDBWarehouse(None)
    for hour in data.draw(st.permutations(there))[:2]:
        if hour in hours_archived(bad):
            hours.load(warehouse, bad, hour)
    order = data.draw(st.permutations(there))
    # A first load that ended before its marts were made.
    hours.load(warehouse, right, order[0], only="fact_status")
    for hour in (*order, order[0]):
        hours.load(warehouse, right, hour)
    assert hours.digests(warehouse) == hours.digests(hours.span_loaded(right))


def test_metrics__are_those_that_are_documented() -> None:
    statuses = ["AVAILABLE", "CHARGING", "CHARGING", "BLOCKED", "OUTOFORDER", "UNKNOWN"]
    (row,) = _rows(load(lake_of([{"e1": status} for status in statuses])), "mart_evse_hour")
    assert row["coverage"] == 1
    assert row["utilisation"] == pytest.approx(2 / 4)
    assert row["occupancy"] == pytest.approx(3 / 4)
    assert row["availability"] == pytest.approx(4 / 6)
    assert row["reliability"] == pytest.approx(5 / 6)
    assert (row["power_class"], row["max_power_kw"], row["poll_count"]) == ("ac", 22, 6)


@pytest.mark.parametrize(("polls", "is_reported"), [(4, False), (5, True)])
def test_metrics__below_four_fifths_of_coverage_are_null(polls: int, is_reported: bool) -> None:
    (row,) = _rows(load(lake_of([{"e1": "AVAILABLE"}] * polls)), "mart_evse_hour")
    assert row["coverage"] == pytest.approx(polls / 6)
    reported = [row[name] is not None for name in ("utilisation", "occupancy", "availability")]
    assert reported == [is_reported] * 3


def test_metrics__a_day_without_polls_has_no_row_and_one_with_a_few_no_shares() -> None:
    lake = lake_of([{"e1": "CHARGING"}] * 6)
    hours.put(lake, 60.0 * 50, [_station({"e1": "CHARGING"})])  # two days on, nothing between
    for row in _rows(load(lake), "mart_city_day"):
        assert row["coverage"] < 0.8 and row["utilisation"] is None and row["occupancy"] is None
    dates = [row["local_date"].day for row in _rows(load(lake), "mart_station_day")]
    assert sorted(dates) == [11, 13]


def test_power_class__is_that_of_the_strongest_direct_current() -> None:
    plugs_and_classes: list[tuple[list[tuple[str, float]], str]] = [
        ([("AC_3_PHASE", 22)], "ac"),
        ([("AC_3_PHASE", 43), ("DC", 50)], "dc"),
        ([("DC", 99.9)], "dc"),
        ([("DC", 100)], "hpc"),
        ([("DC", 150_000)], "hpc"),  # in W: dropped; 375 A at 400 V decide
        ([("AC_3_PHASE", 150_000)], "ac"),
        ([], "unknown"),
    ]
    evses, expected = [], {}
    for number, (plugs, power_class) in enumerate(plugs_and_classes):
        connectors = [
            builders.connector(f"{number}-{at}", power_type=kind, max_power=power, ampere=375)
            for at, (kind, power) in enumerate(plugs)
        ]
        evses.append(evse(f"e{number}", connectors=connectors))
        expected[hours.key_of("evse", f"e{number}")] = power_class
    rows = _rows(load(hours.lake_of({0: [station(evses)]})), "mart_evse_hour")
    assert {row["evse_key"]: row["power_class"] for row in rows} == expected


# Hours between which what disappears is closed, and the connectors of each one's two polls.
PLUGS = st.dictionaries(st.sampled_from(["c1", "c2"]), st.sampled_from([22, 50, 150]))
PLUGGED = st.dictionaries(
    st.sampled_from([0, 1, 26, 27, 52]), st.tuples(PLUGS, PLUGS), min_size=2, max_size=4
)


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(plugged=PLUGGED, data=st.data())
@example(plugged={0: ({"c1": 150}, {"c1": 150, "c2": 22}), 1: ({"c2": 22}, {"c2": 22})}, data=None)
def test_max_power__is_that_of_the_connectors_at_the_last_poll_in_any_order(
    plugged: dict[int, tuple[dict[str, int], ...]], data: st.DataObject | None
) -> None:
    def answer(plugs: dict[str, int]) -> list[Any]:
        connectors = [builders.connector(name, max_power=power) for name, power in plugs.items()]
        return [station([evse("e1", connectors=connectors)])]

    polls = {
        60.0 * hour + 30 * number: answer(plugs)
        for hour, both in plugged.items()
        for number, plugs in enumerate(both)
    }
    lake, warehouse = hours.lake_of(polls), DuckDBWarehouse(None)
    order = sorted(hours_archived(lake), reverse=True)
    for hour in data.draw(st.permutations(order)) if data else order:
        hours.load(warehouse, lake, hour)
    mart_values = {
        _hour_number(row["slot_at"]): row["max_power_kw"]
        for row in _rows(warehouse, "mart_evse_hour")
    }
    assert mart_values == {
        hour: max(plugs.values(), default=None) for hour, (_, plugs) in plugged.items()
    }
    assert hours.digests(warehouse) == hours.digests(hours.span_loaded(lake))


def test_mart_evse_hour__an_evse_of_two_places_counts_once() -> None:
    stations = [_station({"e1": "CHARGING"})]
    lake = hours.lake_of({10.0 * n: {"koeln": stations, "bonn": stations} for n in range(6)})
    (row,) = _rows(load(lake), "mart_evse_hour")
    assert (row["place"], row["charging_s"], row["poll_count"]) == ("bonn", 3600, 6)


def _local_hours(first: datetime, count: int) -> DuckDBWarehouse:
    """A poll in each of some hours, with what is made of it for days."""
    lake = MemoryLake()
    for number in range(count):
        minute = (first + timedelta(hours=number) - HOUR.start).total_seconds() / 60
        for part in range(6):
            hours.put(lake, minute + 10 * part, [_station({"e1": "CHARGING"})])
    return hours.span_loaded(lake)


@pytest.mark.fault(
    "The two days on which the clocks change",
    "days have 23 and 25 hours; nothing is lost or duplicated",
    area="time",
)
@pytest.mark.parametrize(
    ("day", "local_hours", "folds"),
    [(datetime(2021, 10, 31), 25, 1), (datetime(2022, 3, 27), 23, 0)],
)
def test_days__of_a_change_of_summer_time_lose_and_double_nothing(
    day: datetime, local_hours: int, folds: int
) -> None:
    first = day.replace(tzinfo=UTC) - timedelta(hours=3)
    warehouse = _local_hours(first, 30)
    hours_of_day = warehouse.query(
        "SELECT * FROM warehouse.dim_time WHERE local_date = :day ORDER BY slot_at", {"day": day}
    ).to_pylist()
    assert len(hours_of_day) == local_hours
    assert sum(row["fold"] for row in hours_of_day) == folds
    assert {row["weekday"] for row in hours_of_day} == {7}
    assert len({row["local_hour"] for row in hours_of_day}) == local_hours - folds
    for name in ("mart_station_day", "mart_city_day"):
        rows = {row["local_date"]: row for row in _rows(warehouse, name)}
        assert sum(row["observed_s"] for row in rows.values()) == 30 * 3600
        assert rows[day]["observed_s"] == rows[day]["window_s"] == local_hours * 3600
        assert rows[day]["coverage"] == rows[day]["utilisation"] == 1


def test_dim_time__has_the_local_time_of_the_feeds_zone() -> None:
    (row,) = _local_hours(HOUR.start, 1).query("SELECT * FROM warehouse.dim_time").to_pylist()
    assert row["local_at"] == datetime(2022, 1, 11, 21)
    assert (row["local_hour"], row["weekday"], row["utc_offset_min"]) == (21, 2, 60)


def test_sessions__count_on_the_local_day_on_which_they_began_and_ended() -> None:
    statuses = ["AVAILABLE"] * 12 + ["CHARGING"] * 12 + ["AVAILABLE"] * 6
    warehouse = load(lake_of([{"e1": status} for status in statuses]))  # 22:00 to 24:00 UTC
    days = {row["local_date"].day: row for row in _rows(warehouse, "mart_station_day")}
    assert days[11]["session_count"] == 1 and days[11]["ended_session_count"] == 0
    assert days[12]["session_count"] == 0 and days[12]["ended_session_count"] == 1
    assert days[12]["dwell_s"] == 12 * CADENCE_S
    (month,) = _rows(warehouse, "mart_operator_month")
    assert (month["operator_name"], month["session_count"], month["day_count"]) == (
        "Musterwerke", 1, 2,
    )  # fmt: skip


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_mart_plan__reads_and_replaces_the_same_bounded_time(table: Any) -> None:
    plan = mart_plan(table, Hour(HOUR.start))
    *binds, step = plan.steps
    bindings = {name: bind.params[name] for bind in binds for name in bind.names}
    scope, params = {**bindings, **step.scope.params}, {**bindings, **step.params}
    assert scope == params or table.hour_column
    assert set(scope.values()) == set(params.values())
    times = sorted(scope.values())
    assert times[-1] - times[0] < timedelta(days=42)


def test_tables__every_mart_has_a_plan() -> None:
    assert {table.name for table in TABLES} == {
        dimensions.DIM_TIME.name, *(table.name for table in marts.MART_TABLES),
    }  # fmt: skip
