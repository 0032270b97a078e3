"""kill -9 in the middle of a load: the old rows stay, and repeating the load restores new rows.

Real loads run in separate processes on a DuckDB file. A process imports the modules of a load and
forks a child for each kill, so that a kill at every statement can be tested.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from charging_assets.lake.flat_files import open_flat
from charging_assets.lake.store import Lake, LocalLake
from charging_assets.modelling.staging import staging_plan
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse, connect_duckdb
from charging_assets.warehouse.plan import Plan
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, evse, station

pytestmark = [
    pytest.mark.faults,
    pytest.mark.fault(
        "kill -9 in the middle of a load",
        "the old rows or the new rows, never a mixture; repeating the load restores the new rows",
        area="processes",
    ),
]

ASSETS = ("staged_tables", "dim_station", "fact_status")
ALL = ("staged_tables", *(plan.asset for plan in hours.derived_plans()))
AFTER_COMMIT = -1
# All kills before COMMIT leave the same rows; to save time, only some loads are repeated.
RELOAD_EVERY = 10
# numpy and pyarrow each start a thread when they are imported.
WITHOUT_THREADS = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}

CHILD = """
import json, os, signal, sys, threading, time
from pathlib import Path

from charging_assets.warehouse.duckdb import warehouse as warehouse_duckdb
from charging_assets.lake.store import LocalLake
from charging_assets_tests.faults.test_kill import plan_of

count = 0


class KillingConnection:
    '''A connection that kills its process before the n-th statement, or after COMMIT.'''

    def __init__(self, connection, at):
        self._connection, self._at = connection, at

    def execute(self, sql, *values):
        global count
        count += 1
        if count == self._at:
            os.kill(os.getpid(), 9)
        result = self._connection.execute(sql, *values)
        if sql == "COMMIT" and self._at == -1:
            os.kill(os.getpid(), 9)
        return result

    def __getattr__(self, name):
        return getattr(self._connection, name)


def load(asset, path, lake, at, output):
    real = warehouse_duckdb.connect_duckdb
    warehouse_duckdb.connect_duckdb = lambda *a, **k: KillingConnection(real(*a, **k), at)
    warehouse_duckdb.DuckDBWarehouse(Path(path)).apply(plan_of(asset, LocalLake(Path(lake))))
    os.write(output, str(count).encode())


# A child has only the thread that forked it; locks of other threads would stay locked.
assert len(os.listdir("/proc/self/task")) == 1, "forking with threads"

for line in sys.stdin:
    request = json.loads(line)
    reading, output = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            load(request["asset"], request["path"], request["lake"], request["at"], output)
        finally:
            os._exit(0)
    os.close(output)
    if request["after_s"] is not None:
        time.sleep(request["after_s"])
        os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    statements = os.read(reading, 100).decode()
    os.close(reading)
    answer = {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
              "statements": int(statements or 0), "seconds": time.monotonic() - began}
    print(json.dumps(answer), flush=True)
"""


def plan_of(asset: str, lake: Lake) -> Plan:
    """The load of HOUR by an asset."""
    if asset == "staged_tables":
        return staging_plan(
            HOUR, [open_flat(lake, table, hours.FEED, HOUR) for table in FLAT_TABLES]
        )
    return next(plan for plan in hours.derived_plans() if plan.asset == asset)


# Columns in which two loads of the same rows differ.
RUN_COLUMNS = {"loaded_at", "load_id"}


def digests_of(path: Path) -> dict[str, list[str]]:
    """The rows of each table without the run's columns, from a read-only connection."""
    connection = connect_duckdb(path, read_only=True)
    try:
        return {
            table.full_name: sorted(
                map(
                    repr,
                    connection.execute(
                        f"SELECT {', '.join(n for n in table.names if n not in RUN_COLUMNS)} "
                        f"FROM {table.full_name}"
                    ).fetchall(),
                )
            )
            for table in TABLES
        }
    finally:
        connection.close()


def network(status: str, name: str, count: int) -> list[dict[str, Any]]:
    return [station([evse(f"e{n}", status)], f"s{n}", name=f"{name} {n}") for n in range(count)]


@dataclass
class KilledLoad:
    """A warehouse before a load that replaces an hour, and its rows before and after."""

    asset: str
    folder: Path
    before: Path
    lake: Path
    old: dict[str, list[str]]
    new: dict[str, list[str]]
    child: subprocess.Popen[str]
    statements: int = 0
    seconds: float = 0.0

    def kill(
        self, *, at: int = 0, after_s: float | None = None, is_first: bool = False
    ) -> tuple[Path, dict[str, Any]]:
        """Start a load and kill it; returns the warehouse and how its process ended."""
        path = self.folder / "killed" / "charging.duckdb"
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir()
        if not is_first:
            shutil.copy(self.before, path)
        request = {"asset": self.asset, "path": str(path), "lake": str(self.lake)}
        assert self.child.stdin is not None and self.child.stdout is not None
        print(
            json.dumps({**request, "at": at, "after_s": after_s}), file=self.child.stdin, flush=True
        )
        return path, json.loads(self.child.stdout.readline())

    def reload(self, path: Path) -> None:
        DuckDBWarehouse(path).apply(plan_of(self.asset, LocalLake(self.lake)))
        assert digests_of(path) == self.new


@pytest.fixture(scope="module")
def child() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **WITHOUT_THREADS},
    )
    yield process
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=60) == 0


@pytest.fixture(scope="module", params=ASSETS)
def killed_load(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    child: subprocess.Popen[str],
) -> KilledLoad:
    return prepare_load(request.param, tmp_path_factory.mktemp(request.param), child)


def prepare_load(asset: str, folder: Path, child: subprocess.Popen[str]) -> KilledLoad:
    """A warehouse in which the inputs of the asset are new, and the asset itself is old."""
    lake, before = LocalLake(folder / "lake"), folder / "before.duckdb"
    warehouse = DuckDBWarehouse(before)
    hours.load(warehouse, hours.lake_of({0: network("AVAILABLE", "old", 40)}))
    hours.put(lake, 0, network("AVAILABLE", "old", 30))
    hours.put(lake, 10, network("CHARGING", "new", 60))
    hours.flat_files(lake)
    for earlier in ALL[: ALL.index(asset)]:
        warehouse.apply(plan_of(earlier, lake))
    after = folder / "after.duckdb"
    shutil.copy(before, after)
    DuckDBWarehouse(after).apply(plan_of(asset, lake))
    killed_load = KilledLoad(
        asset, folder, before, lake.root, digests_of(before), digests_of(after), child
    )
    assert killed_load.old != killed_load.new
    path, ended = killed_load.kill()
    assert (ended["signal"], digests_of(path)) == (0, killed_load.new)
    killed_load.statements, killed_load.seconds = ended["statements"], ended["seconds"]
    return killed_load


def test_kill__at_any_statement_leaves_the_old_rows_until_a_rerun(killed_load: KilledLoad) -> None:
    assert killed_load.statements > 10
    for number in range(1, killed_load.statements + 1):
        path, ended = killed_load.kill(at=number)
        assert ended["signal"] == signal.SIGKILL, number
        assert digests_of(path) == killed_load.old, f"{killed_load.asset}: statement {number}"
        if number % RELOAD_EVERY == 0 or number == killed_load.statements:
            killed_load.reload(path)


@pytest.mark.parametrize("asset", [asset for asset in ALL if asset not in ASSETS])
def test_kill__in_each_other_asset_leaves_the_old_rows_until_a_rerun(
    asset: str, tmp_path: Path, child: subprocess.Popen[str]
) -> None:
    killed_load = prepare_load(asset, tmp_path, child)
    for number in (killed_load.statements // 2, killed_load.statements):
        path, ended = killed_load.kill(at=number)
        assert ended["signal"] == signal.SIGKILL, number
        assert digests_of(path) == killed_load.old, f"{killed_load.asset}: statement {number}"
    killed_load.reload(path)


def test_kill__after_the_commit_leaves_the_new_rows(killed_load: KilledLoad) -> None:
    path, ended = killed_load.kill(at=AFTER_COMMIT)
    assert ended["signal"] == signal.SIGKILL
    assert digests_of(path) == killed_load.new
    killed_load.reload(path)


def test_kill__at_any_time_leaves_the_old_rows_or_the_new(killed_load: KilledLoad) -> None:
    ends = set()
    for part in range(1, 7):
        path, ended = killed_load.kill(after_s=killed_load.seconds * part / 6)
        digests = digests_of(path)
        assert digests in (killed_load.old, killed_load.new), ended
        ends.add(digests == killed_load.new)
        killed_load.reload(path)
    assert False in ends


# Only staging can be the first load.
@pytest.mark.parametrize("killed_load", ["staged_tables"], indirect=True)
def test_kill__during_the_first_load_leaves_a_loadable_warehouse(killed_load: KilledLoad) -> None:
    for number in (3, 60):
        path, ended = killed_load.kill(at=number, is_first=True)
        assert ended["signal"] == signal.SIGKILL
        warehouse = DuckDBWarehouse(path)
        result = warehouse.apply(plan_of(killed_load.asset, LocalLake(killed_load.lake)))
        assert (result.skipped, result.row_counts["flat_status"]) == (False, 90)
