"""Rebuilds: everything from raw objects alone, and a year of dimensions from flat files.

CHARGING_BENCH_REBUILD_DAYS is the number of days of the network at 1x that are simulated and
rebuilt from raw (half a year: 183), CHARGING_BENCH_DIMENSION_DAYS the number of days whose
dimensions are rebuilt (a year: 365). If that is more than was simulated, the flat files of the
simulated days are copied to earlier days. The figures are those of the measured size; a goal is met
only at full size.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.hours import Hour, Span, hours_between
from charging_assets.lake.flat_files import open_hour, write_flat
from charging_assets.lake.store import LocalLake
from charging_assets.modelling.plans import ENTITIES, dimension_plan
from charging_assets.modelling.staged_hours import prune
from charging_assets.modelling.staging import ASSET as STAGED
from charging_assets.preprocessing.version import flat_version
from charging_assets.schemas.flat import (
    FLAT_CONNECTORS,
    FLAT_EVSES,
    FLAT_POLLS,
    FLAT_STATIONS,
)
from charging_assets.schemas.table import Table
from charging_assets.simulator import Network, write_history
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.plan import ALL_FEEDS, LoadInput, Plan, ReplaceFromArrow, hour_scope
from charging_assets_tests.stale_loads import errors_of, load_stale

FIRST = Hour.parse("2025-06-02T00")
HALF_A_YEAR, YEAR = 183, 365
# There is no target for half a year from raw; its time is only reported.
YEAR_WITHIN_S = 600.0
_DIMENSION_TABLES = (FLAT_POLLS, FLAT_STATIONS, FLAT_EVSES, FLAT_CONNECTORS)
_WINDOW = 24 * 30


def run() -> list[dict[str, Any]]:
    """Seconds of both rebuilds, for the sizes in the environment."""
    days = int(os.environ.get("CHARGING_BENCH_REBUILD_DAYS", "1"))
    dimension_days = int(os.environ.get("CHARGING_BENCH_DIMENSION_DAYS", "30"))
    with tempfile.TemporaryDirectory() as folder:
        lake = LocalLake(Path(folder) / "lake")
        write_history(lake, Network(seed=3), FIRST, _after(FIRST, 24 * days))
        everything = _from_raw(lake, Path(folder) / "all.duckdb", days)
        simulated = list(hours_archived(lake))
        hours = _lengthen(lake, simulated, 24 * dimension_days)
        dimensions = _dimensions(lake, Path(folder) / "dimensions.duckdb", hours)
    return [everything, dimensions]


def _from_raw(lake: LocalLake, path: Path, days: int) -> dict[str, Any]:
    warehouse = DuckDBWarehouse(path)
    spent: dict[str, float] = {}

    def add(asset: str, hours: Sequence[Hour], seconds: float) -> None:
        spent[asset] = spent.get(asset, 0.0) + seconds

    began = time.perf_counter()
    assert errors_of(load_stale(lake, warehouse, progress=add, workers=None)) == {}
    took = time.perf_counter() - began
    return {
        "goal": "everything of half a year from raw alone, timed (seconds a day of history)",
        "ratio": round(took / days, 2),
        "target": None,
        "met": days >= HALF_A_YEAR,
        "days": days,
        "seconds": round(took, 1),
        "seconds_by_asset": {name: round(seconds, 1) for name, seconds in spent.items()},
    }


def _dimensions(lake: LocalLake, path: Path, hours: Sequence[Hour]) -> dict[str, Any]:
    """All dimensions from flat files into an empty warehouse, in windows of a month."""
    warehouse = DuckDBWarehouse(path)
    began = time.perf_counter()
    spent = {"staging": 0.0, **{entity.dimension.name: 0.0 for entity in ENTITIES}}
    for at in range(0, len(hours), _WINDOW):
        month = hours[at : at + _WINDOW]
        started = time.perf_counter()
        for day in range(0, len(month), 24):
            warehouse.apply(_staged(lake, month[day : day + 24]))
        spent["staging"] += time.perf_counter() - started
        for entity in ENTITIES:
            started = time.perf_counter()
            warehouse.apply(dimension_plan(entity, Span(tuple(month))))
            spent[entity.dimension.name] += time.perf_counter() - started
        prune(warehouse, Span(tuple(month)))
    took = time.perf_counter() - began
    days = len(hours) / 24
    return {
        "goal": "dimensions of a year rebuilt, against ten minutes",
        "ratio": round(took / days * YEAR / YEAR_WITHIN_S, 2),
        "target": 1.0,
        "met": took / days * YEAR <= YEAR_WITHIN_S and days >= YEAR,
        "days": round(days),
        "seconds": round(took, 1),
        "seconds_by_step": {name: round(part, 1) for name, part in spent.items()},
    }


def _staged(lake: LocalLake, hours: Sequence[Hour]) -> Plan:
    """The plan that stages the tables dimensions read for a day, without status."""
    span = Span(tuple(hours))
    steps = tuple(
        ReplaceFromArrow(table, hour_scope(table, span), partial(_read, lake, table, span))
        for table in _DIMENSION_TABLES
    )
    inputs = {(hour, ALL_FEEDS): LoadInput(hour.key, hour.key) for hour in hours}
    return Plan(asset=STAGED, hour=span, code_version="bench", steps=steps, inputs=inputs)


def _read(lake: LocalLake, table: Table, span: Span) -> pa.Table:
    return pa.concat_tables([open_hour(lake, table, hour).read() for hour in span.hours])


def _lengthen(lake: LocalLake, simulated: Sequence[Hour], count: int) -> list[Hour]:
    """Flat files of `count` hours that end with the simulated ones."""
    last = simulated[-1]
    hours = list(hours_between(_after(last, 1 - count), last))
    for number, hour in enumerate(reversed(hours)):
        source = simulated[-1 - number % len(simulated)]
        if source == hour:
            continue
        for table in _DIMENSION_TABLES:
            rows = _shift_times(open_hour(lake, table, source).read(), hour.start - source.start)
            versions = {"archive_digest": hour.key, "code_version": flat_version()}
            write_flat(lake, table, "bench", hour, rows, **versions)
    return hours


def _after(hour: Hour, count: int) -> Hour:
    return Hour(hour.start + timedelta(hours=count))


def _shift_times(rows: pa.Table, by: timedelta) -> pa.Table:
    for number, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            shifted = pc.add(rows.column(number), pa.scalar(by, pa.duration("us")))
            rows = rows.set_column(number, field, shifted.cast(field.type))
    return rows
