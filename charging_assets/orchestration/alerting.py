"""What is worth an alert: runs that failed for good, checks that failed.

Belongs here: finding them among the runs that have ended, putting them into one message, telling
nothing twice a day. Does not belong here: how it reaches people (`alerts`).
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import msgspec

from charging_assets import clock
from charging_assets.alerts.addresses import ALERTS, alert_addresses
from charging_assets.alerts.channels import channel, deliver, escape_mrkdwn
from charging_assets.orchestration.load_runs import failure_message
from charging_assets.orchestration.reconciliation import TRIES
from charging_assets.orchestration.runs import TRY_TAG, format_hours_of
from charging_assets.orchestration.switch import tells_warnings
from charging_assets.text import count_noun, escape_control

_RUNS_A_TICK = 50
# A message stays below the 4,000 characters that Slack advises.
_LINES, _LINE_LENGTH, _SUBJECT_LENGTH = 10, 300, 150
_AGAIN = timedelta(days=1)
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


class Told(msgspec.Struct, kw_only=True):
    """What the sensor remembers: up to when runs were looked at, and what was told when."""

    upto: datetime
    topics: dict[str, datetime] = {}


class Trouble(msgspec.Struct, frozen=True):
    """Something to tell; a topic is told once a day."""

    topic: str
    line: str


def alert_people_sensor(*, is_on: bool) -> dg.SensorDefinition:
    """The sensor that alerts; on where a channel is configured, however runs are started."""
    alerts = dg.sensor(
        name="alert_on_failure",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED,
        description=f"Tell the channels in {ALERTS} which runs and checks have failed, in one "
        "message a minute, nothing twice a day.",
    )
    return alerts(_alert)


def _alert(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    now = clock.utc_now()
    if not context.cursor:
        return _rest(Told(upto=now), "from now on, failed runs and checks are told")
    told = msgspec.json.decode(context.cursor, type=Told)
    channels = [channel(address) for address in alert_addresses()]
    if not channels:
        return _rest(Told(upto=now), f"{ALERTS} names no channel")
    records = context.instance.get_run_records(
        filters=dg.RunsFilter(statuses=_ENDED, updated_after=told.upto),
        order_by="update_timestamp",
        ascending=True,
        limit=_RUNS_A_TICK,
    )
    found = [trouble for record in records for trouble in _troubles(context.instance, record)]
    fresh = _not_told_yet(found, told, now)
    if records:
        told.upto = records[-1].update_timestamp.astimezone(UTC)
    if not fresh:
        return _rest(told, f"nothing new in {count_noun(len(records), 'run')}")
    errors = deliver(channels, _subject(fresh), _text(fresh))
    for way, error in errors.items():
        context.log.error(f"channel {way} failed: {error}")
    return _rest(told, f"told: {_subject(fresh)}")


def _rest(told: Told, reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=msgspec.json.encode(told).decode())


def _troubles(instance: dg.DagsterInstance, record: Any) -> Iterator[Trouble]:
    run = record.dagster_run
    if run.tags.get("dagster/will_retry") == "true":
        return
    hours = format_hours_of(run)
    if run.status == dg.DagsterRunStatus.FAILURE:
        yield Trouble(f"{run.job_name} {hours}", _failed_run(instance, run, hours))
    for failed in _failed_checks(instance, run):
        yield Trouble(
            f"{failed.check_name}",
            f"check {failed.check_name} failed for {failed.partition or hours or 'no hour'}: "
            f"{failed.description or _offending(failed)}",
        )


def _failed_run(instance: dg.DagsterInstance, run: dg.DagsterRun, hours: str) -> str:
    failures = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    told = [failure_message(entry.dagster_event) for entry in failures if entry.dagster_event]
    count = run.tags.get(TRY_TAG)
    tries = f" (try {count} of {TRIES})" if count else ""
    why = (
        "; ".join(told[:3])
        or _failed_start(instance, run)
        or "its process ended; its log says more"
    )
    return f"run {run.job_name} {hours}{tries} failed: {why}  [{run.run_id[:8]}]".replace("  ", " ")


def _failed_start(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Why a run failed before any step: a resource whose setting is wrong."""
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        data = entry.dagster_event.job_failure_data if entry.dagster_event else None
        if data and data.error:
            return (data.error.cause or data.error).message.strip()
    return ""


def _failed_checks(
    instance: dg.DagsterInstance, run: dg.DagsterRun
) -> Iterator[dg.AssetCheckEvaluation]:
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        event = entry.dagster_event
        checked = event.asset_check_evaluation_data if event else None
        if checked is None or checked.passed:
            continue
        if checked.severity == dg.AssetCheckSeverity.ERROR or tells_warnings():
            yield checked


def _offending(failed: dg.AssetCheckEvaluation) -> str:
    count = failed.metadata.get("failing_rows")
    return f"{count.value} offending rows" if count else "its metadata says more"


def _not_told_yet(found: Iterable[Trouble], told: Told, now: datetime) -> list[Trouble]:
    """The troubles whose topic was not told within a day; they are told now."""
    told.topics = {topic: at for topic, at in told.topics.items() if now - at < _AGAIN}
    fresh = []
    for trouble in found:
        if trouble.topic not in told.topics:
            told.topics[trouble.topic] = now
            fresh.append(trouble)
    return fresh


def _subject(fresh: list[Trouble]) -> str:
    more = f" and {len(fresh) - 1} more" if len(fresh) > 1 else ""
    return f"charging_assets: {_one_line(fresh[0].topic, _SUBJECT_LENGTH)} failed{more}"


def _text(fresh: list[Trouble]) -> str:
    lines = [f"- {_one_line(trouble.line, _LINE_LENGTH)}" for trouble in fresh[:_LINES]]
    if len(fresh) > _LINES:
        lines.append(f"- and {len(fresh) - _LINES} more; `charging-assets status` lists them all")
    return "\n".join(lines)


def _one_line(text: str, length: int) -> str:
    """Text that may quote what an operator published, as inert text of one line.

    `mrkdwn` is escaped here, where foreign text enters, since the rest of a message is markup.
    """
    inert = escape_mrkdwn(escape_control(" ".join(text.split())))
    if len(inert) <= length:
        return inert
    # Not in the middle of an entity.
    return re.sub(r"&[a-z]*$", "", inert[: length - 1]) + "…"
