"""Entities that several places publish: every fact has one version, in any order of hours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.checks.registry import RULES
from charging_assets.hours import Hour, to_naive_utc
from charging_assets.lake.memory import MemoryLake
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.sql_files import sql
from charging_assets_tests.checks.rule_evaluation import evaluate_rules
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, lake_of, rows, station

EXAMPLES = max(6, settings().max_examples // 12)
DAY_MIN = 24 * 60.0
MADE = ("dim_", "fact_poll", "fact_status")
KEPT = [
    rule
    for rule in RULES
    if rule.name
    in {
        "dim_station__unique_not_null_fk",
        "dim_evse__unique_not_null_fk",
        "dim_connector__unique_not_null_fk",
        "fact_status__unique_not_null_fk",
    }
    or rule.rule == "versions_are_contiguous"
]

# The facts that do not find exactly one version, by their first slot and by their last.
LOST = """
SELECT facts.place, facts.evse_uid, facts.at
FROM (
    SELECT place, evse_uid, evse_key, slot_at AS at FROM warehouse.fact_status
    UNION
    SELECT place, evse_uid, evse_key, last_slot_at AS at FROM warehouse.fact_status
) AS facts
LEFT JOIN warehouse.dim_evse AS versions
    ON
        facts.evse_key = versions.evse_key
        AND facts.at >= versions.valid_from
        AND facts.at < COALESCE(versions.valid_to, TIMESTAMP '9999-12-31')
GROUP BY facts.place, facts.evse_uid, facts.at
HAVING COUNT(versions.evse_key) <> 1
ORDER BY facts.place, facts.evse_uid, facts.at
"""
VERSIONS = """
SELECT place, physical_reference, valid_from, valid_to, close_reason
FROM warehouse.dim_evse WHERE evse_uid = 'e1' ORDER BY valid_from
"""


# What is always there, so that an answer without `e1` is not half of what it was.
REST = station([evse("e8")], "s8")


def sample_stations(
    name: str = "A", status: str = "AVAILABLE", station_id: str = "s1"
) -> list[Any]:
    """A station with `e1`, in an attribute state."""
    return [REST, station([evse("e1", status, physical_reference=name)], station_id)]


def load(polls: dict[float, Any], order: list[Hour] | None = None) -> DuckDBWarehouse:
    lake, warehouse = lake_of(polls), DuckDBWarehouse(None)
    for hour in order or list(hours_archived(lake)):
        hours.load(warehouse, lake, hour, only=MADE)
    return warehouse


def test_dim_evse__first_seen_in_a_later_place_has_a_version_from_then_on() -> None:
    warehouse = load(
        {
            0: {"koeln": sample_stations()},
            20: {"bonn": sample_stations(), "koeln": sample_stations()},
        }
    )
    assert rows(warehouse, LOST) == []
    assert rows(warehouse, VERSIONS) == [("bonn", "A", 0, None, None)]


def test_dim_evse__of_places_that_differ_keeps_the_first_state_of_each() -> None:
    warehouse = load(
        {
            0: {"koeln": sample_stations("K")},
            20: {"bonn": sample_stations("B"), "koeln": sample_stations("K")},
        }
    )
    assert rows(warehouse, LOST) == []
    assert rows(warehouse, VERSIONS) == [
        ("koeln", "K", 0, 20, "changed"),
        ("bonn", "B", 20, None, None),
    ]


GONE: dict[float, Any] = {
    60 + minute: {"bonn": [REST], "koeln": [REST]} for minute in (0.0, 60.0, DAY_MIN + 60)
}


def test_dim_evse__last_seen_in_a_later_place_has_a_version_until_then() -> None:
    seen = {
        0: {"bonn": sample_stations(), "koeln": sample_stations()},
        20: {"bonn": [REST], "koeln": sample_stations()},
        40: {"bonn": [REST], "koeln": sample_stations(status="CHARGING")},
    }
    warehouse = load({**seen, **GONE})
    assert rows(warehouse, LOST) == []
    assert rows(warehouse, VERSIONS) == [("bonn", "A", 0, 60, "disappeared")]


def test_dim_evse__seen_again_in_a_later_place_has_a_version_from_then_on() -> None:
    again = 2 * DAY_MIN
    polls = {
        0: {"bonn": sample_stations()},
        **GONE,
        again: {"bonn": [REST], "koeln": sample_stations()},
        again + 30: {"bonn": sample_stations(), "koeln": sample_stations()},
    }
    warehouse = load(polls)
    assert rows(warehouse, LOST) == []
    assert rows(warehouse, VERSIONS) == [
        ("bonn", "A", 0, 60, "disappeared"),
        ("bonn", "A", again, None, None),
    ]


def test_dim_evse__a_place_that_misses_the_ends_of_an_hour_changes_nothing() -> None:
    both, other = (
        {"bonn": sample_stations(), "koeln": sample_stations()},
        {"bonn": None, "koeln": sample_stations()},
    )
    polls = {0: both, 50: other, 60: other, 70: both, 110: other, 120: both}
    assert rows(load(polls), VERSIONS) == [("bonn", "A", 0, None, None)]


# Hours that a version may end between, and in each a few polls of three places.
AT = st.lists(st.sampled_from([0, 1, 2, 25, 26, 50, 51, 76]), min_size=2, max_size=4, unique=True)
STATE = st.none() | st.tuples(st.sampled_from("AB"), st.sampled_from(["s1", "s2"]))
ANSWER = st.dictionaries(st.sampled_from(["bonn", "koeln", "roth"]), STATE, min_size=1)
POLLS = st.lists(ANSWER, min_size=1, max_size=4)


def _answer(state: tuple[str, str] | None, number: int) -> list[Any]:
    status = ("AVAILABLE", "CHARGING")[number % 2]
    return [REST] if state is None else sample_stations(state[0], status, state[1])


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(at=AT, data=st.data())
def test_versions__of_several_places_hold_every_fact_in_any_order(
    at: list[int], data: st.DataObject
) -> None:
    lake = MemoryLake()
    for hour in at:
        for number, answers in enumerate(data.draw(POLLS)):
            answers_by_place = {place: _answer(state, number) for place, state in answers.items()}
            hours.put(lake, 60.0 * hour + 15 * number, answers_by_place)
    in_order, in_disorder = hours.span_loaded(lake, MADE), DuckDBWarehouse(None)
    for hour in data.draw(st.permutations(sorted(hours_archived(lake)))):
        hours.load(in_disorder, lake, hour, only=MADE)
    assert rows(in_order, LOST) == []
    assert hours.digests(in_disorder) == hours.digests(in_order)
    for hour in hours_archived(lake):
        results = evaluate_rules(KEPT, hour, lake, in_order, hour.end)
        assert [each for each in results if not each.passed] == []


@pytest.mark.parametrize(
    ("dormant", "live"),
    [("REMOVED", "CHARGING"), ("PLANNED", "CHARGING"), ("REMOVED", "PLANNED")],
)
@pytest.mark.parametrize("places", [("a", "b"), ("b", "a")])
def test_moved__an_evse_is_taken_from_where_it_is_alive(
    dormant: str, live: str, places: tuple[str, str]
) -> None:
    """One that was moved is REMOVED in the place where it was, whatever the places' names."""
    old, new = places
    lake = lake_of(
        {
            minute: {
                old: [station([evse(status=dormant)], "old")],
                new: [station([evse(status=live)], "new")],
            }
            for minute in range(0, 60, 10)
        }
    )
    warehouse = DuckDBWarehouse(None)
    hours.load(warehouse, lake)
    versions = "SELECT place, station_id, valid_from, valid_to FROM warehouse.dim_evse"
    assert rows(warehouse, versions) == [(new, "new", 0, None)]
    assert rows(warehouse, "SELECT place FROM warehouse.dim_connector") == [(new,)]
    charging_s = 3600 if live == "CHARGING" else 0
    seconds = "SELECT place, charging_s, observed_s FROM mart.mart_evse_hour"
    assert rows(warehouse, seconds) == [(new, charging_s, 3600)]
    of_station = "SELECT SUM(charging_s) FROM mart.mart_station_hour WHERE place = :place"
    assert rows(warehouse, of_station, place=new) == [(charging_s,)]
    saturation = "SELECT station_operable_s, saturated_s FROM mart.mart_station_hour"
    assert rows(warehouse, saturation + " WHERE place = :place", place=new) == [
        (charging_s, charging_s)
    ]
    sessions = rows(warehouse, "SELECT place FROM warehouse.fact_charging_session")
    assert sessions == ([(new,)] if live == "CHARGING" else [])


def test_moved__an_evse_that_becomes_live_again_is_taken_from_the_first_place() -> None:
    lake = lake_of(
        {
            minute: {
                "a": [station([evse(status="REMOVED" if minute < 60 else "AVAILABLE")], "old")],
                "b": [station([evse()], "new")],
            }
            for minute in range(0, 120, 10)
        }
    )
    warehouse = DuckDBWarehouse(None)
    for hour in hours_archived(lake):
        hours.load(warehouse, lake, hour)
    versions = "SELECT place, station_id, valid_from FROM warehouse.dim_evse ORDER BY valid_from"
    assert rows(warehouse, versions) == [("b", "new", 0), ("a", "old", 60)]


@pytest.mark.parametrize("places", [("a", "b"), ("b", "a")])
def test_station_runs__are_those_of_one_place_an_hour(places: tuple[str, str]) -> None:
    """The other place's runs begin when they begin: they may not stand between its own."""
    old, new = places
    lake = lake_of(
        {
            minute: {
                old: [station([evse(status="REMOVED" if minute else "PLANNED")], "s1")],
                new: [station([evse(status="CHARGING" if minute < 30 else "AVAILABLE")], "s1")],
            }
            for minute in range(0, 60, 10)
        }
    )
    warehouse = DuckDBWarehouse(None)
    hours.load(warehouse, lake)
    params = {
        "station_key": hours.key_of("station", "s1"),
        "window_start": to_naive_utc(hours.HOUR.start),
        "window_end": to_naive_utc(hours.HOUR.end),
    }
    runs = [row[1:4] for row in rows(warehouse, sql("dashboard/station_runs"), **params)]
    assert runs == [("CHARGING", 0, 20), ("AVAILABLE", 30, 50)]
