"""Lost runs: those that Dagster takes for running although their process went with its host.

Belongs here: finding and ending them when Dagster is started on this machine. Does not belong here:
runs whose worker dies while Dagster runs (its code server sees those), or that hang (run monitoring
ends those by their time).

After a power cut a run stays "started" and keeps the writers' pool until its longest runtime is
over. Whoever starts Dagster again knows better: no process of before is there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import dagster as dg

_PID = re.compile(r"\(pid: (\d+)\)")
_UNDER_WAY = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
# The clock's second, and the event being written a little after its process began.
_TOLERANCE_S = 5.0


def end_orphaned_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report runs as failed whose process is gone; their ids. Pools are free then.

    Only where runs are kept in this machine's files: elsewhere they may be another machine's.
    """
    if not hasattr(instance.event_log_storage, "path_for_shard"):
        return []
    lost = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNDER_WAY)):
        if not _is_alive(instance, run.run_id):
            instance.report_run_failed(
                run, "its process is gone, with its host or by hand; it may be run again"
            )
            lost.append(run.run_id)
    return lost


def pids_of(instance: dg.DagsterInstance, run_id: str) -> dict[int, float]:
    """The processes that a run's log names, with the time when it does, in seconds."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    return {
        int(found[1]): entry.timestamp
        for entry in entries
        if (found := _PID.search(entry.message or entry.user_message or ""))
    }


def _is_alive(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a process that the run's log names is still that process."""
    return any(_is_process(pid, at) for pid, at in pids_of(instance, run_id).items())


def _is_process(pid: int, told_at: float) -> bool:
    """Whether a process has the id and began before it was told of: ids are used again."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return _began_before(pid, told_at)


def _began_before(pid: int, told_at: float) -> bool:
    try:
        after_name = (
            Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        )
        (booted,) = (
            int(line.split()[1])
            for line in Path("/proc/stat").read_text().splitlines()
            if line.startswith("btime ")
        )
    except OSError:
        # Not Linux: an id in use is taken for the run's own, and its longest runtime ends it.
        return True
    began_at = booted + int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    return began_at <= told_at + _TOLERANCE_S
