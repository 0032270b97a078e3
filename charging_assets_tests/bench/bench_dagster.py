"""P8: Dagster's share of one hourly run, against the work itself.

The same hour is loaded as a run of the `load_hour` job, in process with a stored instance, and by
calling the same functions, including those of the checks, without Dagster.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from charging_assets.acquisition.poll_hour import find_hour
from charging_assets.archive.raw_archive import read_places
from charging_assets.checks.evaluate import evaluate_rule, open_context
from charging_assets.checks.registry import hourly_by_step
from charging_assets.hours import Hour
from charging_assets.lake.flat_files import write_flat
from charging_assets.lake.store import LocalLake
from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.modelling.staging import staging_plan
from charging_assets.preprocessing.flatten import flatten
from charging_assets.preprocessing.schema_check import find_violations
from charging_assets.preprocessing.version import flat_version
from charging_assets.publication.publish import publish
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.simulator import Network, write_history
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse

FIRST = Hour.parse("2025-01-08T06")
HOURS = 4
TARGET_S, TARGET_LOAD_S = 2.5, 2.0


def run() -> list[dict[str, Any]]:
    """Dagster's overhead in seconds for an hour, and the load time of the code location."""
    with tempfile.TemporaryDirectory() as folder:
        lake = LocalLake(Path(folder) / "lake")
        hours = [Hour.of(FIRST.start.replace(hour=6 + n)) for n in range(HOURS)]
        write_history(lake, Network(seed=1), hours[0], Hour.of(hours[-1].end))
        bare = _bare(lake, Path(folder), hours)
        whole = _whole(lake, Path(folder), hours)
    share = statistics.median(w - b for w, b in zip(whole[1:], bare[1:], strict=True))
    work = statistics.median(bare[1:])
    load = statistics.median(_import_s() for _ in range(3))
    return [
        {
            "goal": "P8 Dagster's seconds for an hour, in process",
            "ratio": round(share / TARGET_S, 2),
            "target": 1.0,
            "met": share <= TARGET_S,
            "dagster_s": round(share, 2),
            "work_s": round(work, 2),
        },
        {
            "goal": "P8 code location loads",
            "ratio": round(load / TARGET_LOAD_S, 2),
            "target": 1.0,
            "met": load <= TARGET_LOAD_S,
            "seconds": round(load, 2),
        },
    ]


def _bare(lake: LocalLake, folder: Path, hours: list[Hour]) -> list[float]:
    warehouse = DuckDBWarehouse(folder / "bare.duckdb")
    return [_timed(_load_bare, lake, warehouse, hour) for hour in hours]


def _load_bare(lake: LocalLake, warehouse: DuckDBWarehouse, hour: Hour) -> None:
    archived = find_hour(lake, hour)
    flat_hour = flatten(read_places(lake, archived.keys))
    files = []
    for table in FLAT_TABLES:
        rows = flat_hour[table.name]
        assert not find_violations(table, rows)
        files.append(
            write_flat(
                lake,
                table,
                "bench",
                hour,
                rows,
                archive_digest=archived.digest,
                code_version=flat_version(),
            )
        )
    warehouse.apply(staging_plan(hour, files))
    for plan in derived_plans(hour):
        warehouse.apply(plan)
    publish(lake, warehouse, hour)
    for rules in hourly_by_step().values():
        with open_context(hour, lake, warehouse) as context:
            for rule in rules:
                evaluate_rule(rule, context)


def _whole(lake: LocalLake, folder: Path, hours: list[Hour]) -> list[float]:
    import dagster as dg

    from charging_assets.definitions import build
    from charging_assets.deployments import Storage
    from charging_assets.orchestration import dagster_home

    definitions = build(Storage(lake, DuckDBWarehouse(folder / "whole.duckdb")), feeds={})
    job = definitions.resolve_job_def("load_hour")
    home = dagster_home.prepare({"CHARGING_HOME": str(folder)})
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return [
            _timed(job.execute_in_process, partition_key=hour.key, instance=instance)
            for hour in hours
        ]


def _import_s() -> float:
    command = [sys.executable, "-c", "import charging_assets.definitions"]
    return _timed(subprocess.run, command, check=True)


def _timed(work: Any, *arguments: Any, **named: Any) -> float:
    started = time.perf_counter()
    work(*arguments, **named)
    return time.perf_counter() - started
