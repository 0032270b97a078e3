"""A home that is in operation: the simulator's API, Dagster's processes, receivers of alerts.

Belongs here: starting, stopping, killing and looking. Does not belong here: what happens when
(`__main__`), or what must be true in the end (`verdict`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import requests
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from charging_assets.acquisition.archive import archive
from charging_assets.partitions import Hour
from charging_assets.simulator import Network
from charging_assets.simulator.history import Polling, poll_at
from charging_assets.simulator.server import ApiServer
from charging_assets.storage.lake import LocalLake
from charging_assets_tests.alerts.receivers import HttpReceiver

FEED, CADENCE = "chargecloud", timedelta(minutes=1)
PLACES = ["koeln", "bonn", "kiel"]
# On a machine that does nothing else each wait takes a minute or two.
PATIENCE_S = 900


class Operation:
    """One home, its API and its Dagster."""

    def __init__(self, home: Path, api: ApiServer, alerts: HttpReceiver, beats: HttpReceiver):
        self.home, self.api, self.alerts, self.beats = home, api, alerts, beats
        self.lake = LocalLake(home / "lake")
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        feeds = home / "feeds.toml"
        feeds.write_text(
            f"[feeds.{FEED}]\nbase_url = {api.url!r}\nplaces = {PLACES!r}\nattempts = 1\n"
            f"cadence_s = {CADENCE.seconds}\nplace_timeout_s = 5\npoll_budget_s = 20\n"
        )
        self.environment = {
            **os.environ,
            "CHARGING_HOME": str(home),
            "CHARGING_FEEDS": str(feeds),
            "CHARGING_ALERTS": f"{alerts.url}/alerts",
            "CHARGING_HEARTBEAT_URL": f"{beats.url}/beat",
            "DAGSTER_HOME": "",
        }

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `charging-assets` command, run to its end."""
        return subprocess.run(
            [sys.executable, "-m", "charging_assets.cli", *arguments],
            env=self.environment, capture_output=True, text=True, timeout=600,
        )  # fmt: skip

    def start(self) -> None:
        """`charging-assets live`, in a session of its own; returns when the UI answers."""
        log = (self.home / "dagster.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "charging_assets.cli", "live", "--port", str(self.port)],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        wait_for("the UI answers", self._answers, PATIENCE_S)

    def crash(self) -> None:
        """Everything is killed at once, as by a power cut."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Asked to end, as by Ctrl-C; killed if it does not within a minute."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"Dagster ended; {self.home / 'dagster.log'} says why")
        try:
            with requests.Session() as session:
                session.trust_env = False
                return session.get(f"http://127.0.0.1:{self.port}/server_info", timeout=5).ok
        except requests.RequestException:
            return False

    @contextlib.contextmanager
    def instance(self) -> Iterator[DagsterInstance]:
        with DagsterInstance.from_config(str(self.home / "dagster")) as found:
            yield found

    def unfinished(self, *jobs: str) -> list[DagsterRun]:
        """Runs that are started and have not ended, of some jobs or of any."""
        under_way = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.QUEUED]
        with self.instance() as instance:
            runs = instance.get_runs(filters=RunsFilter(statuses=under_way))
        return [run for run in runs if not jobs or run.job_name in jobs]

    def slots(self) -> list[datetime]:
        """The slots of all archived polls, sorted."""
        from charging_assets.acquisition.archive import hours_archived
        from charging_assets.acquisition.raw_objects import slot_of_key

        archived = hours_archived(self.lake).values()
        return sorted(slot_of_key(key) for keys in archived for key in keys)


def remember(lake: LocalLake, network: Network, hour: Hour, minutes: int = 10) -> None:
    """Polls of an hour that is over, as if they had been archived then."""
    slot = hour.start
    while slot < hour.end:
        made = poll_at(network, slot, Polling(failed=0))
        assert made is not None
        header, places = made
        own = msgspec.structs.replace(header, feed=FEED, origin=None, asked=tuple(PLACES))
        archive(lake, own, [place for place in places if place.slug in PLACES])
        slot += timedelta(minutes=minutes)


def wait_for(what: str, is_so: Callable[[], bool], patience_s: float) -> float:
    """Wait until something is so; how long it took, or RuntimeError."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > patience_s:
            raise RuntimeError(f"waited {patience_s:.0f} s in vain until {what}")
        time.sleep(0.5)
    took = time.monotonic() - began
    print(f"{datetime.now(UTC):%H:%M:%S}  {what}, after {took:.0f} s", flush=True)
    return took


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
