"""Ids whose 64-bit keys are equal: one of them is rejected, whatever is loaded when, and no hour
stops."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.checks.registry import HOURLY
from charging_assets.hours import Hour, Span
from charging_assets.lake.memory import MemoryLake
from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.modelling.staged_hours import ensure_staged, prune
from charging_assets.modelling.staging import staging_span_plan
from charging_assets.orchestration.staleness import CONTESTED, stale_hours, staleness
from charging_assets.preprocessing import rejects, stations
from charging_assets.preprocessing.identity import entity_key, identity_hash
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.ops import LEDGER
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import Warehouse
from charging_assets_tests import builders
from charging_assets_tests.checks.rule_evaluation import evaluate_rules
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, hour_after, lake_of, rows, station
from charging_assets_tests.stale_loads import errors_of, load_stale

# Two ids that anybody can find in minutes: their keys as stations of `chargecloud` are equal.
CHARGECLOUD_STATIONS = ("bb6ffb39eee17f6c", "0848572e33ef8e59")

# Backwards, and the first hour last; `make slow` has all orders.
FEW_ORDERS = [(2, 1, 0), (1, 2, 0)]
ROWS = [table for table in TABLES if table is not LEDGER]
CHECK = "staged_tables__no_two_ids_share_a_key"


def load(warehouse: Warehouse, lake: MemoryLake, *numbers: int) -> None:
    """Load the hours of these numbers one by one, in this order."""
    for number in numbers:
        hour = hour_after(number)
        hours.load_files(warehouse, hours.flat_files(lake, hour), hour)


def stale(warehouse: Warehouse, lake: MemoryLake) -> list[Hour]:
    return [pending.hour for pending in stale_hours(lake, warehouse)]


def settle(warehouse: Warehouse, lake: MemoryLake) -> int:
    """Load stale hours until there is none; how many loads that took."""
    count = 0
    while pending := stale(warehouse, lake):
        for hour in pending:
            hours.load_files(warehouse, hours.flat_files(lake, hour), hour)
            count += 1
        assert count < 50
    return count


def stations_of(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return rows(
        warehouse, "SELECT station_id, valid_from FROM warehouse.dim_station ORDER BY station_id, 2"
    )


def rejects_of(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return rows(
        warehouse,
        "SELECT slot_at, entity, entity_id, code FROM ops.flat_rejects ORDER BY 1, 2, 3, 4",
    )


def one(station_id: str, uid: str, **fields: Any) -> list[dict[str, Any]]:
    return [station([evse(uid)], station_id, **fields)]


# Hours 0 to 2: `s1~b` comes first, then `s1~a`, then both; another place has stations of its own.
THREE_HOURS = {
    0.0: {"koeln": one("s1~b", "e1"), "bonn": one("s7", "e7")},
    60.0: {"koeln": one("s1~a", "e2"), "bonn": [*one("s7", "e7"), *one("s8", "e8")]},
    120.0: {"koeln": [*one("s1~a", "e2"), *one("s1~b", "e1")], "bonn": one("s7", "e7")},
}


@cache
def digests_in_order() -> dict[str, str]:
    """Digests of THREE_HOURS, loaded in order; for tests in which keys are equal."""
    warehouse = DuckDBWarehouse(None)
    load(warehouse, lake_of(THREE_HOURS), 0, 1, 2)
    return hours.digests(warehouse)


@pytest.mark.usefixtures("equal_keys")
def test_conflict__only_the_second_id_is_rejected() -> None:
    lake, warehouse = lake_of(THREE_HOURS), DuckDBWarehouse(None)
    load(warehouse, lake, 0, 1, 2)
    assert stale(warehouse, lake) == []
    assert stations_of(warehouse) == [("s1~b", 0), ("s7", 0), ("s8", 60)]
    assert rejects_of(warehouse) == [
        (at, entity, entity_id, code)
        for at in (60, 120)
        for entity, entity_id, code in (
            ("connector", None, "parent_rejected"),
            ("evse", None, "parent_rejected"),
            ("station", "s1~a", "duplicate_key"),
        )
    ]
    evses = "SELECT DISTINCT evse_uid FROM {} ORDER BY 1"
    assert rows(warehouse, evses.format("warehouse.dim_evse")) == [("e1",), ("e7",), ("e8",)]
    facts = "SELECT slot_at, COUNT(*) FROM warehouse.fact_status WHERE place = 'koeln' GROUP BY 1"
    assert sorted(rows(warehouse, facts)) == [(0, 1), (120, 1)]
    counts = "SELECT station_count, station_rejected_count, evse_count, evse_rejected_count"
    counts += " FROM staging.flat_polls WHERE place = 'koeln' ORDER BY slot_at"
    assert rows(warehouse, counts) == [(1, 0, 1, 0), (1, 1, 1, 1), (2, 1, 2, 1)]


@pytest.mark.usefixtures("equal_keys")
def test_conflict__is_settled_the_same_where_its_rejects_are_past_the_listed_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rejects, "MAX_LISTED", 1)
    flooded = {
        at: {**places, "koeln": [*[{"name": "no id"}] * 5, *places["koeln"]]}
        for at, places in THREE_HOURS.items()
    }
    lake, warehouse = lake_of(flooded), DuckDBWarehouse(None)
    load(warehouse, lake, 0, 1, 2)
    assert stale(warehouse, lake) == []
    assert stations_of(warehouse) == [("s1~b", 0), ("s7", 0), ("s8", 60)]
    listed = "SELECT slot_at, entity_id FROM ops.flat_rejects WHERE code = 'duplicate_key'"
    assert sorted(rows(warehouse, listed)) == [(60, "s1~a"), (120, "s1~a")]


def test_conflict__of_real_ids_costs_neither_places_nor_feeds_their_hour() -> None:
    first, second = CHARGECLOUD_STATIONS
    assert entity_key("chargecloud", "station", first) == entity_key(
        "chargecloud", "station", second
    )
    assert identity_hash("chargecloud", "station", first) != identity_hash(
        "chargecloud", "station", second
    )
    lake, warehouse = MemoryLake(), DuckDBWarehouse(None)
    for number, station_id in enumerate((first, second)):
        for feed, place, records in (
            ("chargecloud", "koeln", one(station_id, f"e{number}")),
            ("other", "bonn", one(f"new in hour {number}", f"o{number}")),
        ):
            header = builders.poll(60.0 * number, feed=feed)
            builders.archived(lake, header, {place: builders.envelope(*records)})
    load(warehouse, lake, 0, 1)
    assert stale(warehouse, lake) == []
    assert [name for name, _ in stations_of(warehouse)] == [
        first,
        "new in hour 0",
        "new in hour 1",
    ]
    assert (60, "station", second, "duplicate_key") in rejects_of(warehouse)


@pytest.mark.usefixtures("equal_keys")
def test_conflict__a_check_reports_it_and_no_other_check_fails() -> None:
    lake, warehouse = lake_of(THREE_HOURS), DuckDBWarehouse(None)
    load(warehouse, lake, 0, 1, 2)
    for number, expected in ((0, 0), (1, 1), (2, 1)):
        finding_by_rule = {
            f.rule.name: f for f in evaluate_rules(HOURLY, hour_after(number), lake, warehouse)
        }
        assert finding_by_rule[CHECK].count == expected
        errors = [
            n
            for n, f in finding_by_rule.items()
            if not f.passed and f.rule.severity.value == "error"
        ]
        # Nothing is published by these loads, and a place with one station has none left.
        assert set(errors) <= {
            "published_tables__files_have_the_rows_of_the_warehouse",
            "staged_tables__no_place_is_rejected_completely",
        }
    (row,) = finding_by_rule[CHECK].sample
    assert (row["rejected_id"], row["loaded_id"]) == ("s1~a", "s1~b")


@pytest.mark.usefixtures("equal_keys")
@pytest.mark.parametrize(
    "order",
    [
        pytest.param(order, marks=[] if order in FEW_ORDERS else pytest.mark.slow)
        for order in permutations((0, 1, 2))
    ],
)
def test_conflict__any_order_of_hours_gives_the_same_rows(order: Sequence[int]) -> None:
    lake, warehouse = lake_of(THREE_HOURS), DuckDBWarehouse(None)
    load(warehouse, lake, *order)
    settle(warehouse, lake)
    assert hours.digests(warehouse) == digests_in_order()
    load(warehouse, lake, *order)
    assert stale(warehouse, lake) == []
    assert hours.digests(warehouse) == digests_in_order()


@pytest.mark.usefixtures("equal_keys")
def test_conflict__in_a_span_is_resolved_as_hour_by_hour() -> None:
    lake, warehouse = lake_of(THREE_HOURS), DuckDBWarehouse(None)
    span = Span(tuple(hours_archived(lake)))
    files = {hour: hours.flat_files(lake, hour) for hour in span.hours}
    warehouse.apply_all([staging_span_plan(files), *derived_plans(span)])
    assert hours.digests(warehouse) == digests_in_order()
    # Day by day, as a rebuild stages: what is not yet in the dimensions is compared too.
    by_day = DuckDBWarehouse(None)
    for hour in span.hours:
        by_day.apply(staging_span_plan({hour: files[hour]}))
    by_day.apply_all(derived_plans(span))
    assert hours.digests(by_day) == digests_in_order()


@pytest.mark.usefixtures("equal_keys")
def test_conflict__with_hours_that_are_no_longer_in_staging() -> None:
    lake, warehouse = lake_of(THREE_HOURS), DuckDBWarehouse(None)
    expected = {table.full_name: digests_in_order()[table.full_name] for table in ROWS}
    load(warehouse, lake, 1, 2)
    for number in (1, 2):
        prune(warehouse, hour_after(number))
    load(warehouse, lake, 0)
    assert [(pending.hour, pending.reason) for pending in stale_hours(lake, warehouse)] == [
        (hour_after(1), CONTESTED),
        (hour_after(2), CONTESTED),
    ]
    assert settle(warehouse, lake) == 2
    assert hours.digests(warehouse, ROWS) == expected
    prune(warehouse, hour_after(1))
    assert ensure_staged(warehouse, lake, [hour_after(1)]) == ([hour_after(1)], {})
    assert hours.digests(warehouse, ROWS) == expected


@pytest.mark.slow
@pytest.mark.usefixtures("equal_keys")
def test_conflict__a_rebuild_gives_the_same_rows() -> None:
    lake, warehouse = lake_of(THREE_HOURS), DuckDBWarehouse(None)
    load(warehouse, lake, 2, 1)
    while any(staleness(lake, warehouse).stale.values()):
        assert errors_of(load_stale(lake, warehouse)) == {}
    assert hours.digests(warehouse) == digests_in_order()


@pytest.mark.slow
@pytest.mark.usefixtures("equal_keys")
def test_conflict__of_evses_and_of_connectors() -> None:
    """EVSEs at other stations and in other places; connectors of one id at two EVSEs."""
    two = [builders.connector("e2-c"), builders.connector("e2-c~x", status="CHARGING")]
    polls = {
        0.0: {"koeln": one("s1", "e1~b"), "bonn": one("s2", "e2")},
        60.0: {
            "koeln": one("s1", "e1~b"),
            "bonn": [station([evse("e2"), evse("e1~a", "CHARGING")], "s2")],
        },
        120.0: {"koeln": one("s1", "e1~b"), "bonn": [station([evse("e2", connectors=two)], "s2")]},
    }
    lake, expected = lake_of(polls), DuckDBWarehouse(None)
    load(expected, lake, 0, 1, 2)
    uids = rows(expected, "SELECT DISTINCT evse_uid FROM warehouse.dim_evse ORDER BY 1")
    assert uids == [("e1~b",), ("e2",)]
    assert rows(expected, "SELECT DISTINCT status FROM warehouse.fact_status") == [("AVAILABLE",)]
    assert rejects_of(expected) == [
        (60, "connector", None, "parent_rejected"),
        (60, "evse", "e1~a", "duplicate_key"),
        (120, "connector", "e2-c~x", "duplicate_key"),
    ]
    for order in FEW_ORDERS:
        warehouse = DuckDBWarehouse(None)
        load(warehouse, lake, *order)
        settle(warehouse, lake)
        assert hours.digests(warehouse) == hours.digests(expected)


@pytest.mark.usefixtures("equal_keys")
def test_conflict__within_an_hour_between_polls_and_between_places() -> None:
    polls = {
        0.0: {"koeln": one("s1~b", "e1"), "bonn": one("s2", "e2")},
        10.0: {"koeln": one("s1~a", "e3"), "bonn": one("s1~a", "e3")},
        20.0: {"koeln": one("s1~b", "e1"), "bonn": one("s2", "e2")},
    }
    lake, warehouse = lake_of(polls), DuckDBWarehouse(None)
    load(warehouse, lake, 0)
    assert stations_of(warehouse) == [("s1~b", 0), ("s2", 0)]
    rejected = [row for row in rejects_of(warehouse) if row[1] == "station"]
    assert rejected == [(10, "station", "s1~a", "duplicate_key")] * 2


@pytest.mark.usefixtures("equal_keys")
def test_conflict__that_is_over_leaves_no_trace() -> None:
    right, wrong = lake_of({0.0: one("s1~b", "e1"), 60.0: one("s1~b", "e1")}), MemoryLake()
    hours.put(wrong, 0.0, one("s1~a", "e2"))
    expected, warehouse = DuckDBWarehouse(None), DuckDBWarehouse(None)
    load(expected, right, 0, 1)
    load(warehouse, wrong, 0)
    load(warehouse, right, 1)
    assert rejects_of(warehouse) != []
    load(warehouse, right, 0)
    settle(warehouse, right)
    assert hours.digests(warehouse) == hours.digests(expected)


@pytest.mark.usefixtures("fresh_readers")
def test_attribute_states__with_equal_hashes_stop_no_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attributes can be chosen so that their hashes are equal, as ids can."""
    monkeypatch.setattr(stations, "attribute_hash", lambda _attributes: 1)
    polls = {
        60.0 * hour: {place: one("s1", "e1", name=f"{place} {hour}") for place in ("bonn", "koeln")}
        for hour in (0, 1)
    }
    lake, warehouse = lake_of(polls), DuckDBWarehouse(None)
    load(warehouse, lake, 0, 1, 0)
    assert rows(warehouse, "SELECT name FROM warehouse.dim_station") == [("bonn 0",)]


ANSWER = st.dictionaries(
    st.sampled_from(["s1~a", "s1~b", "s1~c", "s2"]),
    st.tuples(st.sampled_from("AB"), st.sampled_from(["e1~a", "e1~b", "e2"])),
)
NETWORK = st.lists(
    st.lists(st.fixed_dictionaries({"bonn": ANSWER, "koeln": ANSWER}), min_size=1, max_size=2),
    min_size=3,
    max_size=3,
)
ORDER = st.permutations([0, 1, 2]).flatmap(
    lambda order: st.lists(st.integers(0, 2), max_size=2).map(lambda more: order + more)
)


def _lake(network: list[Any]) -> MemoryLake:
    def answer(stations_of_poll: dict[str, tuple[str, str]]) -> list[dict[str, Any]]:
        return [
            station([evse(uid, physical_reference=name)], station_id, name=name)
            for station_id, (name, uid) in stations_of_poll.items()
        ]

    return lake_of(
        {
            60.0 * hour + 10 * number: {place: answer(names) for place, names in poll.items()}
            for hour, content in enumerate(network)
            for number, poll in enumerate(content)
        }
    )


@pytest.mark.slow
@pytest.mark.usefixtures("equal_keys")
@settings(
    max_examples=max(5, settings().max_examples // 16),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(network=NETWORK, order=ORDER)
def test_conflict__any_answers_in_any_order_give_the_same_rows(
    network: list[Any], order: list[int]
) -> None:
    lake, expected, warehouse = _lake(network), DuckDBWarehouse(None), DuckDBWarehouse(None)
    load(expected, lake, 0, 1, 2)
    settle(expected, lake)
    load(warehouse, lake, *order)
    settle(warehouse, lake)
    assert hours.digests(warehouse) == hours.digests(expected)
