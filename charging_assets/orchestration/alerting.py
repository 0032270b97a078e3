"""Alerts about failed runs and failed checks: one message per tick, each alert once a day.

The package `alerts` sends the messages.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import msgspec

from charging_assets import clock
from charging_assets.alerts.channels import channel, deliver, escape_mrkdwn
from charging_assets.orchestration.load_runs import failure_message
from charging_assets.orchestration.reconciliation import MAX_ATTEMPTS
from charging_assets.orchestration.runs import ATTEMPT_TAG, format_hours_of
from charging_assets.settings import Settings
from charging_assets.text import count_noun, escape_control

_RUNS_PER_TICK = 50
# Slack recommends messages of at most 4,000 characters.
_MAX_LINES, _LINE_LENGTH, _SUBJECT_LENGTH = 10, 300, 150
_REPEAT_AFTER = timedelta(days=1)
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


class AlertState(msgspec.Struct, kw_only=True):
    """The sensor's cursor: the end of the last scan, and when each topic was last sent."""

    scanned_to: datetime
    sent_at: dict[str, datetime] = {}


class Alert(msgspec.Struct, frozen=True):
    """A line of a message. A topic is sent once a day."""

    topic: str
    line: str


def alert_sensor(*, is_on: bool) -> dg.SensorDefinition:
    """The sensor that sends alerts, for all runs, also those that no schedule started."""
    sensor = dg.sensor(
        name="alert_on_failure",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED,
        description="Send failed runs and checks to the channels in CHARGING_ALERTS: at most one "
        "message per minute, each alert once a day.",
    )
    return sensor(_send_alerts)


def _send_alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    now = clock.utc_now()
    if not context.cursor:
        return _skip(AlertState(scanned_to=now), "alerts start with runs that fail from now on")
    state = msgspec.json.decode(context.cursor, type=AlertState)
    channels = [channel(address) for address in Settings.read().alerts]
    if not channels:
        return _skip(AlertState(scanned_to=now), "CHARGING_ALERTS names no channel")
    records = context.instance.get_run_records(
        filters=dg.RunsFilter(statuses=_FINISHED, updated_after=state.scanned_to),
        order_by="update_timestamp",
        ascending=True,
        limit=_RUNS_PER_TICK,
    )
    alerts = [alert for record in records for alert in alerts_of(context.instance, record)]
    unsent = _unsent(alerts, state, now)
    if records:
        state.scanned_to = records[-1].update_timestamp.astimezone(UTC)
    if not unsent:
        return _skip(state, f"no new alert in {count_noun(len(records), 'run')}")
    errors = deliver(channels, _subject(unsent), _text(unsent))
    for name, error in errors.items():
        context.log.error(f"channel {name} failed: {error}")
    return _skip(state, f"sent: {_subject(unsent)}")


def _skip(state: AlertState, reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=msgspec.json.encode(state).decode())


def alerts_of(instance: dg.DagsterInstance, record: Any) -> Iterator[Alert]:
    """The alerts of a finished run, none if Dagster will retry it."""
    run = record.dagster_run
    if run.tags.get("dagster/will_retry") == "true":
        return
    hours = format_hours_of(run)
    if run.status == dg.DagsterRunStatus.FAILURE:
        yield Alert(f"{run.job_name} {hours}", _describe_failed_run(instance, run, hours))
    for evaluation in _failed_checks(instance, run):
        yield Alert(
            evaluation.check_name,
            f"check {evaluation.check_name} failed for "
            f"{evaluation.partition or hours or 'no hour'}: "
            f"{evaluation.description or _describe_failing_rows(evaluation)}",
        )


def _describe_failed_run(instance: dg.DagsterInstance, run: dg.DagsterRun, hours: str) -> str:
    failures = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    messages = [failure_message(entry.dagster_event) for entry in failures if entry.dagster_event]
    number = run.tags.get(ATTEMPT_TAG)
    attempt = f" (attempt {number} of {MAX_ATTEMPTS})" if number else ""
    reason = (
        "; ".join(messages[:3])
        or _start_error(instance, run)
        or "its process ended; see the log of the run"
    )
    line = f"run {run.job_name} {hours}{attempt} failed: {reason}  [{run.run_id[:8]}]"
    return line.replace("  ", " ")


def _start_error(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """The error of a run that failed before its first step, such as a wrong setting."""
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
        evaluation = event.asset_check_evaluation_data if event else None
        if evaluation is None or evaluation.passed:
            continue
        if evaluation.severity == dg.AssetCheckSeverity.ERROR or Settings.read().alerts_on_warnings:
            yield evaluation


def _describe_failing_rows(evaluation: dg.AssetCheckEvaluation) -> str:
    count = evaluation.metadata.get("failing_rows")
    return f"{count.value} failing rows" if count else "see its metadata"


def _unsent(alerts: Iterable[Alert], state: AlertState, now: datetime) -> list[Alert]:
    """The alerts whose topic was not sent within a day. Marks them as sent in `state`."""
    state.sent_at = {
        topic: sent_at for topic, sent_at in state.sent_at.items() if now - sent_at < _REPEAT_AFTER
    }
    unsent = []
    for alert in alerts:
        if alert.topic not in state.sent_at:
            state.sent_at[alert.topic] = now
            unsent.append(alert)
    return unsent


def _subject(alerts: list[Alert]) -> str:
    more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    return f"charging_assets: {_one_line(alerts[0].topic, _SUBJECT_LENGTH)} failed{more}"


def _text(alerts: list[Alert]) -> str:
    lines = [f"- {_one_line(alert.line, _LINE_LENGTH)}" for alert in alerts[:_MAX_LINES]]
    if len(alerts) > _MAX_LINES:
        lines.append(
            f"- and {len(alerts) - _MAX_LINES} more; `charging-assets status` lists them all"
        )
    return "\n".join(lines)


def _one_line(text: str, length: int) -> str:
    """A line without control characters and markup, since it may quote an operator's data.

    `mrkdwn` is escaped here because the rest of a message is markup.
    """
    inert = escape_mrkdwn(escape_control(" ".join(text.split())))
    if len(inert) <= length:
        return inert
    # Do not cut an HTML entity.
    return re.sub(r"&[a-z]*$", "", inert[: length - 1]) + "…"
