"""kill -9 in the middle of a load: the old rows stay, and the same load again heals.

The loads are real ones, in processes of their own, on a DuckDB file. A process imports what a load
needs and forks one child for each kill, so that every statement can be the one that is killed.
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

from charging_assets.modelling.staging import staging_plan
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.storage.duckdb_connection import opened
from charging_assets.storage.flat_files import open_flat
from charging_assets.storage.lake import Lake, LocalLake
from charging_assets.storage.plan import Plan
from charging_assets.storage.warehouse_duckdb import DuckDBWarehouse
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
# All kills before COMMIT leave the same rows; so that not each of them is healed from, for time.
HEAL_EVERY = 10
# numpy and pyarrow each start a thread when they are imported.
WITHOUT_THREADS = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}

CHILD = """
import json, os, signal, sys, threading, time
from pathlib import Path

from charging_assets.storage import warehouse_duckdb
from charging_assets.storage.lake import LocalLake
from charging_assets_tests.faults.test_kill import plan_of

count = 0


class Killing:
    '''A connection that kills its process before the n-th statement, or after COMMIT.'''

    def __init__(self, connection, at):
        self._connection, self._at = connection, at

    def execute(self, sql, *values):
        global count
        count += 1
        if count == self._at:
            os.kill(os.getpid(), 9)
        done = self._connection.execute(sql, *values)
        if sql == "COMMIT" and self._at == -1:
            os.kill(os.getpid(), 9)
        return done

    def __getattr__(self, name):
        return getattr(self._connection, name)


def load(asset, path, lake, at, told):
    real = warehouse_duckdb.opened
    warehouse_duckdb.opened = lambda *a, **k: Killing(real(*a, **k), at)
    warehouse_duckdb.DuckDBWarehouse(Path(path)).apply(plan_of(asset, LocalLake(Path(lake))))
    os.write(told, str(count).encode())


# A child has only the thread that forked it: what others held stays held. Python 3.12 warns of it.
assert len(os.listdir("/proc/self/task")) == 1, "forking with threads"

for line in sys.stdin:
    asked = json.loads(line)
    reading, told = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            load(asked["asset"], asked["path"], asked["lake"], asked["at"], told)
        finally:
            os._exit(0)
    os.close(told)
    if asked["after_s"] is not None:
        time.sleep(asked["after_s"])
        os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    found = os.read(reading, 100).decode()
    os.close(reading)
    answer = {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
              "statements": int(found or 0), "seconds": time.monotonic() - began}
    print(json.dumps(answer), flush=True)
"""


def plan_of(asset: str, lake: Lake) -> Plan:
    """The load of HOUR by an asset."""
    if asset == "staged_tables":
        return staging_plan(HOUR, [open_flat(lake, table, HOUR) for table in FLAT_TABLES])
    return next(plan for plan in hours.derived_plans() if plan.asset == asset)


# What two loads of the same rows differ in.
OF_THE_RUN = {"loaded_at", "load_id"}


def digests_of(path: Path) -> dict[str, list[str]]:
    """Every table's rows but for the ledger's clock, read as a reader would: read-only."""
    connection = opened(path, read_only=True)
    try:
        return {
            table.full_name: sorted(
                map(
                    repr,
                    connection.execute(
                        f"SELECT {', '.join(n for n in table.names if n not in OF_THE_RUN)} "
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
class Scene:
    """A warehouse before a load that replaces an hour, and what it is after."""

    asset: str
    folder: Path
    before: Path
    lake: Path
    old: dict[str, list[str]]
    new: dict[str, list[str]]
    child: subprocess.Popen[str]
    statements: int = 0
    seconds: float = 0.0

    def killed(
        self, *, at: int = 0, after_s: float | None = None, is_first: bool = False
    ) -> tuple[Path, dict[str, Any]]:
        """The warehouse after a load that was killed, and how its process ended."""
        path = self.folder / "killed" / "charging.duckdb"
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir()
        if not is_first:
            shutil.copy(self.before, path)
        asked = {"asset": self.asset, "path": str(path), "lake": str(self.lake)}
        assert self.child.stdin is not None and self.child.stdout is not None
        print(
            json.dumps({**asked, "at": at, "after_s": after_s}), file=self.child.stdin, flush=True
        )
        return path, json.loads(self.child.stdout.readline())

    def heal(self, path: Path) -> None:
        DuckDBWarehouse(path).apply(plan_of(self.asset, LocalLake(self.lake)))
        assert digests_of(path) == self.new


@pytest.fixture(scope="module")
def child() -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **WITHOUT_THREADS},
    )
    yield started
    assert started.stdin is not None
    started.stdin.close()
    assert started.wait(timeout=60) == 0


@pytest.fixture(scope="module", params=ASSETS)
def scene(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    child: subprocess.Popen[str],
) -> Scene:
    return scene_of(request.param, tmp_path_factory.mktemp(request.param), child)


def scene_of(asset: str, folder: Path, child: subprocess.Popen[str]) -> Scene:
    """A warehouse in which all that the asset is made from is new, and the asset itself old."""
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
    made = Scene(asset, folder, before, lake.root, digests_of(before), digests_of(after), child)
    assert made.old != made.new
    path, ended = made.killed()
    assert (ended["signal"], digests_of(path)) == (0, made.new)
    made.statements, made.seconds = ended["statements"], ended["seconds"]
    return made


def test_kill__at_any_statement_leaves_the_old_rows_and_a_rerun_heals(scene: Scene) -> None:
    assert scene.statements > 10
    for number in range(1, scene.statements + 1):
        path, ended = scene.killed(at=number)
        assert ended["signal"] == signal.SIGKILL, number
        assert digests_of(path) == scene.old, f"{scene.asset}: statement {number}"
        if number % HEAL_EVERY == 0 or number == scene.statements:
            scene.heal(path)


@pytest.mark.parametrize("asset", [asset for asset in ALL if asset not in ASSETS])
def test_kill__in_each_other_asset_leaves_the_old_rows_and_a_rerun_heals(
    asset: str, tmp_path: Path, child: subprocess.Popen[str]
) -> None:
    scene = scene_of(asset, tmp_path, child)
    for number in (scene.statements // 2, scene.statements):
        path, ended = scene.killed(at=number)
        assert ended["signal"] == signal.SIGKILL, number
        assert digests_of(path) == scene.old, f"{scene.asset}: statement {number}"
    scene.heal(path)


def test_kill__after_the_commit_leaves_the_new_rows(scene: Scene) -> None:
    path, ended = scene.killed(at=AFTER_COMMIT)
    assert ended["signal"] == signal.SIGKILL
    assert digests_of(path) == scene.new
    scene.heal(path)


def test_kill__at_any_time_leaves_the_old_rows_or_the_new(scene: Scene) -> None:
    ends = set()
    for part in range(1, 7):
        path, ended = scene.killed(after_s=scene.seconds * part / 6)
        found = digests_of(path)
        assert found in (scene.old, scene.new), ended
        ends.add(found == scene.new)
        scene.heal(path)
    assert False in ends


# Only staging is ever the first.
@pytest.mark.parametrize("scene", ["staged_tables"], indirect=True)
def test_kill__during_the_first_load_leaves_a_warehouse_that_can_be_loaded(scene: Scene) -> None:
    for number in (3, 60):
        path, ended = scene.killed(at=number, is_first=True)
        assert ended["signal"] == signal.SIGKILL
        warehouse = DuckDBWarehouse(path)
        done = warehouse.apply(plan_of(scene.asset, LocalLake(scene.lake)))
        assert (done.skipped, done.row_counts["flat_status"]) == (False, 90)
