"""Dimensions (SCD type 2): given hours, expected versions; and entities that an hour affects."""

from __future__ import annotations

from typing import Any

import pytest

from charging_assets.lake.memory import MemoryLake
from charging_assets.modelling import plans
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import Warehouse
from charging_assets_tests import builders
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, lake_of, load, loaded, rows, station

VERSIONS = """
SELECT name, valid_from, valid_to, is_current, close_reason
FROM warehouse.dim_station ORDER BY station_id, valid_from
"""


DIMENSIONS = ("dim_station", "dim_evse", "dim_connector")


def named(name: str | None, **fields: Any) -> list[dict[str, Any]]:
    return [station(name=name, **fields)]


def versions_of(polls: dict[float, Any]) -> list[tuple[Any, ...]]:
    return rows(loaded(polls, only="dim_station"), VERSIONS)


def load_hour(
    warehouse: Warehouse,
    polls: dict[float, Any],
    hour: int = 0,
    only: str | tuple[str, ...] = "dim_station",
) -> dict[str, Any]:
    """Load one hour; minutes are those of the hour."""
    polls = {minute + 60 * hour: answer for minute, answer in polls.items()}
    return load(warehouse, lake_of(polls), hours.hour_after(hour), only)


def test_dim_station__the_first_sight_is_a_version() -> None:
    assert versions_of({10: named("A"), 20: named("A")}) == [("A", 10, None, True, None)]


@pytest.mark.parametrize("second", [10, 60, 60 * 30])
def test_dim_station__a_change_is_a_new_version(second: int) -> None:
    assert versions_of({0: named("A"), second: named("B")}) == [
        ("A", 0, second, False, "changed"),
        ("B", second, None, True, None),
    ]


def test_dim_station__an_added_or_removed_attribute_is_a_new_version() -> None:
    assert versions_of({0: named("A"), 60: named(None), 120: named("A")}) == [
        ("A", 0, 60, False, "changed"),
        (None, 60, 120, False, "changed"),
        ("A", 120, None, True, None),
    ]


def test_dim_station__equal_attributes_are_one_version() -> None:
    same = {
        "name": "  A ",
        "country": "DEU",
        "tariffZones": ["b", "a", "a"],
        "opening_times": {
            "twentyfourseven": False,
            "regular_hours": [
                {"weekday": 2, "period_begin": "08:00", "period_end": "20:00:00"},
                {"weekday": 1, "period_begin": "08:00:00", "period_end": "20:00"},
            ],
        },
    }
    periods = same["opening_times"]["regular_hours"]  # type: ignore[index]
    other = {
        "name": "A",
        "country": "DE",
        "tariffZones": ["a", "b"],
        "opening_times": {"twentyfourseven": "0", "regular_hours": [periods[1], periods[0]]},
        "distance_in_m": "17",
    }
    reordered = dict(reversed(station(**other).items()))
    assert versions_of({0: [station(**same)], 30: [station(**other)], 60: [reordered]}) == [
        ("A", 0, None, True, None)
    ]


def test_dim_connector__connectors_that_swap_places_change_nothing() -> None:
    pair = [builders.connector("c1"), builders.connector("c2")]
    polls = {0: [station([evse(connectors=pair)])], 60: [station([evse(connectors=pair[::-1])])]}
    warehouse = loaded(polls, only=DIMENSIONS)
    for name in DIMENSIONS:
        result = rows(warehouse, f"SELECT valid_from, valid_to FROM warehouse.{name}")
        assert set(result) == {(0, None)}, name


def test_dim_station__a_state_that_returns_within_the_hour_is_a_separate_version() -> None:
    """Sightings say first and last slots, so what lies between B and the last A stays with B."""
    polls = {0: named("A"), 10: named("A"), 20: named("B"), 30: named("A"), 40: named("A")}
    assert versions_of(polls) == [
        ("A", 0, 20, False, "changed"),
        ("B", 20, 40, False, "changed"),
        ("A", 40, None, True, None),
    ]


def test_dim_evse__one_that_moves_to_another_station_has_a_new_version() -> None:
    moving = evse("e1")
    polls = {
        0: [station([moving], "s1"), station([], "s2")],
        60: [station([], "s1"), station([moving], "s2")],
    }
    result = rows(
        loaded(polls, only="dim_evse"),
        "SELECT evse_uid, station_id, station_key, valid_from, valid_to FROM warehouse.dim_evse "
        "ORDER BY valid_from",
    )
    assert result == [
        ("e1", "s1", hours.key_of("station", "s1"), 0, 60),
        ("e1", "s2", hours.key_of("station", "s2"), 60, None),
    ]


def test_dim_station__of_two_places_the_first_by_name_counts() -> None:
    polls = {
        0: {"koeln": named("name in koeln"), "bonn": named("name in bonn")},
        60: {"koeln": named("name in koeln"), "bonn": []},
        120: {"koeln": named("name in koeln"), "bonn": None},
        180: {"bonn": named("name in bonn"), "koeln": named("name in koeln")},
    }
    result = rows(
        loaded(polls, only="dim_station"),
        "SELECT place, name, valid_from, valid_to FROM warehouse.dim_station ORDER BY valid_from",
    )
    assert result == [
        ("bonn", "name in bonn", 0, 60),
        ("koeln", "name in koeln", 60, 180),
        ("bonn", "name in bonn", 180, None),
    ]


def test_dim_station__equal_attributes_in_another_place_are_a_new_version() -> None:
    polls = {0: {"bonn": named("A")}, 60: {"koeln": named("A")}}
    result = rows(
        loaded(polls, only="dim_station"),
        "SELECT place, valid_from, valid_to FROM warehouse.dim_station ORDER BY 2",
    )
    assert result == [("bonn", 0, 60), ("koeln", 60, None)]


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        ("A", [("A", 0, 60, False, "changed"), ("B", 60, None, True, None)]),
        ("B", [("B", 0, None, True, None)]),
    ],
)
def test_dim_station__a_late_earlier_hour_is_inserted_in_order(
    earlier: str, expected: list[Any]
) -> None:
    warehouse = DuckDBWarehouse(None)
    load_hour(warehouse, {0: named("B")}, hour=1)
    load_hour(warehouse, {0: named(earlier)}, hour=0)
    assert rows(warehouse, VERSIONS) == expected


def test_dim_station__a_late_hour_in_between_splits_the_version() -> None:
    warehouse = DuckDBWarehouse(None)
    load_hour(warehouse, {0: named("A")}, hour=0)
    load_hour(warehouse, {0: named("A")}, hour=2)
    load_hour(warehouse, {0: named("B")}, hour=1)
    assert rows(warehouse, VERSIONS) == [
        ("A", 0, 60, False, "changed"),
        ("B", 60, 120, False, "changed"),
        ("A", 120, None, True, None),
    ]


@pytest.mark.parametrize("wrong", ["X", "A", "B", None])
def test_dim_station__an_hour_that_is_replaced_leaves_no_trace(wrong: str | None) -> None:
    warehouse = DuckDBWarehouse(None)
    load_hour(warehouse, {0: named("A")}, hour=0)
    load_hour(warehouse, {0: named(wrong), 50: named("odd")}, hour=1)
    load_hour(warehouse, {0: named("B")}, hour=2)
    load_hour(warehouse, {10: named("A")}, hour=1)
    assert rows(warehouse, VERSIONS) == [
        ("A", 0, 120, False, "changed"),
        ("B", 120, None, True, None),
    ]


def test_dim_station__one_that_only_the_replaced_content_had_is_gone() -> None:
    warehouse = DuckDBWarehouse(None)
    both = [station([evse("e1")], "s1"), station([evse("e2")], "s2")]
    load_hour(warehouse, {0: both}, only=DIMENSIONS)
    load_hour(warehouse, {0: both[:1]}, only=DIMENSIONS)
    for table in (
        "dim_station",
        "dim_evse",
        "dim_connector",
        "entity_version",
        "entity_observation",
    ):
        keys = "entity_key" if table.startswith("entity") else table.replace("dim_", "") + "_key"
        expected = 3 if table.startswith("entity") else 1
        result = rows(warehouse, f"SELECT COUNT(DISTINCT {keys}) FROM warehouse.{table}")
        assert result == [(expected,)], table


@pytest.mark.parametrize("entity", plans.ENTITIES, ids=lambda entity: entity.name)
def test_attributes__are_exactly_those_that_a_version_names(entity: plans.Entity) -> None:
    warehouse = DuckDBWarehouse(None)
    only = entity.dimension.name
    for hour, uid, number in ((0, "e1", "0"), (1, "e9", "9"), (1, "e1", "1")):
        connectors = [builders.connector(f"c-{uid}", tariff_id=number)]
        stations = [
            station([evse(uid, physical_reference=number, connectors=connectors)], f"s-{uid}")
        ]
        load_hour(warehouse, {0: stations}, hour, only)
    result = rows(
        warehouse,
        f"SELECT {entity.key_column}, attribute_hash FROM {entity.attributes.full_name}",
    )
    named_by = rows(
        warehouse,
        "SELECT DISTINCT entity_key, attribute_hash FROM warehouse.entity_version "
        "WHERE entity_type = :entity_type",
        entity_type=entity.name,
    )
    assert sorted(result) == sorted(named_by)


def _network(count: int, changed: int = -1) -> list[dict[str, Any]]:
    return [
        station([evse(f"e{n}")], f"s{n}", name="changed" if n == changed else "same")
        for n in range(count)
    ]


def affected_counts(done: dict[str, Any]) -> dict[str, int]:
    return {
        name: done[name].row_counts["entity_version"]
        for name in ("dim_station", "dim_evse", "dim_connector")
    }


def test_dimension_plan__an_unchanged_hour_touches_nothing() -> None:
    warehouse = DuckDBWarehouse(None)
    first = load_hour(warehouse, {0: _network(20), 30: _network(20)}, hour=0, only=DIMENSIONS)
    assert affected_counts(first) == {"dim_station": 20, "dim_evse": 20, "dim_connector": 20}
    before = rows(warehouse, "SELECT * FROM warehouse.dim_station ORDER BY station_key")
    for hour in (1, 5):
        done = load_hour(warehouse, {10: _network(20)}, hour, only=DIMENSIONS)
        assert set(affected_counts(done).values()) == {0}, hour
    assert rows(warehouse, "SELECT * FROM warehouse.dim_station ORDER BY station_key") == before


def test_dimension_plan__the_same_hour_again_touches_nothing() -> None:
    warehouse, polls = DuckDBWarehouse(None), {0: _network(5), 10: _network(5, changed=1)}
    load_hour(warehouse, polls, only=DIMENSIONS)
    assert set(affected_counts(load_hour(warehouse, polls, only=DIMENSIONS)).values()) == {0}


def test_dimension_plan__one_change_touches_one_entity() -> None:
    warehouse = DuckDBWarehouse(None)
    load_hour(warehouse, {0: _network(20)}, hour=0, only=DIMENSIONS)
    done = load_hour(warehouse, {0: _network(20, changed=7)}, hour=1, only=DIMENSIONS)
    assert affected_counts(done) == {"dim_station": 2, "dim_evse": 0, "dim_connector": 0}


def test_dim_station__ids_of_two_feeds_are_two_stations() -> None:
    lake = MemoryLake()
    for feed in ("test", "other"):
        answer = builders.envelope(*named(f"of {feed}"))
        builders.archived(lake, builders.poll(0, feed=feed), {"koeln": answer})
    warehouse = DuckDBWarehouse(None)
    load(warehouse, lake, only="dim_station")
    result = rows(warehouse, "SELECT feed, station_id, name FROM warehouse.dim_station ORDER BY 1")
    assert result == [("other", "s1", "of other"), ("test", "s1", "of test")]
