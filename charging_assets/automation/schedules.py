"""What starts by the clock.

Belongs here: ticks to run requests. Does not belong here: what a run does, or healing.

A partitioned schedule would request the hour before the tick; a poll is of the hour of the tick.
"""

import os

import dagster as dg

from charging_assets.automation.jobs import load_hour, poll
from charging_assets.partitions import ONE_HOUR, Hour

# Nothing is polled unasked: schedules are off until they are switched on in the UI, or for as long
# as Dagster runs under `charging-assets live`.
_STATUS = (
    dg.DefaultScheduleStatus.RUNNING
    if os.environ.get("CHARGING_LIVE") == "1"
    else dg.DefaultScheduleStatus.STOPPED
)


@dg.schedule(
    job=poll,
    cron_schedule="*/10 * * * *",
    execution_timezone="UTC",
    default_status=_STATUS,
    description="Poll every feed each ten minutes, into the running hour.",
)
def poll_every_ten_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    tick = context.scheduled_execution_time
    config = {"live": True, "planned_at": tick.isoformat()}
    return dg.RunRequest(
        run_key=f"poll#{tick.isoformat()}",
        partition_key=Hour.of(tick).key,
        run_config={"ops": {"raw_api_snapshots": {"config": config}}},
    )


@dg.schedule(
    job=load_hour,
    cron_schedule="5 * * * *",
    execution_timezone="UTC",
    default_status=_STATUS,
    description="Load the hour that has just ended, five minutes past.",
)
def load_last_hour(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    ended = Hour.of(context.scheduled_execution_time - ONE_HOUR)
    return dg.RunRequest(run_key=f"load#{ended.key}", partition_key=ended.key)


SCHEDULES = [poll_every_ten_minutes, load_last_hour]
