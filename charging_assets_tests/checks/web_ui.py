"""Dagster's web server and daemon as `charging-assets ui` starts them, driven through GraphQL.

The methods send the mutations of the web UI: what its buttons launch, with the same parameters.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from charging_assets.checks.registry import HOURLY
from charging_assets.hours import Hour, hours_between

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
PARTITION = "dagster/partition"
ASSET_JOB = "__ASSET_JOB"
TIMEOUT_S = 600
_UNFINISHED = {"QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING", "REQUESTED"}
_RUN = "runId jobName status tags { key value } assetCheckSelection { name }"
_CHECKS = """query($asset: AssetKeyInput!, $check: String!, $partition: String) {
  assetCheckExecutions(assetKey: $asset, checkName: $check, partition: $partition, limit: 1) {
    partition status runId evaluation { success severity description }
  }
}"""


class WebUi:
    """A running web server; `transcript` receives one line per launch and per result."""

    def __init__(self, url: str, transcript: Callable[[str], None] | None = None) -> None:
        self.url = url
        self._transcript = transcript or (lambda line: None)
        self._session = requests.Session()
        self._session.trust_env = False
        self.repository = {
            "repositoryLocationName": "charging_assets",
            "repositoryName": "__repository__",
        }

    def query(self, text: str, **variables: Any) -> Any:
        """The data of a GraphQL response; AssertionError with its errors."""
        response = self._session.post(
            f"{self.url}/graphql", json={"query": text, "variables": variables}, timeout=120
        )
        body = response.json()
        assert not body.get("errors"), json.dumps(body["errors"])[:2000]
        return body["data"]

    def assets(self) -> list[str]:
        """All assets, as the asset graph's "Materialize all" selects them."""
        nodes = self.query("{ assetNodes { assetKey { path } } }")["assetNodes"]
        return sorted(node["assetKey"]["path"][-1] for node in nodes)

    def launch_run(
        self,
        assets: Iterable[str],
        tags: dict[str, str],
        *,
        job: str = ASSET_JOB,
        checks: Iterable[tuple[str, str]] | None = None,
    ) -> str:
        """Launch one run of an hour, or of a range of hours ("Single run"); return its id.

        Without `checks`, the run has all checks of the assets in the job, as the UI selects them.
        """
        names = list(assets)
        selected = self._checks_of(names, job) if checks is None else list(checks)
        selector = {
            **self.repository,
            "pipelineName": job,
            "assetSelection": [{"path": [name]} for name in names],
            "assetCheckSelection": [
                {"assetKey": {"path": [asset]}, "name": check} for asset, check in selected
            ],
        }
        parameters = {
            "mode": "default",
            "selector": selector,
            "runConfigData": "{}",
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in tags.items()]},
        }
        self._note("launchPipelineExecution", {**parameters, "selector": _short(selector)})
        launched = self.query(
            """mutation($parameters: ExecutionParams!) {
              launchPipelineExecution(executionParams: $parameters) {
                __typename ... on LaunchRunSuccess { run { runId } }
                ... on PythonError { message }
              }
            }""",
            parameters=parameters,
        )["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def launch_backfill(
        self, assets: Iterable[str], partitions: Sequence[str], *, job: str | None = None
    ) -> str:
        """Launch a backfill of assets, or of a job; return its id."""
        parameters: dict[str, Any] = {
            "assetSelection": [{"path": [name]} for name in assets],
            "partitionNames": list(partitions),
            "fromFailure": False,
            "tags": [],
        }
        if not parameters["assetSelection"]:
            del parameters["assetSelection"]
        if job is not None:
            selector = {
                "partitionSetName": f"{job}_partition_set",
                "repositorySelector": self.repository,
            }
            parameters["selector"] = selector
        self._note("launchPartitionBackfill", _short(parameters))
        launched = self.query(
            """mutation($parameters: LaunchBackfillParams!) {
              launchPartitionBackfill(backfillParams: $parameters) {
                __typename ... on LaunchBackfillSuccess { backfillId }
                ... on PythonError { message }
              }
            }""",
            parameters=parameters,
        )["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return str(launched["backfillId"])

    def finished_run(self, run_id: str) -> dict[str, Any]:
        """Wait until a run has finished; return it."""
        query = f"query($id: ID!) {{ runOrError(runId: $id) {{ ... on Run {{ {_RUN} }} }} }}"
        run: dict[str, Any] = self._wait_until_finished(
            lambda: self.query(query, id=run_id)["runOrError"]
        )
        self._note_run(run)
        return run

    def finished_backfill(self, backfill_id: str) -> dict[str, Any]:
        """Wait until a backfill and its runs have finished; return it with its runs."""
        query = f"""query($id: String!) {{ partitionBackfillOrError(backfillId: $id) {{
            ... on PartitionBackfill {{ id status runs(limit: 100) {{ {_RUN} }}
                error {{ message }} }} }} }}"""

        def read() -> dict[str, Any]:
            backfill: dict[str, Any] = self.query(query, id=backfill_id)["partitionBackfillOrError"]
            if any(run["status"] in _UNFINISHED for run in backfill["runs"]):
                return {"status": "STARTED"}
            return backfill

        backfill = self._wait_until_finished(read)
        self._note("backfill", {key: backfill[key] for key in ("id", "status", "error")})
        for run in backfill["runs"]:
            self._note_run(run)
        return backfill

    def checks(self, partition: str, run_ids: Iterable[str]) -> dict[str, str]:
        """The state of every hourly check in a partition, as the UI shows it, by check.

        "not run" if the newest execution is not from one of the runs.
        """
        runs, states = set(run_ids), {}
        for rule in HOURLY:
            (execution,) = self.query(
                _CHECKS, asset={"path": [rule.asset]}, check=rule.name, partition=partition
            )["assetCheckExecutions"] or [None]
            if execution is None or execution["runId"] not in runs:
                states[rule.name] = "not run"
            elif execution["status"] == "FAILED":
                states[rule.name] = f"FAILED ({execution['evaluation']['severity']})"
            else:
                states[rule.name] = str(execution["status"])
        counts = {state: list(states.values()).count(state) for state in set(states.values())}
        self._note(f"checks of {partition}", counts)
        return states

    def unpartitioned_check(self, asset: str, check: str) -> dict[str, Any] | None:
        """The newest execution of a check without partitions; None if it was never run."""
        executions = self.query(_CHECKS, asset={"path": [asset]}, check=check)[
            "assetCheckExecutions"
        ]
        return executions[0] if executions else None

    def _checks_of(self, assets: Iterable[str], job: str) -> list[tuple[str, str]]:
        nodes = self.query(
            """query($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) { assetKey { path }
              assetChecksOrError { ... on AssetChecks { checks { name jobNames } } } } }""",
            keys=[{"path": [name]} for name in assets],
        )["assetNodes"]
        return [
            (node["assetKey"]["path"][-1], check["name"])
            for node in nodes
            for check in node["assetChecksOrError"].get("checks", [])
            if job in check["jobNames"]
        ]

    def _wait_until_finished(self, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        deadline = time.monotonic() + TIMEOUT_S
        while (state := read())["status"] in _UNFINISHED:
            assert time.monotonic() < deadline, f"not finished after {TIMEOUT_S} s: {state}"
            time.sleep(0.5)
        return state

    def _note(self, what: str, details: Any) -> None:
        self._transcript(f"{what} {json.dumps(details)}")

    def _note_run(self, run: dict[str, Any]) -> None:
        self._note("run", {"hours": [h.key for h in hours_of(run)], **{
            key: run[key] for key in ("runId", "jobName", "status")
        }})  # fmt: skip


def hours_of(run: dict[str, Any]) -> list[Hour]:
    """The hours of a run, from its tags; empty for a run of a daily partition."""
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    first = tags.get(RANGE_START) or tags.get(PARTITION, "")
    if "T" not in first:
        return []
    return list(hours_between(Hour.parse(first), Hour.parse(tags.get(RANGE_END) or first)))


def _short(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters for the transcript: long selections are replaced by their length."""
    short = dict(parameters)
    for key in ("assetSelection", "assetCheckSelection"):
        if len(short.get(key, [])) > 3:
            short[key] = f"{len(short[key])} selected"
    return short


@contextmanager
def serve(home: Path, *command: str, port: int | None = None, **environment: str) -> Iterator[str]:
    """Run web server and daemon of a home by `charging-assets ui` or `command`; yield the URL."""
    port = port or _free_port()
    with (home / "dagster.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "charging_assets.cli", *(command or ("ui",)), "--port",
             str(port)],
            env={**os.environ, "DAGSTER_HOME": "", "CHARGING_HOME": str(home), **environment},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        _await(f"http://127.0.0.1:{port}", process, home / "dagster.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the code location is loaded."""
    deadline, ui = time.monotonic() + TIMEOUT_S, WebUi(url)
    while True:
        with suppress(requests.RequestException):
            if ui.assets():
                return
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.5)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
