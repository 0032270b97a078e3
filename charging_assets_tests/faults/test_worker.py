"""The process of a run is killed in the middle of its load: its hour is loaded afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from charging_assets import deployments
from charging_assets.definitions import build
from charging_assets.lake.store import LocalLake
from charging_assets.orchestration.orphaned_runs import end_orphaned_runs
from charging_assets.orchestration.sensors import reconcile_hours
from charging_assets.orchestration.staleness import stale_hours
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, stand

pytestmark = pytest.mark.faults

WORKER = """
import os, signal, sys
from pathlib import Path
import dagster as dg
from charging_assets.io_managers import WarehouseIOManager
from charging_assets_tests.faults.test_worker import load, storage_in

handle = WarehouseIOManager.handle_output

def kill_at_fact_status(self, context, value):
    if context.asset_key.path[-1] == "fact_status":
        os.kill(os.getpid(), signal.SIGKILL)
    handle(self, context, value)

WarehouseIOManager.handle_output = kill_at_fact_status
with dg.DagsterInstance.local_temp(sys.argv[1] + "/dagster") as instance:
    load(storage_in(Path(sys.argv[1])), instance)
"""


def storage_in(folder: Path) -> deployments.Storage:
    return deployments.Storage(
        LocalLake(folder / "lake"), DuckDBWarehouse(folder / "charging.duckdb")
    )


def load(storage: deployments.Storage, instance: dg.DagsterInstance) -> None:
    """A run of HOUR as in the daemon's worker."""
    result = (
        build(storage, feeds={})
        .resolve_job_def("load_hour")
        .execute_in_process(
            partition_key=HOUR.key,
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    )
    assert result.success


def requested_hours(storage: deployments.Storage, instance: dg.DagsterInstance) -> list[str | None]:
    """The hours that a tick of the reconciliation sensor requests."""
    resources = {"lake": storage.lake, "warehouse": storage.warehouse}
    result = reconcile_hours(dg.build_sensor_context(instance=instance, resources=resources))
    assert isinstance(result, dg.SensorResult)
    return [request.partition_key for request in result.run_requests or []]


@pytest.mark.fault(
    "The worker process of a run is killed",
    "the run is ended, its hour is requested again, and the rows are those of one complete run",
    area="processes",
)
def test_worker__killed_in_the_middle_of_a_load_is_followed_by_another(tmp_path: Path) -> None:
    storage = storage_in(tmp_path)
    for minute, status in ((0, "AVAILABLE"), (10, "CHARGING")):
        hours.put(storage.lake, minute, stand(status))
    (tmp_path / "dagster").mkdir()
    worker = subprocess.run(
        [sys.executable, "-c", WORKER, str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert worker.returncode == -signal.SIGKILL, worker.stderr[-2000:]
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        assert requested_hours(storage, instance) == []  # Dagster still considers it as running
        assert len(end_orphaned_runs(instance)) == 1
        assert requested_hours(storage, instance) == [HOUR.key]
        load(storage, instance)
        assert requested_hours(storage, instance) == []
    assert stale_hours(storage.lake, storage.warehouse) == []
    expected = DuckDBWarehouse(None)
    hours.load(expected, storage.lake)
    assert hours.digests(storage.warehouse) == hours.digests(expected)
