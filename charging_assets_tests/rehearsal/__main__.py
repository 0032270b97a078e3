"""`make rehearsal`: the sequence of faults; prints each step and writes build/rehearsal.json.

CHARGING_REHEARSAL_HOME keeps the home for inspection.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from charging_assets.hours import ONE_HOUR, Hour
from charging_assets.orchestration.orphaned_runs import pids_of
from charging_assets.orchestration.staleness import stale_hours
from charging_assets.simulator import Network
from charging_assets.simulator.faults import EVERYWHERE, FaultKind
from charging_assets.simulator.server import ApiServer
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.alerts.receivers import HttpReceiver
from charging_assets_tests.rehearsal.operation import TIMEOUT_S, Operation, archive_hour, wait_for
from charging_assets_tests.rehearsal.verdict import check_results

TARGET = Path("build/rehearsal.json")


def main() -> None:
    kept_home = os.environ.get("CHARGING_REHEARSAL_HOME")
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        home = Path(kept_home or folder)
        home.mkdir(parents=True, exist_ok=True)
        network = Network(1, 0.02)
        with ApiServer(network) as api, HttpReceiver() as alerts, HttpReceiver() as beats:
            operation = Operation(home, api, alerts, beats)
            try:
                figures = _rehearse(operation, network)
            finally:
                operation.stop()
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


def _rehearse(operation: Operation, network: Network) -> dict[str, object]:
    now = Hour.of(datetime.now(UTC))
    ago = [Hour(now.start - n * ONE_HOUR) for n in range(7)]
    for hour in (ago[6], ago[5], ago[3], ago[2]):
        archive_hour(operation.lake, network, hour)
    _print_step("four earlier hours are archived; one between them is lost and accepted as a gap")
    operation.command("accept-gap", ago[4].key, ago[4].key, "--reason", "the rehearsal's outage")

    live_from = datetime.now(UTC)
    operation.start()
    _wait_for_polls(operation, 1)
    with _fault(operation, FaultKind.STATUS_503, "bonn"):
        _wait_for_polls(operation, 1)
    _make_lake_unreachable(operation)
    _kill_worker(operation)
    _cut_power(operation)
    _print_step("late polls of an earlier hour and of the accepted gap are archived")
    archive_hour(operation.lake, network, ago[1], minutes=20)
    archive_hour(operation.lake, network, ago[4])
    with _fault(operation, FaultKind.RESET, EVERYWHERE):
        _wait_for_polls(operation, 1)
    _wait_for_polls(operation, 1)
    wait_for("every hour is loaded", lambda: not _pending(operation), TIMEOUT_S)
    # A run that is active when Dagster stops stays "started" until it starts again.
    wait_for("nothing runs", lambda: not operation.unfinished(), TIMEOUT_S)
    # No poll may begin while the results are checked.
    operation.stop()
    operation.command("load")
    return check_results(operation, live_from)


def _print_step(step: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S}  {step}", flush=True)


def _wait_for_polls(operation: Operation, count: int) -> None:
    before = len(operation.slots())
    wait_for(
        f"{count} more polls are archived",
        lambda: len(operation.slots()) >= before + count,
        TIMEOUT_S,
    )


class _fault:  # noqa: N801 - used like a function
    """A fault of the API, for as long as the block lasts."""

    def __init__(self, operation: Operation, kind: FaultKind, slug: str) -> None:
        self._faults, self._kind, self._slug = operation.api.faults, kind, slug

    def __enter__(self) -> None:
        _print_step(f"fault {self._kind} at {self._slug}")
        self._faults.set(self._slug, self._kind)

    def __exit__(self, *_: object) -> None:
        self._faults.clear(self._slug)


def _make_lake_unreachable(operation: Operation) -> None:
    _print_step("the lake is unreachable")
    lake, away = operation.lake.root, operation.home / "lake.away"
    lake.rename(away)
    lake.write_text("a file where the lake's folder was")
    spool = operation.home / "spool"
    try:
        wait_for("a poll is in the spool", lambda: any(spool.rglob("*.zst")), TIMEOUT_S)
    finally:
        lake.unlink()
        away.rename(lake)
    wait_for("the spool is drained", lambda: not any(spool.rglob("*.zst")), TIMEOUT_S)


def _kill_worker(operation: Operation) -> None:
    killed: list[int] = []

    def kill_one() -> bool:
        for run in operation.unfinished("load_hour", "poll"):
            with operation.instance() as instance:
                pids = pids_of(instance, run.run_id)
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    return True
        return False

    wait_for("a run's worker is killed", kill_one, TIMEOUT_S)
    _wait_for_polls(operation, 1)


def _cut_power(operation: Operation) -> None:
    _print_step("all processes are killed; two minutes without polls")
    operation.crash()
    time.sleep(timedelta(minutes=2).total_seconds())
    operation.start()
    _wait_for_polls(operation, 1)


def _pending(operation: Operation) -> bool:
    warehouse = DuckDBWarehouse(operation.home / "charging.duckdb")
    pending = stale_hours(operation.lake, warehouse)
    # The current hour gets a new poll every minute.
    return any(stale.hour < Hour.of(datetime.now(UTC)) for stale in pending)


if __name__ == "__main__":
    main()
