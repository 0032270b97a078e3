"""Real answers of 2022 and 2024, shared samples, if present: what came of every row of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from charging_assets import definitions, deployments
from charging_assets.acquisition.importer import import_paths
from charging_assets.archive.raw_archive import hours_archived
from charging_assets.sources.feeds import load_feeds
from charging_assets_tests.modelling.hours import digests

pytestmark = pytest.mark.samples

IN_2022 = "query_time < TIMESTAMP '2023-01-01 00:00:00'"


@pytest.fixture(scope="module")
def storage(samples: Path) -> deployments.Storage:
    """The two polls of 2022 and the answer of 2024, imported and materialized through Dagster."""
    made = deployments.memory_storage()
    folders = [samples / "chargecloud_2022", samples / "chargecloud_2024_stuttgart"]
    report = import_paths(made.lake, load_feeds()["chargecloud"], folders)
    assert (len(report.imported), report.problems) == (3, {})
    job = definitions.build(made).resolve_job_def("load_hour")
    archived = hours_archived(made.lake)
    assert [hour.key for hour in archived] == ["2022-01-11T20", "2022-01-11T21", "2024-10-23T11"]
    for hour in archived:
        assert job.execute_in_process(partition_key=hour.key).success
    return made


@pytest.fixture(scope="module")
def in_2022(samples: Path) -> Path:
    return samples / "chargecloud_2022"


def rows(storage: deployments.Storage, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in storage.warehouse.query(sql).to_pylist()]


def expected(path: Path, *names: str) -> Iterator[tuple[Any, ...]]:
    with path.open(newline="") as file:
        for row in csv.DictReader(file, delimiter=";"):
            at = datetime.fromisoformat(row["timestamp"]).astimezone(UTC)
            yield (*(None if row[name] == "-" else row[name] for name in names), at)


def in_utc(rows_read: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(((*row[:-1], row[-1].astimezone(UTC)) for row in rows_read), key=repr)


def test_polls_of_2022__have_every_record(storage: deployments.Storage) -> None:
    assert rows(
        storage,
        "SELECT slot_at, SUM(station_count), SUM(evse_count), SUM(connector_count), COUNT(*) "
        "FROM warehouse.fact_poll WHERE slot_at < TIMESTAMP '2023-01-01 00:00:00' "
        "GROUP BY 1 ORDER BY 1",
    ) == [
        (datetime(2022, 1, 11, 20, 58, 24), 1162, 2428, 2811, 38),
        (datetime(2022, 1, 11, 21, 8, 22), 1162, 2428, 2811, 38),
    ]


def test_polls_of_2022__lose_and_reject_nothing(storage: deployments.Storage) -> None:
    assert rows(storage, "SELECT COUNT(*) FROM ops.flat_rejects") == [(0,)]
    assert rows(
        storage,
        "SELECT SUM(station_rejected_count + evse_rejected_count + connector_rejected_count "
        "+ field_rejected_count) FROM warehouse.fact_poll",
    ) == [(0,)]
    staged = "WHERE slot_at < TIMESTAMP '2023-01-01 00:00:00'"
    counts = (("stations", 1162), ("evses", 2428), ("connectors", 2811), ("status", 2428))
    for table, count in counts:
        polled = rows(storage, f"SELECT SUM(poll_count) FROM staging.flat_{table} {staged}")
        assert polled == [(2 * count,)], table
    assert rows(storage, f"SELECT SUM(poll_count) FROM staging.flat_status {staged}") == [
        (2 * 2428,)
    ]


def test_status_chargingpoints__are_the_original_rows(
    storage: deployments.Storage, in_2022: Path
) -> None:
    wanted = expected(in_2022 / "expected_status_cps.csv", "id", "status", "parkingsensor_status")
    read = rows(
        storage,
        "SELECT id_chargingpoint, status_cp, status_parkingsensor, query_time "
        f"FROM original.status_chargingpoints WHERE {IN_2022}",
    )
    assert in_utc(read) == sorted(wanted, key=repr)


def test_status_connectors__are_the_original_rows(
    storage: deployments.Storage, in_2022: Path
) -> None:
    wanted = expected(in_2022 / "expected_status_connectors.csv", "id", "status")
    read = rows(
        storage,
        "SELECT id_connector, status_connector, query_time "
        f"FROM original.status_connectors WHERE {IN_2022}",
    )
    assert in_utc(read) == sorted(wanted, key=repr)


def test_fact_status__needs_one_row_for_two_polls_of_an_hour_at_most(
    storage: deployments.Storage,
) -> None:
    (counts,) = rows(storage, "SELECT COUNT(*), SUM(poll_count) FROM warehouse.fact_status")
    assert counts[0] <= counts[1] == 2 * 2428 + 119


# --- the original model -----------------------------------------------------------------------

# Views with their columns as documented, and what sort of value each holds.
TEXT, NUMBER, WHOLE, TRUTH, TIME = str, float, int, bool, datetime
VIEWS: dict[str, dict[str, type]] = {
    "status_chargingpoints": {
        "id_status_cp": WHOLE, "id_chargingpoint": TEXT, "query_time": TIME, "status_cp": TEXT,
        "status_parkingsensor": TEXT,
    },
    "status_connectors": {
        "id_status_connector": WHOLE, "id_connector": TEXT, "query_time": TIME,
        "status_connector": TEXT,
    },
    "charging_station": {
        "id_cs": TEXT, "name": TEXT, "address": TEXT, "city": TEXT, "postal_code": TEXT,
        "country": TEXT, "owner": TEXT, "roaming": TRUTH, "latitude": NUMBER, "longitude": NUMBER,
        "operator_name": TEXT, "operator_hotline": TEXT, "open_24_7": TRUTH,
    },
    "charging_point": {
        "id_cp": TEXT, "id_cs": TEXT, "charging_station_position": TEXT, "roaming": TRUTH,
        "physical_reference": TEXT, "cp_parking_space_numbers": TEXT, "cp_position": TEXT,
        "vehicle_type": TEXT, "floor_level": TEXT,
    },
    "connector": {
        "id_connector": TEXT, "id_cp": TEXT, "format": TEXT, "power_type": TEXT, "ampere": WHOLE,
        "max_power": WHOLE, "voltage": WHOLE, "standard": TEXT,
    },
    "time": {
        "query_time": TIME, "hour": WHOLE, "day": WHOLE, "week": WHOLE, "month": WHOLE,
        "year": WHOLE, "weekday": WHOLE,
    },
}  # fmt: skip
# What no sample has a value for.
ALWAYS_NULL = {"cp_parking_space_numbers", "status_parkingsensor", "cp_position", "owner",
               "charging_station_position"}  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
def test_original_view__has_its_columns_and_sane_values(
    storage: deployments.Storage, view: str
) -> None:
    table = storage.warehouse.query(f"SELECT * FROM original.{view}")
    assert table.column_names == list(VIEWS[view])
    assert table.num_rows > 20
    for name, wanted in VIEWS[view].items():
        types = {type(value) for value in table.column(name).to_pylist() if value is not None}
        assert types in ({wanted}, set() if name in ALWAYS_NULL else {wanted}), name


@pytest.mark.parametrize(
    ("view", "key"),
    [("charging_station", "id_cs"), ("charging_point", "id_cp"), ("connector", "id_connector"),
     ("time", "query_time"), ("status_chargingpoints", "id_status_cp"),
     ("status_connectors", "id_status_connector")],
)  # fmt: skip
def test_original_view__has_one_row_an_id(
    storage: deployments.Storage, view: str, key: str
) -> None:
    (counts,) = rows(storage, f"SELECT COUNT(*), COUNT(DISTINCT {key}) FROM original.{view}")
    assert counts[0] == counts[1]


def test_original_views__join_as_the_original_dashboard_does(storage: deployments.Storage) -> None:
    joined = rows(
        storage,
        "SELECT COUNT(*), COUNT(DISTINCT stations.id_cs) "
        "FROM original.status_chargingpoints AS status "
        "INNER JOIN original.charging_point AS points ON status.id_chargingpoint = points.id_cp "
        "INNER JOIN original.charging_station AS stations ON points.id_cs = stations.id_cs "
        "INNER JOIN original.time AS times ON status.query_time = times.query_time",
    )
    assert joined == [
        (2 * 2428 + 119, rows(storage, "SELECT COUNT(*) FROM original.charging_station")[0][0])
    ]


def test_original_time__is_local(storage: deployments.Storage) -> None:
    days = rows(
        storage,
        f"SELECT DISTINCT hour, day, week, month, year, weekday FROM original.time WHERE {IN_2022} "
        "ORDER BY hour",
    )
    assert days == [(21, 11, 2, 1, 2022, 1), (22, 11, 2, 1, 2022, 1)]


# --- 2024 -------------------------------------------------------------------------------------


def test_answer_of_2024__keeps_its_new_fields(storage: deployments.Storage, samples: Path) -> None:
    path = samples / "chargecloud_2024_stuttgart" / "SW-Stuttgart.json"
    published = json.loads(path.read_bytes())["data"]
    evses = [evse for station in published for evse in station["evses"]]
    (counts,) = rows(
        storage,
        "SELECT station_count, evse_count, connector_count FROM warehouse.fact_poll "
        "WHERE place = 'SW-Stuttgart'",
    )
    assert counts == (
        len(published), len(evses), sum(len(evse["connectors"]) for evse in evses)
    )  # fmt: skip
    loaded = {
        row[0]: row[1:]
        for row in rows(
            storage,
            "SELECT station_id, publication_status, opening_hours, tariff_zones, operator_id "
            "FROM warehouse.dim_station WHERE place = 'SW-Stuttgart'",
        )
    }
    assert len(loaded) == len(published)
    for station in published:
        status, hours, zones, operator = loaded[str(station["id"])]
        assert status == (station.get("status") or None)
        assert (hours is None) == ("regular_hours" not in (station.get("opening_times") or {}))
        assert (json.loads(zones) if zones else []) == sorted(station.get("tariffZones") or [])
        assert operator == ((station.get("operator") or {}).get("operatorId") or None)


def test_answer_of_2024__reports_its_drift(storage: deployments.Storage) -> None:
    ((unknown,),) = rows(
        storage, "SELECT unknown_fields FROM warehouse.fact_poll WHERE place = 'SW-Stuttgart'"
    )
    assert json.loads(unknown) == ["/currentLocale", "/languages", "/localesLanguageMap"]


@pytest.mark.slow
def test_import_and_load_again__change_nothing(storage: deployments.Storage, samples: Path) -> None:
    before = digests(storage.warehouse)
    folder = samples / "chargecloud_2022"
    report = import_paths(storage.lake, load_feeds()["chargecloud"], [folder])
    assert (report.imported, len(report.existing)) == ({}, 2)
    job = definitions.build(storage).resolve_job_def("load_hour")
    assert job.execute_in_process(partition_key="2022-01-11T20").success
    assert digests(storage.warehouse) == before
