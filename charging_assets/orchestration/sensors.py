"""What starts because something is so: hours that are stale.

Belongs here: Dagster's side of healing. Does not belong here: which hours are stale (`pending`) or
due (`healing`), what goes by the clock (`schedules`), alerts (`alerts`).
"""

import dagster as dg

from charging_assets import clock
from charging_assets.acquisition.poll_hour import loadable_days, loadable_hours
from charging_assets.hours import Hour
from charging_assets.lake.store import Lake
from charging_assets.orchestration.alerting import alert_people_sensor
from charging_assets.orchestration.jobs import ONE_HOUR_TAGS, RANGE_TAGS, load_hour, poll
from charging_assets.orchestration.reconciliation import (
    RECENT,
    TRIES,
    Decision,
    Request,
    cursor_of,
    decide,
    forget,
    remembered,
    turn,
)
from charging_assets.orchestration.runs import (
    FIRST_TAG,
    HEALED_TAG,
    LAST_TAG,
    TRY_TAG,
    hours_of,
)
from charging_assets.orchestration.staleness import stale_hours
from charging_assets.orchestration.switch import Automation, reconcile_every_s, refreshes
from charging_assets.text import count_noun
from charging_assets.warehouse.duckdb.warehouse import with_lock_timeout
from charging_assets.warehouse.interface import Warehouse, WarehouseError

# So many runs of healing are open at a time, the running hour's not counted.
_ROOM = 4
_PATIENCE_S = 10.0


def sensors(automation: Automation) -> list[dg.SensorDefinition]:
    """All sensors; `reconcile_hours` is off until it is switched on in the UI, or by `is_live`."""
    heals = dg.sensor(
        name="reconcile_hours",
        job=load_hour,
        minimum_interval_seconds=automation.reconcile_every_s,
        default_status=(
            dg.DefaultSensorStatus.RUNNING if automation.is_live else dg.DefaultSensorStatus.STOPPED
        ),
        description="Load each hour whose archive or code differs from what the ledger says: after "
        "a poll, a late poll, an import, an outage, an upgrade. Recent days in every tick, older "
        "ones in rotation.",
    )
    return [heals(_heal), alert_people_sensor(is_on=automation.alerts)]


def _heal(
    context: dg.SensorEvaluationContext,
    lake: dg.ResourceParam[Lake],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.SensorResult:
    # An interval that cannot be used fails here: each tick wakes a warehouse that sleeps.
    reconcile_every_s()
    now = clock.utc_now()
    memory = remembered(context.cursor, now)
    days, horizon = loadable_days(lake), (now - RECENT).date()
    recent = [day for day in days if day >= horizon]
    older = turn([day for day in days if day < horizon], memory.turn)
    try:
        asked = with_lock_timeout(warehouse, _PATIENCE_S)
        stale = [found for days in (older, recent) for found in stale_hours(lake, asked, days)]
    except WarehouseError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=cursor_of(memory))
    if not refreshes():
        stale = [found for found in stale if found.hour < Hour.of(now)]
    open_hours, open_runs = _open(context.instance)
    forget(memory, loadable_hours(lake, [*older, *recent]), stale, now)
    decision = decide(stale, memory, open_hours=open_hours, room=_ROOM - open_runs, now=now)
    if older and not decision.crowded_out:
        memory.turn = older[-1]
    return dg.SensorResult(
        run_requests=[_run_request(request) for request in decision.requests],
        skip_reason=None if decision.requests else _told(decision, days_seen=len(older + recent)),
        cursor=cursor_of(memory),
    )


def _run_request(request: Request) -> dg.RunRequest:
    hours, key = request.hours, request.key
    tags = {HEALED_TAG: key[:250], TRY_TAG: str(request.count)}
    if len(hours) == 1:
        tags |= ONE_HOUR_TAGS
        return dg.RunRequest(
            run_key=key, job_name=load_hour.name, partition_key=hours[0].key, tags=tags
        )
    tags |= {FIRST_TAG: hours[0].key, LAST_TAG: hours[-1].key, **RANGE_TAGS}
    return dg.RunRequest(run_key=key, job_name=load_hour.name, tags=tags)


def _open(instance: dg.DagsterInstance) -> tuple[set[Hour], int]:
    """The hours that unfinished runs are loading, and how many of these runs are healing's."""
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
    reconciliation = 0
    for run in instance.get_runs(filters=unfinished):
        if run.job_name == poll.name:
            continue
        reconciliation += HEALED_TAG in run.tags
        hours |= hours_of(run)
    return hours, reconciliation


def _told(decision: Decision, days_seen: int) -> str:
    if decision.given_up:
        first = decision.given_up[0]
        return (
            f"{count_noun(len(decision.given_up), 'hour')} given up after {TRIES} tries, first "
            f"{first.hour} ({first.reason}); `charging-assets load --from {first.hour} --to "
            f"{decision.given_up[-1].hour}` tries again"
        )
    if decision.waiting:
        return f"{count_noun(len(decision.waiting), 'hour')} failed, to be tried again later"
    if decision.crowded_out:
        return f"{count_noun(decision.crowded_out, 'hour')} left until running loads have ended"
    return f"every archived hour of {count_noun(days_seen, 'day')} is loaded"


# As they are without any variable.
SENSORS = sensors(Automation())
reconcile_hours, alert_on_failure = SENSORS
