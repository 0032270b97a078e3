"""Published files: which files, in what order, and only if bytes change."""

import io
import json
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.lake.memory import MemoryLake
from charging_assets.publication.publish import PUBLISHED, publish, published_counts
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.modelling import hours

COLUMNS = Path(__file__).resolve().parents[1] / "schemas/published_columns.json"


def _station_hour(warehouse, station_key):
    warehouse.execute(
        (
            "INSERT INTO mart.mart_station_hour SELECT TIMESTAMP '2022-01-11 20:00:00', "
            f"TIMESTAMP '2022-01-11', 'test', 'koeln', {station_key}, 1" + 13 * ", 0",
            {},
        )
    )


def test_publish__the_same_rows_are_written_once():
    lake, warehouse = MemoryLake(), hours.loaded({0: hours.stand()})
    first = publish(lake, warehouse, hours.HOUR)
    assert first["published/dim_evse/dim_evse.parquet"] == 1
    assert publish(lake, warehouse, hours.HOUR) == {}
    again = MemoryLake()
    publish(again, hours.loaded({0: hours.stand()}), hours.HOUR)
    assert again.objects == lake.objects


def test_publish__a_day_is_sorted_by_key_and_emptied_when_its_rows_go():
    lake, warehouse = MemoryLake(), hours.loaded({0: hours.stand()}, only="dim_station")
    publish(lake, warehouse, hours.HOUR)
    for key in (3, 1, 2):
        _station_hour(warehouse, key)
    file = "published/mart_station_hour/date=2022-01-11/mart_station_hour.parquet"
    by_city = "published/city_hour/date=2022-01-11/city_hour.parquet"
    assert publish(lake, warehouse, hours.HOUR) == {file: 3, by_city: 1}
    published = pq.read_table(io.BytesIO(lake.get(file)))
    assert published.column("station_key").to_pylist() == [1, 2, 3]
    warehouse.execute(("DELETE FROM mart.mart_station_hour", {}))
    assert publish(lake, warehouse, hours.HOUR) == {file: 0, by_city: 0}


def test_publish__of_polls_after_a_gap_brings_the_month_of_the_poll_before_up_to_date():
    """The window of the month in which polling stopped ends with the month, once it goes on."""
    polls, after = {0: hours.stand(), 60 * 24 * 50: hours.stand()}, hours.hour_after(24 * 50)
    source, lake, warehouse = hours.lake_of(polls), MemoryLake(), DuckDBWarehouse(None)
    for hour in (hours.HOUR, after):
        hours.load(warehouse, source, hour)
        publish(lake, warehouse, hour)
    body = lake.get("published/mart_operator_month/month=2022-01/mart_operator_month.parquet")
    (row,) = pq.read_table(io.BytesIO(body)).to_pylist()
    assert row["ends_at"] == datetime(2022, 1, 31, 23)
    assert all(
        file_rows == there for file_rows, there in published_counts(lake, warehouse, after).values()
    )


def test_publish__an_operator_that_changes_at_noon_is_published_for_all_hours_of_the_local_day():
    """The local day begins at 23:00 UTC the day before, whose file is another one."""
    minutes = {60.0 * hour: "A" if hour < 15 else "B" for hour in (3, 4, 15, 16)}
    polls = {minute: [hours.station(operator={"name": name})] for minute, name in minutes.items()}
    source, lake, warehouse = hours.lake_of(polls), MemoryLake(), DuckDBWarehouse(None)
    for hour in hours_archived(source):
        hours.load(warehouse, source, hour)
        publish(lake, warehouse, hour)
    for date in ("2022-01-11", "2022-01-12"):
        body = lake.get(f"published/city_hour/date={date}/city_hour.parquet")
        names = set(pq.read_table(io.BytesIO(body)).column("operator_name").to_pylist())
        assert names == {"B"}


def test_published_columns__change_only_with_a_major_version():
    promised = json.loads(COLUMNS.read_text(encoding="utf-8"))
    now = {table.name: list(table.names) for table in PUBLISHED}
    gone = {
        name: lost
        for name, columns in promised.items()
        if (lost := sorted(set(columns) - set(now.get(name, []))))
    }
    assert not gone, f"gone: {gone}; put them back, or raise the major version"
    assert now == promised, f"add what is new (or in another order) to {COLUMNS.name}"


def test_publish__of_many_hours_releases_the_warehouse_in_between(monkeypatch):
    warehouse = hours.loaded({0: hours.stand(), 60 * 24 * 40: hours.stand()})
    readings = []
    reading = warehouse.reading
    monkeypatch.setattr(warehouse, "reading", lambda: readings.append(1) or reading())
    far = hours.hour_after(24 * 40)
    publish(MemoryLake(), warehouse, hours.HOUR)
    assert len(readings) == 1
    lake = MemoryLake()
    publish(lake, warehouse, hours.HOUR, far)
    assert len(readings) > 2
    assert {key.split("/")[1] for key in lake.objects} >= {"dim_evse", "fact_status"}
