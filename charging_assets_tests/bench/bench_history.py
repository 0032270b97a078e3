"""P6: the time to load an hour after a long history, against the same hour after one day.

The history is realistic: a simulated day is loaded, and its rows are copied to each of the days
before it. Both warehouses then load the same next hours. CHARGING_BENCH_DAYS is the length of the
history (three years: 1095).
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from charging_assets.archive.raw_archive import digest, hours_archived, read_places
from charging_assets.hours import Hour
from charging_assets.lake.flat_files import FlatFile, write_flat
from charging_assets.lake.store import LocalLake
from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.modelling.staging import staging_plan
from charging_assets.preprocessing.flatten import flatten
from charging_assets.preprocessing.version import flat_version
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.schemas.table import Type
from charging_assets.simulator import Network, write_history
from charging_assets.warehouse.duckdb.connection import connect_duckdb
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse

FIRST = Hour.parse("2025-06-02T00")
NEXT_HOURS = 12
TARGET = 1.2
# Tables with one row for each version, not for each hour.
_VERSIONED = (
    "entity_version", "dim_station", "dim_evse", "dim_connector", "bridge_station_opening",
    "bridge_evse_capability",
)  # fmt: skip
# Days between two rows of a key, if not one.
_EVERY_DAYS = {"mart_operator_month": 30}


def run() -> list[dict[str, Any]]:
    """The ratio of an hour's load time after a long history to that after one day."""
    days = int(os.environ.get("CHARGING_BENCH_DAYS", "90"))
    with tempfile.TemporaryDirectory() as folder:
        lake = LocalLake(Path(folder) / "lake")
        end = Hour(FIRST.start + timedelta(hours=24 + NEXT_HOURS))
        write_history(lake, Network(seed=3), FIRST, end)
        hours = list(hours_archived(lake))
        files = {hour: _flat(lake, hour) for hour in hours}
        short, long = (
            DuckDBWarehouse(Path(folder) / f"{name}.duckdb") for name in ("day", "history")
        )
        for hour in hours[:24]:
            for warehouse in (short, long):
                _load(warehouse, files[hour], hour)
        assert long.path
        rows = lengthen(long.path, days)
        took = [
            (_timed(short, files[hour], hour), _timed(long, files[hour], hour))
            for hour in hours[24:]
        ]
    ratio = statistics.median(after / before for before, after in took)
    return [
        {
            "goal": "P6 an hour after a long history, against after a day",
            "ratio": round(ratio, 2),
            "target": TARGET,
            "met": ratio <= TARGET,
            "days": days,
            "history_rows": rows,
            "seconds_after_a_day": round(statistics.median(pair[0] for pair in took), 2),
            "seconds_after_history": round(statistics.median(pair[1] for pair in took), 2),
        }
    ]


def _flat(lake: LocalLake, hour: Hour) -> list[FlatFile]:
    keys = hours_archived(lake)[hour]
    tables = flatten(read_places(lake, keys))
    made_from = {"archive_digest": digest(keys), "code_version": flat_version()}
    return [
        write_flat(lake, table, "bench", hour, tables[table.name], **made_from)
        for table in FLAT_TABLES
    ]


def _load(warehouse: DuckDBWarehouse, files: list[FlatFile], hour: Hour) -> None:
    warehouse.apply_all([staging_plan(hour, files), *derived_plans(hour)])


def _timed(warehouse: DuckDBWarehouse, files: list[FlatFile], hour: Hour) -> float:
    started = time.perf_counter()
    _load(warehouse, files, hour)
    return time.perf_counter() - started


def lengthen(path: Path, days: int) -> int:
    """Copy the day's rows to the `days` before; staging keeps its window of two weeks."""
    connection, rows = connect_duckdb(path), 0
    for table in TABLES:
        times = [c.name for c in table.columns if c.type is Type.TIMESTAMP]
        if table.name in _VERSIONED:
            connection.execute(
                # Only the first versions: later ones follow them.
                f"UPDATE {table.full_name} SET valid_from = valid_from - INTERVAL {days} DAY "
                f"WHERE valid_from = (SELECT MIN(valid_from) FROM {table.full_name})"
            )
            continue
        if not times:
            continue
        window = min(days, 14) if table.schema == "staging" else days
        columns = ", ".join(
            f"{name} - to_days(CAST(n AS INTEGER))" if name in times else name
            for name in table.names
        )
        count = connection.execute(
            f"INSERT INTO {table.full_name} SELECT {columns} FROM {table.full_name}, "
            f"range(1, {window}, {_EVERY_DAYS.get(table.name, 1)}) AS shifts(n) ORDER BY n DESC"
        ).fetchone()
        rows += count[0] if count else 0
    connection.close()
    return rows
