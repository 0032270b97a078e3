"""`make rehearsal`: what happens, in order; prints the course, writes build/rehearsal.json.

Belongs here: the course. CHARGING_REHEARSAL_HOME keeps the home for looking at it afterwards.
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

from charging_assets.automation.lost_runs import pids_of
from charging_assets.automation.pending import pending_hours
from charging_assets.partitions import ONE_HOUR, Hour
from charging_assets.simulator import Network
from charging_assets.simulator.faults import EVERYWHERE, FaultKind
from charging_assets.simulator.server import ApiServer
from charging_assets.storage.warehouse_duckdb import DuckDBWarehouse
from charging_assets_tests.alerts.receivers import HttpReceiver
from charging_assets_tests.rehearsal.operation import PATIENCE_S, Operation, remember, wait_for
from charging_assets_tests.rehearsal.verdict import verdict

TARGET = Path("build/rehearsal.json")


def main() -> None:
    kept = os.environ.get("CHARGING_REHEARSAL_HOME")
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        home = Path(kept or folder)
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
        remember(operation.lake, network, hour)
    _say("four hours of before are in the archive, one between them is lost, and accepted")
    operation.command("accept-gap", ago[4].key, ago[4].key, "--reason", "the rehearsal's outage")

    live_from = datetime.now(UTC)
    operation.start()
    _polls(operation, 1)
    with _fault(operation, FaultKind.STATUS_503, "bonn"):
        _polls(operation, 1)
    _lake_away(operation)
    _worker_killed(operation)
    _power_cut(operation)
    _say("polls of an hour of before turn up, and of the accepted one")
    remember(operation.lake, network, ago[1], minutes=20)
    remember(operation.lake, network, ago[4])
    with _fault(operation, FaultKind.RESET, EVERYWHERE):
        _polls(operation, 1)
    _polls(operation, 1)
    wait_for("every hour is loaded", lambda: not _pending(operation), PATIENCE_S)
    # What runs when Dagster is stopped stays "started" until it starts again.
    wait_for("nothing runs", lambda: not operation.unfinished(), PATIENCE_S)
    # No poll may begin while the verdict is found.
    operation.stop()
    operation.command("load")
    return verdict(operation, live_from)


def _say(what: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S}  {what}", flush=True)


def _polls(operation: Operation, count: int) -> None:
    before = len(operation.slots())
    wait_for(
        f"{count} more polls are archived",
        lambda: len(operation.slots()) >= before + count,
        PATIENCE_S,
    )


class _fault:  # noqa: N801 - used as a word, like a function
    """A fault of the API, for as long as the block lasts."""

    def __init__(self, operation: Operation, kind: FaultKind, slug: str) -> None:
        self._faults, self._kind, self._slug = operation.api.faults, kind, slug

    def __enter__(self) -> None:
        _say(f"fault {self._kind} at {self._slug}")
        self._faults.set(self._slug, self._kind)

    def __exit__(self, *_: object) -> None:
        self._faults.clear(self._slug)


def _lake_away(operation: Operation) -> None:
    _say("the lake is away")
    lake, away = operation.lake.root, operation.home / "lake.away"
    lake.rename(away)
    lake.write_text("a file where the lake's folder was")
    spool = operation.home / "spool"
    try:
        wait_for("a poll is in the spool", lambda: any(spool.rglob("*.zst")), PATIENCE_S)
    finally:
        lake.unlink()
        away.rename(lake)
    wait_for("the spool is drained", lambda: not any(spool.rglob("*.zst")), PATIENCE_S)


def _worker_killed(operation: Operation) -> None:
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

    wait_for("a run's worker is killed", kill_one, PATIENCE_S)
    _polls(operation, 1)


def _power_cut(operation: Operation) -> None:
    _say("everything is killed; two minutes of silence")
    operation.crash()
    time.sleep(timedelta(minutes=2).total_seconds())
    operation.start()
    _polls(operation, 1)


def _pending(operation: Operation) -> bool:
    warehouse = DuckDBWarehouse(operation.home / "charging.duckdb")
    found = pending_hours(operation.lake, warehouse)
    # The running hour has a new poll every minute.
    return any(each.hour < Hour.of(datetime.now(UTC)) for each in found)


if __name__ == "__main__":
    main()
