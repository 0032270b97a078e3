"""Dagster's schedules. `Automation` has their settings from the environment.

These are not partitioned schedules, which request the hour before the tick: a poll belongs to the
hour of the tick.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from math import gcd

import dagster as dg

from charging_assets.acquisition.poll_hour import RUN_INTERVAL
from charging_assets.archive.raw_archive import feeds_archived, hour_keys
from charging_assets.hours import ONE_HOUR, Hour
from charging_assets.lake.store import Lake
from charging_assets.orchestration.jobs import ONE_HOUR_TAGS, check_freshness, load_hour, poll
from charging_assets.orchestration.maintenance import maintain_daily_schedule
from charging_assets.orchestration.switch import Automation
from charging_assets.sources.feeds import Feed


def schedules(automation: Automation) -> list[dg.ScheduleDefinition]:
    """All schedules; off by default unless `is_live`."""
    status = (
        dg.DefaultScheduleStatus.RUNNING if automation.is_live else dg.DefaultScheduleStatus.STOPPED
    )
    polls = dg.schedule(
        name="poll_feeds",
        job=poll,
        cron_schedule=poll_cron(automation.feeds),
        execution_timezone="UTC",
        default_status=status,
        description="\n\n".join(
            [
                "Poll each feed at its cadence (ten minutes by default) into the current hour. A "
                "run polls feeds with a shorter cadence several times.",
                *(f"Warning: {warning}." for warning in automation.warnings),
            ]
        ),
    )
    loads = dg.schedule(
        name="load_last_hour",
        job=load_hour,
        cron_schedule="5 * * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Load and check the previous hour, five minutes after its end: polls may have "
        "arrived after the last refresh.",
    )
    checks = dg.schedule(
        name="check_freshness_schedule",
        job=check_freshness,
        cron_schedule=freshness_cron(timedelta(seconds=automation.reconcile_every_s)),
        execution_timezone="UTC",
        default_status=status,
        description="Check that feeds are still polled and loaded, even if no other run starts.",
    )
    return [
        polls(_request_poll_in(poll_window(automation.feeds))),
        loads(_request_load),
        checks(_request_checks),
        maintain_daily_schedule(status),
    ]


def poll_cron(feeds: Iterable[Feed]) -> str:
    """The cron expression of poll runs: every ten minutes, or less often if all feeds are slower.

    It is the greatest common divisor of the cadences of all feeds. If that is less than ten
    minutes, a run polls inside, in its window.
    """
    minutes = _common_minutes(feeds)
    interval = int(RUN_INTERVAL.total_seconds()) // 60
    return "0 * * * *" if minutes == 60 else f"*/{max(minutes, interval)} * * * *"


def poll_window(feeds: Iterable[Feed]) -> timedelta:
    """How long a poll run polls feeds at their own cadence; zero if each run polls a feed once."""
    is_fast = 0 < _common_minutes(feeds) * 60 < RUN_INTERVAL.total_seconds()
    return RUN_INTERVAL if is_fast else timedelta(0)


def _common_minutes(feeds: Iterable[Feed]) -> int:
    return gcd(*(int(feed.cadence.total_seconds()) // 60 for feed in feeds if feed.enabled))


def _request_poll_in(
    window: timedelta,
) -> Callable[[dg.ScheduleEvaluationContext], dg.RunRequest]:
    def request_poll(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        tick = context.scheduled_execution_time
        config: dict[str, object] = {"live": True, "planned_at": tick.isoformat()}
        if window:
            config["window_s"] = round(window.total_seconds())
        return dg.RunRequest(
            run_key=f"poll#{tick.isoformat()}",
            partition_key=Hour.of(tick).key,
            run_config={"ops": {"raw_api_snapshots": {"config": config}}},
        )

    return request_poll


def _request_load(
    context: dg.ScheduleEvaluationContext, lake: dg.ResourceParam[Lake]
) -> dg.RunRequest | dg.SkipReason:
    previous = Hour.of(context.scheduled_execution_time - ONE_HOUR)
    if not hour_keys(lake, feeds_archived(lake), previous):
        return dg.SkipReason(f"{previous} has no polls; `charging-assets status` lists the gaps")
    return dg.RunRequest(
        run_key=f"load#{previous.key}", partition_key=previous.key, tags=ONE_HOUR_TAGS
    )


def _request_checks(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return dg.RunRequest(run_key=f"freshness#{context.scheduled_execution_time.isoformat()}")


def freshness_cron(reconcile_every: timedelta) -> str:
    """The cron expression of freshness checks: every ten minutes, between the polls.

    Once an hour if stale hours are scanned less often, so that the warehouse can sleep.
    """
    return "7-59/10 * * * *" if reconcile_every <= timedelta(minutes=10) else "27 * * * *"


# The schedules with default settings.
SCHEDULES = schedules(Automation())
poll_feeds, load_last_hour, check_freshness_schedule, maintain_daily = SCHEDULES
