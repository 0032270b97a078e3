"""Loading hours through Dagster, in this process.

Belongs here: cutting hours into runs, recorded in the instance that the UI shows. Does not belong
here: which hours (`pending`), or how progress is drawn (`cli`).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from charging_assets import interrupts
from charging_assets.hours import HOURS_A_RUN, Hour, neighbours
from charging_assets.io_managers import FAILED_FEEDS, FAILED_HOURS
from charging_assets.orchestration.runs import FIRST_TAG, LAST_TAG

if TYPE_CHECKING:
    from dagster import AssetKey, DagsterInstance, Definitions, ExecuteInProcessResult

# Checks cost about as much as loading: of more hours they are not waited for.
_MOST_CHECKED = 12
# So many single hours in a row that fail for no reason of their own are enough: all would.
_MOST_UNNAMED_FAILURES = 3
# Dagster's daemon would take an interrupted run for one whose process died, and run it again.
_NO_RETRIES = {"dagster/max_retries": "0"}


@dataclass(frozen=True)
class HourLoaded:
    """How one hour's run ended; `error` names the step and what went wrong.

    `failed_feeds` are feeds that a loaded hour lacks, or has as they were before, and why.
    `unchecked` is why some check of a loaded hour could not be evaluated.
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
    progress: Callable[[Sequence[HourLoaded]], None],
    *,
    assets: Sequence[str] | None = None,
    checks: bool = True,
    workers: int | None = None,
    log_level: str = "INFO",
) -> list[HourLoaded]:
    """Materialize hours, neighbours together; a failed hour does not keep others from loading.

    Neighbours share a run of at most a week, with checks where they are few. Where hours of a run
    fail, the others are loaded without them, and each failed one alone, so that its own error is
    known. An hour whose checks could not be evaluated is loaded: it is not loaded again for that.
    The last hour always has a run of its own. `progress` hears of what a run has loaded.

    Args:
        assets: the names of the assets to materialize; all that are of hours where it is None.
        checks: whether runs of few hours check them.
        workers: processes that flatten the hours of a run; by default one per CPU.
        log_level: what Dagster prints on the console; the instance records everything in any case.

    Raises:
        KeyboardInterrupt: A signal has ended a run. No further hour is begun, and the run under way
            is recorded as canceled; what it has committed stays.
    """
    runner = _Runner(definitions, instance, assets, checks, workers, log_level)
    outcomes: list[HourLoaded] = []
    unnamed_failures: list[str] = []

    def report(loaded: Sequence[HourLoaded]) -> None:
        if loaded:
            outcomes.extend(loaded)
            progress(loaded)

    def load(group: Sequence[Hour]) -> None:
        if len(unnamed_failures) == _MOST_UNNAMED_FAILURES:
            reason = f"not tried after {outcomes[-1].hour}: {unnamed_failures[-1]}"
            return report([HourLoaded(hour, "", reason) for hour in group])
        loaded, failed = runner.load(group)
        report(loaded)
        if len(group) == 1:
            # Such as a locked warehouse, which fails every hour for the same reason.
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
            parts = [*neighbours(good), *([hour] for hour in rest if hour in failed)]
        for part in parts:
            load(part)
        return None

    *earlier, last = sorted(set(hours))
    for group in neighbours(earlier, HOURS_A_RUN):
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

    def load(self, hours: Sequence[Hour]) -> tuple[list[HourLoaded], set[Hour] | None]:
        """Those of the hours that one run loads, and those that it names as failed.

        Of a run of one hour, that hour is among the loaded ones, with its error. None where a run
        fails without naming hours.
        """
        from dagster import DagsterError

        is_range = len(hours) > 1
        how: dict[str, Any] = {"partition_key": hours[0].key}
        if is_range:
            how = {"tags": {FIRST_TAG: hours[0].key, LAST_TAG: hours[-1].key}}
        try:
            result = self._run(len(hours), **how)
        except DagsterError as refusal:  # such as an hour that has no partition
            error = f"{type(refusal).__name__}: {refusal}"
            return ([] if is_range else [HourLoaded(hours[0], "", error)]), None
        failed = _failed(result)
        if failed or failed is None:
            loads, _ = _step_failures(result)
            error = "; ".join(failure_message(event) for event in loads) or "the run failed"
            return ([] if is_range else [HourLoaded(hours[0], result.run_id, error)]), failed
        unchecked = _unchecked(result, hours)
        failed_feeds = _failed_feeds(result)
        loaded = [
            HourLoaded(
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
        **how: Any,
    ) -> ExecuteInProcessResult:
        """A run; KeyboardInterrupt if a signal has ended it, which Dagster reports as a failure."""
        is_checked = self.checks and self.assets is None and hour_count <= _MOST_CHECKED
        job = "load_hour" if is_checked else "load_without_checks"
        config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": self.log_level}}}}
        if self.workers is not None and self.assets is None:
            config["ops"] = {"flat_tables": {"config": {"workers": self.workers}}}
        run_id = str(uuid.uuid4())
        cancel = partial(_cancel, self.instance, run_id)
        with (
            interrupts.before_exit(cancel),
            interrupts.around_dagster_run(),
            _whole_events(self.instance),
        ):
            try:
                result = self.definitions.resolve_job_def(job).execute_in_process(
                    instance=self.instance,
                    raise_on_error=False,
                    run_id=run_id,
                    run_config=config,
                    asset_selection=self._asset_keys(),
                    tags={**_NO_RETRIES, **(tags or {})},
                    **how,
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
    """Whether a signal has ended the run, also one that this process does not handle itself."""
    sources = (
        event.step_failure_data.error_source for event in result.all_events if event.is_step_failure
    )
    return any(source is not None and source.name == "INTERRUPT" for source in sources)


@contextmanager
def _whole_events(instance: DagsterInstance) -> Iterator[None]:
    """Let each event be stored before a signal is answered, for as long as a run lasts.

    Dagster raises also in what an asset's code logs or materializes. A transaction of its SQLite
    files that is left open there blocks the events that record the run's end.
    """
    store = instance.handle_new_event

    def store_whole(*arguments: Any, **options: Any) -> None:
        with interrupts.defer_signals():
            store(*arguments, **options)

    instance.handle_new_event = store_whole  # type: ignore[method-assign]
    try:
        yield
    finally:
        del instance.handle_new_event


def _cancel(instance: DagsterInstance, run_id: str) -> None:
    """Record an interrupted run as canceled, and not as failed or, for ever, as started."""
    from dagster import DagsterRunStatus

    run = instance.get_run_by_id(run_id)
    if run is not None and run.status not in (DagsterRunStatus.SUCCESS, DagsterRunStatus.CANCELED):
        instance.report_run_canceled(run, "interrupted; the next load goes on where it was")


def _failed(result: ExecuteInProcessResult) -> set[Hour] | None:
    """The hours that a run names as failed, none of a run that loaded; None if it names none.

    Where only checks could not be evaluated, every hour is loaded.
    """
    loads, checks = _step_failures(result)
    if result.success or (checks and not loads):
        return set()
    named = [_named_hours(event, FAILED_HOURS) for event in loads]
    if not named or None in named:
        return None
    return {hour for reasons in named for hour in reasons or ()}


def _failed_feeds(result: ExecuteInProcessResult) -> dict[Hour, dict[str, str]]:
    """The feeds that loaded hours lack, with the reason of the first step that failed for them."""
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
    """The hours some of whose checks could not be evaluated, and why."""
    from charging_assets.checks.assets import UNCHECKED_HOURS

    unchecked: dict[Hour, str] = {}
    for event in _step_failures(result)[1]:
        reasons = _named_hours(event, UNCHECKED_HOURS)
        if reasons is None:
            reasons = dict.fromkeys(hours, failure_message(event))
        unchecked = reasons | unchecked
    return unchecked


def _step_failures(result: ExecuteInProcessResult) -> tuple[list[Any], list[Any]]:
    """The failures of steps that load, and of steps that check what is loaded."""
    from charging_assets.checks.assets import CHECK_STEPS

    loads: list[Any] = []
    checks: list[Any] = []
    for event in result.all_events:
        if event.is_step_failure:
            (checks if event.step_key in CHECK_STEPS else loads).append(event)
    return loads, checks


def _named_hours(event: Any, name: str) -> dict[Hour, str] | None:
    """The hours that a failure's metadata names with a reason each; None if it names none."""
    failure = event.step_failure_data.user_failure_data
    if not failure or name not in failure.metadata:
        return None
    reasons: Any = failure.metadata[name].value
    return {Hour.parse(key): str(reason) for key, reason in reasons.items()}


def failure_message(event: Any) -> str:
    """What a step's failure says, in a line."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return f"{event.step_key}: {data.user_failure_data.description}"
    cause = (data.error.cause or data.error) if data.error else None
    return f"{event.step_key}: {cause.message.strip()}" if cause else f"{event.step_key} failed"
