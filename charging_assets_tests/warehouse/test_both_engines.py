"""Every SQL file returns the same rows on DuckDB and on the test bed's Redshift."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from charging_assets.acquisition.importer import import_paths
from charging_assets.archive.raw_archive import hours_archived
from charging_assets.checks.rules import parameters
from charging_assets.hours import Hour, Span, to_naive_utc
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.s3 import S3Lake
from charging_assets.lake.store import Lake
from charging_assets.modelling import plans
from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.modelling.staging import staging_plan, staging_span_plan
from charging_assets.schemas.facts import FACT_POLL
from charging_assets.schemas.flat import FLAT_EVSES, FLAT_STATIONS
from charging_assets.schemas.table import Table
from charging_assets.simulator import Life, Network, Polling, write_history
from charging_assets.sources.feeds import load_feeds
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse
from charging_assets.warehouse.sql_files import sql, sql_folder
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.test_renamed_feeds import (
    archive_polls,
    load_hours,
    rename_feed,
)
from charging_assets_tests.testbed.bed import Redshift
from charging_assets_tests.warehouse.both_engines import Engines, difference
from charging_assets_tests.warehouse.redshifts import resource_of

FILES = sorted(
    str(path.relative_to(sql_folder()).with_suffix("")) for path in sql_folder().rglob("*.sql")
)
# What staging runs where ids have equal keys has a test of its own.
FILES = [name for name in FILES if not name.startswith("staging/")]
CHECKS = [name for name in FILES if name.startswith("checks/")]
# Statements that no load runs are run separately.
UNLOADED_STATEMENTS = CHECKS + [
    n for n in FILES if n.split("/")[0] in {"dashboard", "original", "reports", "views"}
]

# A day by the feed's clock, and what leads up to and away from it.
FIRST, HOURS = Hour.parse("2025-06-01T21"), 28
DAY = datetime(2025, 6, 2)
RESTLESS = Life(0.9, 0.9, 60, 60, 0.9, 900, 100)

_LAST_HOUR = "slot_at >= :window_start AND slot_at < :window_end"


def _polls_of(days_ago: int) -> str:
    """The last hour's polls once more, so many days ago, of twice as many EVSEs."""
    changes = {"slot_at": f"DATEADD('day', -{days_ago}, slot_at)", "evse_count": "evse_count * 2"}
    values = ", ".join(changes.get(name, name) for name in FACT_POLL.names)
    return (
        f"INSERT INTO warehouse.fact_poll ({', '.join(FACT_POLL.names)}) "
        f"SELECT {values} FROM warehouse.fact_poll WHERE {_LAST_HOUR}"
    )


def _elsewhere(table: Table, **changes: str) -> str:
    """The last hour's rows of places with b once more, as another place publishes them."""
    changes = {"place": "'zz'", **changes}
    values = ", ".join(changes.get(name, name) for name in table.names)
    return (
        f"INSERT INTO {table.full_name} ({', '.join(table.names)}) SELECT {values} "
        f"FROM {table.full_name} WHERE place LIKE 'b%' AND {_LAST_HOUR}"
    )


# For checks to find: a sound warehouse gives most of them nothing.
DEFECTS = (
    "DELETE FROM warehouse.dim_time",
    "DELETE FROM warehouse.fact_status WHERE poll_count > 1",
    "UPDATE warehouse.fact_charging_session SET duration_min_s = duration_max_s + 1",
    "UPDATE warehouse.entity_version SET valid_from = DATEADD('hour', -9, valid_from)",
    _polls_of(days_ago=7),
    _polls_of(days_ago=14),
    f"DELETE FROM warehouse.fact_poll WHERE place LIKE 'b%' AND {_LAST_HOUR}",
    "UPDATE staging.flat_connectors SET max_power_kw = max_power_kw * 3",
    "UPDATE staging.flat_evses SET evse_id = 'x'",
    "UPDATE staging.flat_polls SET station_rejected_count = station_count, "
    "observed_at = DATEADD('hour', -1, observed_at)",
    "UPDATE staging.flat_stations SET country = 'X' WHERE place LIKE 'b%'",
    "UPDATE staging.flat_stations SET postal_code = '1', latitude = 0",
    "UPDATE staging.flat_status SET parking_status = 'FREE' WHERE status = 'CHARGING'",
    'UPDATE staging.flat_status SET connector_status_overrides = \'{"c":"CHARGING"}\' '
    "WHERE status = 'AVAILABLE'",
    "UPDATE mart.mart_station_hour SET charging_s = charging_s + 1",
    "INSERT INTO ops.key_conflict SELECT slot_at, 'evse', evse_key, 1, evse_uid, FALSE "
    f"FROM staging.flat_evses WHERE {_LAST_HOUR}",
    "INSERT INTO ops.key_conflict SELECT slot_at, 'evse', evse_key, 2, 'z', TRUE "
    f"FROM staging.flat_evses WHERE {_LAST_HOUR}",
    f"UPDATE ops.flat_rejects SET code = 'unheard_of' WHERE {_LAST_HOUR}",
    _elsewhere(FLAT_STATIONS, latitude="latitude + 5"),
    _elsewhere(FLAT_EVSES, evse_id="'y'"),
)


@pytest.fixture
def engines(redshift: Redshift, s3_lake: S3Lake, tmp_path: Path) -> Engines:
    """Two empty warehouses."""
    return Engines(
        # In a file: temp tables of a load in memory would stay, and be read by later queries.
        DuckDBWarehouse(tmp_path / "warehouse.duckdb"),
        RedshiftWarehouse(resource_of(redshift), s3_lake, redshift.iam_role),
    )


@pytest.mark.slow
def test_every_file__on_a_dirty_day__gives_equal_rows_on_both_engines(engines: Engines) -> None:
    lake, network = MemoryLake(), Network(
        seed=6, scale=0.2, hostile=True, overrides=0.3, life=RESTLESS,
        places=("koeln", "bonn", "bretten", "kiel"),
    )  # fmt: skip
    end = Hour(FIRST.start + timedelta(hours=HOURS))
    write_history(lake, network, FIRST, end, polling=Polling(missed=0.02, failed=0.01))
    params = _load_and_compare(engines, lake, "simulated")
    engines.execute(*((defect, params) for defect in DEFECTS))
    for name in CHECKS:
        engines.query_both(sql(name), params, f"{name}, with defects")
    assert engines.differences == {}
    assert _without_rows(engines) == set()


@pytest.mark.slow
@pytest.mark.samples
def test_every_file__on_real_answers__gives_equal_rows_on_both_engines(
    engines: Engines, samples: Path
) -> None:
    lake = MemoryLake()
    folders = [samples / "chargecloud_2022", samples / "chargecloud_2024_stuttgart"]
    assert import_paths(lake, load_feeds()["chargecloud"], folders).problems == {}
    _load_and_compare(engines, lake, "chargecloud")
    assert engines.differences == {}
    files = set(FILES) - _without_rows(engines)
    assert {name.split("/")[0] for name in files} == {name.split("/")[0] for name in FILES}


@pytest.mark.slow
def test_loads__of_places_that_share_an_evse_and_overlap_are_equal_on_both_engines(
    engines: Engines,
) -> None:
    """Early and late in the hour only the second place has polls; slots of the places differ."""
    polls = {
        60.0 * hour + minute: {place: hours.stand(status, physical_reference=place[:name_length])}
        for hour in (0, 1)
        for minute, place, status, name_length in (
            (1, "koeln", "AVAILABLE", hour),
            (8, "bonn", "CHARGING", 0),
            (13, "koeln", "CHARGING", hour),
            (18, "bonn", "BLOCKED", 0),
            (57, "koeln", "BLOCKED", hour),
        )
    }
    lake = hours.lake_of(polls)
    first, second = hours_archived(lake)
    engines.apply([staging_plan(first, hours.flat_files(lake, first)), *derived_plans(first)])
    engines.apply([staging_plan(second, hours.flat_files(lake, second))])
    for plan in derived_plans(second):
        engines.step_by_step(plan)
    engines.tables()
    assert engines.differences == {}
    versions = engines.query_both(
        "SELECT place, valid_from FROM warehouse.dim_evse ORDER BY valid_from", {}
    )
    assert [row["place"] for row in versions] == ["bonn", "koeln", "bonn", "koeln"]


@pytest.mark.slow
@pytest.mark.usefixtures("equal_keys")
def test_loads__of_ids_with_equal_keys_are_equal_on_both_engines(engines: Engines) -> None:
    """The first of three hours is loaded last, so that the others are loaded again."""

    def two(first: str, second: str) -> list[dict[str, Any]]:
        return [
            hours.station([hours.evse(f"e-{station_id}")], station_id, name=station_id)
            for station_id in (first, second)
        ]

    polls = {0.0: two("s1~b", "s2"), 60.0: two("s1~a", "s2"), 120.0: two("s1~a", "s1~b")}
    lake = hours.lake_of(polls)
    first, *later = hours_archived(lake)
    for hour in (*later, first, *later):
        engines.apply([staging_plan(hour, hours.flat_files(lake, hour)), *derived_plans(hour)])
        engines.tables()
    assert engines.differences == {}
    rows = engines.query_both(
        "SELECT station_id FROM warehouse.dim_station ORDER BY station_id", {}
    )
    assert [row["station_id"] for row in rows] == ["s1~b", "s2"]
    rows = engines.query_both("SELECT DISTINCT slot_at, is_rejected FROM ops.key_conflict", {})
    assert len(rows) == 4


def _load_and_compare(engines: Engines, lake: Lake, feed: str) -> dict[str, Any]:
    """Load all hours and run all files; the parameters of the last hour.

    The hours before the last are loaded as a span, the last statement by statement. Its EVSEs are
    then loaded again as those of a span, which affects all of them.
    """
    *earlier, last = hours_archived(lake)
    files = {hour: hours.flat_files(lake, hour) for hour in (*earlier, last)}
    before = {hour: files[hour] for hour in earlier}
    engines.apply([staging_span_plan(before), *derived_plans(Span(tuple(earlier)))])
    engines.apply([staging_plan(last, files[last])])
    for plan in (*derived_plans(last), plans.dimension_plan(plans.EVSE, Span((last,)))):
        engines.step_by_step(plan)
    engines.tables()
    hour, whole = _parameters(engines, feed, earlier[0], last)
    for name in UNLOADED_STATEMENTS:
        engines.query_both(sql(name), hour, f"{name}, an hour")
        engines.query_both(sql(name), whole, f"{name}, all hours")
    return hour


def _parameters(
    engines: Engines, feed: str, first: Hour, last: Hour
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the last hour, its day and every place; of all hours and one place and operator."""
    busiest = engines.duckdb.query(
        "SELECT station_key, place, operator_name FROM mart.mart_station_day "
        "WHERE operator_name IS NOT NULL ORDER BY session_count DESC, station_key LIMIT 1"
    ).to_pylist()[0]
    hour = {
        **parameters(last, last.end), "feed": feed, "time_zone": "Europe/Berlin",
        "entity_type": "station", "from_date": DAY, "to_date": DAY, **busiest,
        "place": "", "operator_name": "", "station_key": 0, "evse_key": 0,
        "is_open_only": 1, "min_power_kw": 0,
    }  # fmt: skip
    whole = {
        **hour, **busiest, "entity_type": "evse",
        # Two hours of these were not polled.
        "window_start": to_naive_utc(first.start) - timedelta(hours=2),
        "from_date": datetime(2022, 1, 1), "to_date": datetime(2025, 12, 31),
    }  # fmt: skip
    return hour, whole


def _without_rows(engines: Engines) -> set[str]:
    """The files of which never a row was compared; all of them must have been run."""
    compared = {name: engines.counts.get(sql(name)) for name in FILES}
    assert [name for name, count in compared.items() if count is None] == []
    return {name for name, count in compared.items() if count == 0}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([{"a": 1}], [{"a": 2}]),
        ([{"a": 1}], [{"a": 1.0}]),
        ([{"a": 1}], [{"a": None}]),
        ([{"a": 1}, {"a": 1}], [{"a": 1}]),
        ([{"a": 1.0}], [{"a": 1.0 + 1e-10}]),
        (
            [{"a": "x", "b": 1.0}, {"a": "y", "b": 2.0}],
            [{"a": "x", "b": 2.0}, {"a": "y", "b": 1.0}],
        ),
    ],
)
def test_difference__is_seen(ours: list[Any], theirs: list[Any]) -> None:
    assert difference(ours, theirs)
    assert difference(ours, ours) == difference(theirs, theirs) == ""


def test_difference__is_none_between_sums_of_another_order_or_rows_in_another() -> None:
    ours = [{"a": 0.1 + 0.2 + 0.3, "b": "x"}, {"a": 1.0, "b": "y"}]
    theirs = [{"a": 1.0, "b": "y"}, {"a": 0.3 + 0.2 + 0.1, "b": "x"}]
    assert difference(ours, theirs) == ""
    assert difference(ours, theirs, in_order=True)


@pytest.mark.slow
def test_renamed_feed__is_the_same_rows_on_both_engines(engines: Engines) -> None:
    """Two feeds of one network: in one hour one after the other, and in one slot."""
    lake = rename_feed(90, "new")
    archive_polls(lake, dict.fromkeys(range(0, 30, 10), "new"))
    embedded, clustered = (
        hours.digests(load_hours(warehouse, lake, "new", (1, 0, 2), as_span=False))
        for warehouse in engines.both
    )
    assert clustered == embedded
