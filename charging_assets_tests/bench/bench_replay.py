"""P8, the replay: two days of every asset in one run, against the same work without Dagster.

Both flatten, stage, derive and publish the same hours, asset by asset, into separate warehouses;
the difference is Dagster's overhead for each materialization event.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg

from charging_assets.acquisition.poll_hour import find_hour
from charging_assets.archive.raw_archive import read_places
from charging_assets.definitions import build
from charging_assets.deployments import Storage
from charging_assets.hours import Hour
from charging_assets.lake.flat_files import FlatFile, write_flat
from charging_assets.lake.store import LocalLake
from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.modelling.staging import staging_plan
from charging_assets.orchestration import dagster_home
from charging_assets.orchestration.runs import FIRST_TAG, LAST_TAG
from charging_assets.preprocessing.flatten import flatten
from charging_assets.preprocessing.schema_check import find_violations
from charging_assets.preprocessing.version import flat_version
from charging_assets.publication.publish import publish
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.simulator import Network, write_history
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse

FIRST = Hour.parse("2025-01-08T00")
HOURS, SCALE, TARGET_MS = 48, 0.05, 25.0


def run(hours: int = HOURS) -> list[dict[str, Any]]:
    """Dagster's milliseconds for each materialization of a replay of many hours."""
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        lake = LocalLake(Path(folder) / "lake")
        end = Hour(FIRST.start + timedelta(hours=hours))
        write_history(lake, Network(seed=1, scale=SCALE), FIRST, end)
        replayed = [Hour(FIRST.start + timedelta(hours=n)) for n in range(hours)]
        bare_s = _bare_s(lake, Path(folder), replayed)
        whole_s, events = _whole_s(lake, Path(folder), replayed)
    share_ms = (whole_s - bare_s) / events * 1e3
    return [
        {
            "goal": f"P8 Dagster's milliseconds an event, {hours} hours in one run",
            "ratio": round(share_ms / TARGET_MS, 2),
            "target": 1.0,
            "met": share_ms <= TARGET_MS,
            "event_ms": round(share_ms, 1),
            "events": events,
            "work_s": round(bare_s, 1),
            "run_s": round(whole_s, 1),
        }
    ]


def _bare_s(lake: LocalLake, folder: Path, hours: list[Hour]) -> float:
    warehouse = DuckDBWarehouse(folder / "bare.duckdb")
    began = time.perf_counter()
    files = {hour: _flat(lake, hour) for hour in hours}
    warehouse.apply_all([staging_plan(hour, files[hour]) for hour in hours])
    for plans in zip(*(derived_plans(hour) for hour in hours), strict=True):
        warehouse.apply_all(plans)
    publish(lake, warehouse, *hours)
    return time.perf_counter() - began


def _flat(lake: LocalLake, hour: Hour) -> list[FlatFile]:
    archived = find_hour(lake, hour)
    flat_hour = flatten(read_places(lake, archived.keys))
    made_from = {"archive_digest": archived.digest, "code_version": flat_version()}
    for table in FLAT_TABLES:
        assert not find_violations(table, flat_hour[table.name])
    return [
        write_flat(lake, table, "bench", hour, flat_hour[table.name], **made_from)
        for table in FLAT_TABLES
    ]


def _whole_s(lake: LocalLake, folder: Path, hours: list[Hour]) -> tuple[float, int]:
    storage = Storage(lake, DuckDBWarehouse(folder / "whole.duckdb"))
    job = build(storage, feeds={}).resolve_job_def("load_hour")
    environment = {"CHARGING_HOME": str(folder)}
    home = dagster_home.prepare(environment)
    with (
        mock.patch.dict(os.environ, environment),
        dg.DagsterInstance.from_config(str(home)) as instance,
    ):
        began = time.perf_counter()
        result = job.execute_in_process(
            instance=instance, tags={FIRST_TAG: hours[0].key, LAST_TAG: hours[-1].key}
        )
        took = time.perf_counter() - began
    assert result.success
    return took, len(result.get_asset_materialization_events())
