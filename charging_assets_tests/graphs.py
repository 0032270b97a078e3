"""Run jobs of an asset graph in this process, and read their results.

Belongs here: running a partition of a job, and the message of a failure. Does not belong here:
graphs (`definitions.build` makes them).
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from charging_assets.hours import Hour


def run(
    defs: dg.Definitions, hour: Hour, job: str = "load_hour", **settings: Any
) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(
        partition_key=hour.key, raise_on_error=False, **settings
    )


def failure_message(result: dg.ExecuteInProcessResult) -> str:
    assert not result.success
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data
    described = data.user_failure_data.description if data.user_failure_data else None
    return f"{event.step_key}: {described or data.error}"
