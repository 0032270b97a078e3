"""Ends orphaned runs: runs that Dagster reports as running although their process is gone.

After a power failure a run stays "started" and occupies the writers' pool until its maximum
runtime. So these runs are ended when Dagster starts on the same machine. Dagster itself handles
workers that die while it runs (code server) and runs that hang (run monitoring).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import dagster as dg

_PID = re.compile(r"\(pid: (\d+)\)")
_UNFINISHED = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
# /proc rounds the start time, and the event is written shortly after the process starts.
_TOLERANCE_S = 5.0


def end_orphaned_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report runs without a process as failed, which frees their pools, and return their ids.

    Does nothing unless runs are stored in SQLite files: runs in a database may belong to another
    machine.
    """
    if not hasattr(instance.event_log_storage, "path_for_shard"):
        return []
    orphaned = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNFINISHED)):
        if not _is_alive(instance, run.run_id):
            instance.report_run_failed(
                run, "the process of this run no longer exists; the run can be started again"
            )
            orphaned.append(run.run_id)
    return orphaned


def pids_of(instance: dg.DagsterInstance, run_id: str) -> dict[int, float]:
    """The process ids in a run's log, each with the time of its entry in epoch seconds."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    return {
        int(match[1]): entry.timestamp
        for entry in entries
        if (match := _PID.search(entry.message or entry.user_message or ""))
    }


def _is_alive(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a process of the run still exists."""
    return any(_is_process(pid, logged_at) for pid, logged_at in pids_of(instance, run_id).items())


def _is_process(pid: int, logged_at: float) -> bool:
    """Whether the process exists and started before it was logged: process ids are reused."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return _started_before(pid, logged_at)


def _started_before(pid: int, logged_at: float) -> bool:
    try:
        after_name = (
            Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        )
        (boot_time,) = (
            int(line.split()[1])
            for line in Path("/proc/stat").read_text().splitlines()
            if line.startswith("btime ")
        )
    except OSError:
        # Not Linux: assume that it is the process of the run, whose maximum runtime ends it.
        return True
    started_at = boot_time + int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    return started_at <= logged_at + _TOLERANCE_S
