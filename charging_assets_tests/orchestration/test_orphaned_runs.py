"""Runs of a host that died are ended when Dagster starts again; other runs are not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from charging_assets.orchestration.orphaned_runs import end_orphaned_runs


@dg.op
def nothing() -> None:
    """The op of the test runs."""


@dg.job
def some_job() -> None:
    nothing()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def run_of(instance: dg.DagsterInstance, pid: int | None) -> str:
    run = instance.create_run_for_job(some_job, status=dg.DagsterRunStatus.STARTED)
    if pid is not None:
        instance.report_engine_event(f"Started process for run (pid: {pid}).", run)
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status.value


@pytest.mark.fault(
    "A host fails while runs are in progress",
    "runs without a process are ended and their slots are free; other runs continue",
    area="processes",
)
def test_end_orphaned_runs__ends_runs_without_a_process(instance: dg.DagsterInstance) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    gone, never, alive = (run_of(instance, pid) for pid in (child.pid, None, os.getpid()))
    assert sorted(end_orphaned_runs(instance)) == sorted([gone, never])
    assert [status(instance, run_id) for run_id in (gone, never, alive)] == [
        "FAILURE",
        "FAILURE",
        "STARTED",
    ]
    assert end_orphaned_runs(instance) == []


def test_end_orphaned_runs__a_reused_process_id_does_not_count(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = run_of(instance, os.getpid())
    entries = instance.all_logs(run_id)
    long_ago = [entry._replace(timestamp=time.time() - 86400 * 365) for entry in entries]
    monkeypatch.setattr(instance, "all_logs", lambda *_, **__: long_ago)
    assert end_orphaned_runs(instance) == [run_id]


def test_end_orphaned_runs__ignores_runs_that_may_be_on_another_machine() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run_of(instance, None)
        assert end_orphaned_runs(instance) == []
