"""Loads hours with Dagster runs in this process, recorded in the instance that the UI shows."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from charging_assets import interrupts
from charging_assets.hours import HOURS_A_RUN, Hour, consecutive_groups
from charging_assets.io_managers import FAILED_FEEDS, FAILED_HOURS
from charging_assets.orchestration.runs import FIRST_TAG, LAST_TAG

if TYPE_CHECKING:
    from dagster import AssetKey, DagsterInstance, Definitions, ExecuteInProcessResult

# Checks take about as long as loading, so longer runs skip them.
_MAX_CHECKED_HOURS = 12
# Stop after this many single hours in a row whose failure names no hour: the cause is common.
_MAX_UNNAMED_FAILURES = 3
# Dagster's daemon would treat an interrupted run as one whose process died, and start it again.
_NO_RETRIES = {"dagster/max_retries": "0"}


@dataclass(frozen=True)
class HourResult:
    """The result of loading an hour; `error` names the step that failed and the reason.

    `failed_feeds` are feeds of a loaded hour that are missing or keep their rows of an earlier
    load, with the reasons. `unchecked` is why a check of a loaded hour could not be evaluated.
    """

    hour: Hour
    run_id: str
    error: str | None = None
    unchecked: str | None = None
    failed_feeds: Mapping[str, str] = field(default_factory=dict)


def load_hours(
    definitions: Definitions,
    instance: DagsterInstance,
    hours: Iterable[Hour],
    progress: Callable[[Sequence[HourResult]], None],
    *,
    assets: Sequence[str] | None = None,
    checks: bool = True,
    workers: int | None = None,
    log_level: str = "INFO",
) -> list[HourResult]:
    """Materialize hours; a failed hour does not prevent other hours from loading.

    Consecutive hours share a run of at most a week, and short runs are checked. If hours of a run
    fail, the other hours are loaded without them, and each failed hour is loaded alone to get its
    error. An hour whose checks could not be evaluated counts as loaded. The last hour always has a
    separate run.

    Args:
        progress: called with the results of each run.
        assets: the names of the assets to materialize; None for all hourly assets.
        checks: whether short runs are checked.
        workers: processes that flatten the hours of a run; one per CPU by default.
        log_level: of Dagster's output on the console; the instance records everything.

    Raises:
        KeyboardInterrupt: a signal ended a run. The run is recorded as canceled, the rows that it
            committed stay, and no further hour is started.
    """
    runner = _Runner(definitions, instance, assets, checks, workers, log_level)
    outcomes: list[HourResult] = []
    unnamed_failures: list[str] = []

    def report(loaded: Sequence[HourResult]) -> None:
        if loaded:
            outcomes.extend(loaded)
            progress(loaded)

    def load(group: Sequence[Hour]) -> None:
        if len(unnamed_failures) == _MAX_UNNAMED_FAILURES:
            reason = f"not attempted after {outcomes[-1].hour}: {unnamed_failures[-1]}"
            return report([HourResult(hour, "", reason) for hour in group])
        loaded, failed = runner.load(group)
        report(loaded)
        if len(group) == 1:
            # For example a locked warehouse, which fails every hour for the same reason.
            if failed is None:
                unnamed_failures.append(loaded[0].error or "")
            else:
                unnamed_failures.clear()
            return None
        rest = sorted(set(group) - {outcome.hour for outcome in loaded})
        if failed is None:
            middle = len(rest) // 2
            parts: list[Sequence[Hour]] = [part for part in (rest[:middle], rest[middle:]) if part]
        else:
            good = [hour for hour in rest if hour not in failed]
            parts = [*consecutive_groups(good), *([hour] for hour in rest if hour in failed)]
        for part in parts:
            load(part)
        return None

    *earlier, last = sorted(set(hours))
    for group in consecutive_groups(earlier, HOURS_A_RUN):
        load(group)
    load([last])
    return outcomes


@dataclass(frozen=True)
class _Runner:
    definitions: Definitions
    instance: DagsterInstance
    assets: Sequence[str] | None
    checks: bool
    workers: int | None
    log_level: str

    def load(self, hours: Sequence[Hour]) -> tuple[list[HourResult], set[Hour] | None]:
        """The results of one run, and the hours that it names as failed.

        The hours are None if the run fails without naming hours. A run of several hours that fails
        has no results; a run of one hour has its result, with the error.
        """
        from dagster import DagsterError

        is_range = len(hours) > 1
        options: dict[str, Any] = {"partition_key": hours[0].key}
        if is_range:
            options = {"tags": {FIRST_TAG: hours[0].key, LAST_TAG: hours[-1].key}}
        try:
            result = self._run(len(hours), **options)
        except DagsterError as dagster_error:  # for example an hour that has no partition
            error = f"{type(dagster_error).__name__}: {dagster_error}"
            return ([] if is_range else [HourResult(hours[0], "", error)]), None
        failed = _failed(result)
        if failed or failed is None:
            loads, _ = _step_failures(result)
            error = "; ".join(failure_message(event) for event in loads) or "the run failed"
            return ([] if is_range else [HourResult(hours[0], result.run_id, error)]), failed
        unchecked = _unchecked(result, hours)
        failed_feeds = _failed_feeds(result)
        loaded = [
            HourResult(
                hour,
                result.run_id,
                unchecked=unchecked.get(hour),
                failed_feeds=failed_feeds.get(hour, {}),
            )
            for hour in hours
        ]
        return loaded, set()

    def _run(
        self,
        hour_count: int,
        *,
        tags: Mapping[str, str] | None = None,
        **options: Any,
    ) -> ExecuteInProcessResult:
        """Execute a run.

        Raises:
            KeyboardInterrupt: a signal ended the run, which Dagster reports as a failure.
        """
        is_checked = self.checks and self.assets is None and hour_count <= _MAX_CHECKED_HOURS
        job = "load_hour" if is_checked else "load_without_checks"
        config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": self.log_level}}}}
        if self.workers is not None and self.assets is None:
            config["ops"] = {"flat_tables": {"config": {"workers": self.workers}}}
        run_id = str(uuid.uuid4())
        cancel = partial(_cancel, self.instance, run_id)
        with (
            interrupts.before_exit(cancel),
            interrupts.around_dagster_run(),
            _store_events_completely(self.instance),
        ):
            try:
                result = self.definitions.resolve_job_def(job).execute_in_process(
                    instance=self.instance,
                    raise_on_error=False,
                    run_id=run_id,
                    run_config=config,
                    asset_selection=self._asset_keys(),
                    tags={**_NO_RETRIES, **(tags or {})},
                    **options,
                )
            except BaseException:
                if interrupts.received_signal() is not None:
                    cancel()
                interrupts.raise_if_received()
                raise
            if interrupts.received_signal() is None and not _is_interrupted(result):
                return result
            cancel()
            interrupts.raise_if_received()
            raise KeyboardInterrupt

    def _asset_keys(self) -> list[AssetKey] | None:
        from dagster import AssetKey

        return None if self.assets is None else [AssetKey(name) for name in self.assets]


def _is_interrupted(result: ExecuteInProcessResult) -> bool:
    """Whether a signal ended the run, including signals that this process does not handle."""
    sources = (
        event.step_failure_data.error_source for event in result.all_events if event.is_step_failure
    )
    return any(source is not None and source.name == "INTERRUPT" for source in sources)


@contextmanager
def _store_events_completely(instance: DagsterInstance) -> Iterator[None]:
    """Defer signals while Dagster stores an event.

    Dagster also raises the interrupt while an asset logs or materializes. A transaction that stays
    open in its SQLite files would block the events that record the end of the run.
    """
    store = instance.handle_new_event

    def store_without_signals(*arguments: Any, **options: Any) -> None:
        with interrupts.defer_signals():
            store(*arguments, **options)

    instance.handle_new_event = store_without_signals  # type: ignore[method-assign]
    try:
        yield
    finally:
        del instance.handle_new_event


def _cancel(instance: DagsterInstance, run_id: str) -> None:
    """Record an interrupted run as canceled, so that it does not stay "started"."""
    from dagster import DagsterRunStatus

    run = instance.get_run_by_id(run_id)
    if run is not None and run.status not in (DagsterRunStatus.SUCCESS, DagsterRunStatus.CANCELED):
        instance.report_run_canceled(
            run, "interrupted; the next load continues with the remaining hours"
        )


def _failed(result: ExecuteInProcessResult) -> set[Hour] | None:
    """The hours that a run names as failed; None if the run failed without naming hours.

    Empty if the run succeeded, or if only checks could not be evaluated.
    """
    loads, checks = _step_failures(result)
    if result.success or (checks and not loads):
        return set()
    errors_by_step = [_named_hours(event, FAILED_HOURS) for event in loads]
    if not errors_by_step or None in errors_by_step:
        return None
    return {hour for reasons in errors_by_step for hour in reasons or ()}


def _failed_feeds(result: ExecuteInProcessResult) -> dict[Hour, dict[str, str]]:
    """The failed feeds of loaded hours, each with the error of the first step that failed."""
    failed: dict[Hour, dict[str, str]] = {}
    for event in result.all_events:
        if event.is_step_materialization:
            materialization = event.step_materialization_data.materialization
            errors: Any = materialization.metadata.get(FAILED_FEEDS)
            if errors is not None and materialization.partition:
                hour = Hour.parse(materialization.partition)
                failed[hour] = {**errors.value, **failed.get(hour, {})}
    return failed


def _unchecked(result: ExecuteInProcessResult, hours: Sequence[Hour]) -> dict[Hour, str]:
    """The hours with checks that could not be evaluated, and the reasons."""
    from charging_assets.checks.assets import UNCHECKED_HOURS

    unchecked: dict[Hour, str] = {}
    for event in _step_failures(result)[1]:
        reasons = _named_hours(event, UNCHECKED_HOURS)
        if reasons is None:
            reasons = dict.fromkeys(hours, failure_message(event))
        unchecked = reasons | unchecked
    return unchecked


def _step_failures(result: ExecuteInProcessResult) -> tuple[list[Any], list[Any]]:
    """The failures of load steps, and of check steps."""
    from charging_assets.checks.assets import CHECK_STEPS

    loads: list[Any] = []
    checks: list[Any] = []
    for event in result.all_events:
        if event.is_step_failure:
            (checks if event.step_key in CHECK_STEPS else loads).append(event)
    return loads, checks


def _named_hours(event: Any, name: str) -> dict[Hour, str] | None:
    """The hours in a failure's metadata, each with its reason; None without that metadata."""
    failure = event.step_failure_data.user_failure_data
    if not failure or name not in failure.metadata:
        return None
    reasons: Any = failure.metadata[name].value
    return {Hour.parse(key): str(reason) for key, reason in reasons.items()}


def failure_message(event: Any) -> str:
    """The name and the error of a failed step, in one line."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return f"{event.step_key}: {data.user_failure_data.description}"
    cause = (data.error.cause or data.error) if data.error else None
    return f"{event.step_key}: {cause.message.strip()}" if cause else f"{event.step_key} failed"
