"""Thirty days of data of a network of realistic size: one simulated day, loaded and repeated.

The data is kept in `build/` until the code that creates it changes. One of the thirty days has no
polls: its rows are deleted.
"""

from __future__ import annotations

import hashlib
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from charging_assets.archive.raw_archive import digest, hours_archived, keys_by_feed, read_places
from charging_assets.hours import Hour, Span, hours_between
from charging_assets.lake.flat_files import FlatFile, write_flat
from charging_assets.lake.store import LocalLake
from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.modelling.staging import staging_plan, staging_span_plan
from charging_assets.preprocessing.flatten import flatten
from charging_assets.preprocessing.version import flat_version
from charging_assets.publication.publish import PUBLISHED, publish
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.dimensions import DIM_TIME
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.simulator import Network, write_history
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.bench.bench_history import lengthen

DAYS = 30
# A local day (Europe/Berlin, winter) from midnight to midnight.
FIRST = Hour.parse("2026-01-12T23")
LAST = Hour.parse("2026-01-13T22")
NEXT = [Hour.parse("2026-01-13T23"), Hour.parse("2026-01-14T00"), Hour.parse("2026-01-14T01")]
LAST_DAY = datetime(2026, 1, 13)
FIRST_DAY = LAST_DAY - timedelta(days=DAYS - 1)
GAP_DAY = LAST_DAY - timedelta(days=9)
_BUILD = Path(__file__).resolve().parents[2] / "build"


def network(home: Path = _BUILD / "e2e-home", scale: float = 1.0) -> Path:
    """A CHARGING_HOME with the data; created again only if the code that creates it has changed."""
    made_by = _version(scale)
    mark = home / "made_by"
    if not mark.exists() or mark.read_text() != made_by:
        shutil.rmtree(home, ignore_errors=True)
        make(home, scale)
        mark.write_text(made_by)
    return home


def make(home: Path, scale: float) -> None:
    lake, warehouse = LocalLake(home / "lake"), DuckDBWarehouse(home / "charging.duckdb")
    write_history(lake, Network(seed=5, scale=scale), FIRST, Hour(NEXT[-1].end))
    load_span(lake, warehouse, Span(tuple(hours_between(FIRST, LAST))))
    assert warehouse.path
    lengthen(warehouse.path, DAYS)
    # The repeated days are other days of the week.
    warehouse.execute(
        ("UPDATE warehouse.dim_time SET weekday = (EXTRACT(dow FROM local_date) + 6) % 7 + 1", {})
    )
    _delete_a_day(warehouse)
    hours = hours_between(Hour(FIRST.start - timedelta(days=DAYS - 1)), LAST)
    publish(lake, warehouse, *list(hours)[::23])


def load(lake: LocalLake, warehouse: DuckDBWarehouse, hour: Hour) -> None:
    """An hour from the archive into every table, without Dagster."""
    warehouse.apply_all([staging_plan(hour, flat_files(lake, hour)), *derived_plans(hour)])


def load_span(lake: LocalLake, warehouse: DuckDBWarehouse, span: Span) -> None:
    """The same for hours together, which is much faster."""
    files = {hour: flat_files(lake, hour) for hour in span.hours}
    warehouse.apply_all([staging_span_plan(files), *derived_plans(span)])


def flat_files(lake: LocalLake, hour: Hour) -> list[FlatFile]:
    """Write an hour's flat files, feed by feed."""
    files = []
    for feed, keys in keys_by_feed(hours_archived(lake)[hour]).items():
        tables = flatten(read_places(lake, keys))
        made_from = {"archive_digest": digest(keys), "code_version": flat_version()}
        files += [write_flat(lake, t, feed, hour, tables[t.name], **made_from) for t in FLAT_TABLES]
    return files


def _delete_a_day(warehouse: DuckDBWarehouse) -> None:
    """Take a local day out of every table that holds something of it."""
    start = GAP_DAY - timedelta(hours=1)
    day = {"day_from": start, "day_to": start + timedelta(days=1)}
    hourly = [t.full_name for t in TABLES if t in PUBLISHED and "slot_at" in t.names]
    hourly = [name for name in hourly if "month" not in name]
    warehouse.execute(
        *(
            (f"DELETE FROM {name} WHERE slot_at >= :day_from AND slot_at < :day_to", day)
            for name in hourly
            if name != DIM_TIME.full_name
        )
    )


def _version(scale: float) -> str:
    package = Path(__file__).resolve().parents[2]
    made_by = [*(package / "sql").rglob("*.sql"), Path(__file__)]
    inputs = [
        path.read_text(encoding="utf-8") for path in sorted(made_by) if "dashboard" not in str(path)
    ]
    inputs += [repr(table) for table in TABLES] + [str(scale)]
    return hashlib.sha256("\n".join(inputs).encode()).hexdigest()
