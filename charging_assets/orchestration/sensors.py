"""Dagster's sensors: `reconcile_hours` requests runs for stale hours, `alert_on_failure` alerts.

`staleness` finds the stale hours and `reconciliation` decides which ones are loaded now.
"""

from datetime import timedelta

import dagster as dg

from charging_assets import clock
from charging_assets.acquisition.poll_hour import loadable_days, loadable_hours
from charging_assets.hours import Hour
from charging_assets.lake.store import Lake
from charging_assets.orchestration.alerting import alert_sensor
from charging_assets.orchestration.jobs import ONE_HOUR_TAGS, RANGE_TAGS, load_hour, poll
from charging_assets.orchestration.reconciliation import (
    MAX_ATTEMPTS,
    RECENT,
    Decision,
    Request,
    decide,
    format_cursor,
    parse_cursor,
    prune,
    scan_window,
)
from charging_assets.orchestration.runs import (
    ATTEMPT_TAG,
    FIRST_TAG,
    LAST_TAG,
    RECONCILIATION_TAG,
    hours_of,
)
from charging_assets.orchestration.schedules import poll_window
from charging_assets.orchestration.staleness import stale_hours_of_days
from charging_assets.orchestration.switch import Automation
from charging_assets.settings import Settings
from charging_assets.text import count_noun
from charging_assets.warehouse.duckdb.warehouse import with_lock_timeout
from charging_assets.warehouse.interface import Warehouse, WarehouseError

# Concurrent runs that this sensor requests, without the run of the current hour.
_MAX_RUNS = 4
_LOCK_TIMEOUT_S = 10.0


def sensors(automation: Automation) -> list[dg.SensorDefinition]:
    """All sensors; `reconcile_hours` is off until it is switched on in the UI, or by `is_live`."""
    reconcile = dg.sensor(
        name="reconcile_hours",
        job=load_hour,
        minimum_interval_seconds=automation.reconcile_every_s,
        default_status=(
            dg.DefaultSensorStatus.RUNNING if automation.is_live else dg.DefaultSensorStatus.STOPPED
        ),
        description="Load each hour whose archive or code differs from the ledger: after a poll, a "
        "late poll, an import, an outage or an upgrade. Every tick scans recent days, and some "
        "older days in rotation.",
    )
    # Feeds that are polled every minute must not load the current hour every minute.
    refresh_every = poll_window(automation.feeds)

    def reconcile_stale(
        context: dg.SensorEvaluationContext,
        lake: dg.ResourceParam[Lake],
        warehouse: dg.ResourceParam[Warehouse],
    ) -> dg.SensorResult:
        return _reconcile(context, lake, warehouse, refresh_every)

    return [reconcile(reconcile_stale), alert_sensor(is_on=automation.alerts)]


def _reconcile(
    context: dg.SensorEvaluationContext,
    lake: Lake,
    warehouse: Warehouse,
    refresh_every: timedelta,
) -> dg.SensorResult:
    # Fail the tick if the interval is invalid: each tick wakes a warehouse that sleeps.
    _ = Settings.read().reconcile_every_s
    now = clock.utc_now()
    state = parse_cursor(context.cursor, now)
    days, horizon = loadable_days(lake), (now - RECENT).date()
    recent = [day for day in days if day >= horizon]
    older = scan_window([day for day in days if day < horizon], state.scanned_to)
    try:
        reader = with_lock_timeout(warehouse, _LOCK_TIMEOUT_S)
        stale = [
            stale_hour
            for window in (older, recent)
            for stale_hour in stale_hours_of_days(lake, reader, window)
        ]
    except WarehouseError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=format_cursor(state))
    if not Settings.read().is_refresh_on:
        stale = [stale_hour for stale_hour in stale if stale_hour.hour < Hour.of(now)]
    loading, run_count = _unfinished(context.instance)
    prune(state, loadable_hours(lake, [*older, *recent]), stale, now)
    decision = decide(
        stale, state, loading=loading, max_runs=_MAX_RUNS - run_count, now=now,
        refresh_every=refresh_every,
    )  # fmt: skip
    if older and not decision.deferred:
        state.scanned_to = older[-1]
    return dg.SensorResult(
        run_requests=[_run_request(request) for request in decision.requests],
        skip_reason=None if decision.requests else _skip_reason(decision, len(older + recent)),
        cursor=format_cursor(state),
    )


def _run_request(request: Request) -> dg.RunRequest:
    hours, key = request.hours, request.key
    tags = {RECONCILIATION_TAG: key[:250], ATTEMPT_TAG: str(request.attempt)}
    if len(hours) == 1:
        tags |= ONE_HOUR_TAGS
        return dg.RunRequest(
            run_key=key, job_name=load_hour.name, partition_key=hours[0].key, tags=tags
        )
    tags |= {FIRST_TAG: hours[0].key, LAST_TAG: hours[-1].key, **RANGE_TAGS}
    return dg.RunRequest(run_key=key, job_name=load_hour.name, tags=tags)


def _unfinished(instance: dg.DagsterInstance) -> tuple[set[Hour], int]:
    """The hours of unfinished load runs, and how many of these runs this sensor requested."""
    unfinished = dg.RunsFilter(
        statuses=[
            dg.DagsterRunStatus.QUEUED,
            dg.DagsterRunStatus.NOT_STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
            dg.DagsterRunStatus.CANCELING,
        ]
    )
    hours: set[Hour] = set()
    run_count = 0
    for run in instance.get_runs(filters=unfinished):
        if run.job_name == poll.name:
            continue
        run_count += RECONCILIATION_TAG in run.tags
        hours |= hours_of(run)
    return hours, run_count


def _skip_reason(decision: Decision, day_count: int) -> str:
    if decision.abandoned:
        first, last = decision.abandoned[0], decision.abandoned[-1]
        return (
            f"{count_noun(len(decision.abandoned), 'hour')} abandoned after {MAX_ATTEMPTS} "
            f"attempts, first {first.hour} ({first.reason}); fix the cause and run "
            f"`charging-assets load --from {first.hour} --to {last.hour}`"
        )
    if decision.waiting:
        return f"{count_noun(len(decision.waiting), 'hour')} failed, to be retried later"
    if decision.deferred:
        return f"{count_noun(decision.deferred, 'hour')} deferred until running loads end"
    return f"every archived hour of {count_noun(day_count, 'day')} is loaded"


# The sensors with default settings.
SENSORS = sensors(Automation())
reconcile_hours, alert_on_failure = SENSORS
