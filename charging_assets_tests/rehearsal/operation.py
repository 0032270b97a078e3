"""A running deployment: the simulator's API, Dagster's processes, receivers of alerts."""

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

from charging_assets.archive.raw_archive import archive
from charging_assets.hours import Hour
from charging_assets.lake.store import LocalLake
from charging_assets.simulator import Network
from charging_assets.simulator.history import Polling, poll_at
from charging_assets.simulator.server import ApiServer
from charging_assets_tests.alerts.receivers import HttpReceiver

FEED, CADENCE = "chargecloud", timedelta(minutes=1)
PLACES = ["koeln", "bonn", "kiel"]
# On an idle machine each wait takes a minute or two.
TIMEOUT_S = 900


class Operation:
    """One home with its API and Dagster."""

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
        """Run a `charging-assets` command."""
        return subprocess.run(
            [sys.executable, "-m", "charging_assets.cli", *arguments],
            env=self.environment, capture_output=True, text=True, timeout=600,
        )  # fmt: skip

    def start(self) -> None:
        """Start `charging-assets live` in a new session and wait until the UI responds."""
        log = (self.home / "dagster.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "charging_assets.cli", "live", "--port", str(self.port)],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        wait_for("the UI responds", self._answers, TIMEOUT_S)

    def crash(self) -> None:
        """Kill all processes at once, as in a power cut."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Stop as with Ctrl-C; kill what has not ended after a minute."""
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
            raise RuntimeError(f"Dagster ended; see {self.home / 'dagster.log'}")
        try:
            with requests.Session() as session:
                session.trust_env = False
                return session.get(f"http://127.0.0.1:{self.port}/server_info", timeout=5).ok
        except requests.RequestException:
            return False

    @contextlib.contextmanager
    def instance(self) -> Iterator[DagsterInstance]:
        with DagsterInstance.from_config(str(self.home / "dagster")) as instance:
            yield instance

    def unfinished(self, *jobs: str) -> list[DagsterRun]:
        """Runs that have not ended, of some jobs or of all."""
        unfinished = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.QUEUED]
        with self.instance() as instance:
            runs = instance.get_runs(filters=RunsFilter(statuses=unfinished))
        return [run for run in runs if not jobs or run.job_name in jobs]

    def slots(self) -> list[datetime]:
        """The slots of all archived polls, sorted."""
        from charging_assets.archive.raw_archive import hours_archived
        from charging_assets.archive.raw_objects import slot_of_key

        archived = hours_archived(self.lake).values()
        return sorted(slot_of_key(key) for keys in archived for key in keys)


def archive_hour(lake: LocalLake, network: Network, hour: Hour, minutes: int = 10) -> None:
    """Archive polls of a past hour, as if they had been archived then."""
    slot = hour.start
    while slot < hour.end:
        polled = poll_at(network, slot, Polling(failed=0))
        assert polled is not None
        header, places = polled
        feed_header = msgspec.structs.replace(
            header, feed=FEED, origin=None, place_slugs=tuple(PLACES)
        )
        archive(lake, feed_header, [place for place in places if place.slug in PLACES])
        slot += timedelta(minutes=minutes)


def wait_for(what: str, condition: Callable[[], bool], timeout_s: float) -> float:
    """Wait until a condition is true and return the seconds; RuntimeError after `timeout_s`."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout_s:
            raise RuntimeError(f"timeout after {timeout_s:.0f} s, waiting until {what}")
        time.sleep(0.5)
    took = time.monotonic() - began
    print(f"{datetime.now(UTC):%H:%M:%S}  {what}, after {took:.0f} s", flush=True)
    return took


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
