"""Loading hours through Dagster, in this process.

Belongs here: cutting hours into runs, recorded in the instance that the UI shows. Does not belong
here: which hours (`pending`), or how progress is drawn (`cli`).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from charging_assets import interrupts
from charging_assets.automation.rebuild import Done
from charging_assets.automation.rebuild_job import FAILED_HOURS, watched
from charging_assets.automation.runs import FIRST_TAG, LAST_TAG
from charging_assets.partitions import HOURS_A_RUN, ONE_HOUR, Hour

if TYPE_CHECKING:
    from dagster import DagsterInstance, Definitions, ExecuteInProcessResult

# A week of 2,428 EVSEs: half a gigabyte of memory, where a month would take two.
_ROWS_A_WINDOW = 2_500_000
# Dagster's daemon would take an interrupted run for one whose process died, and run it again.
_NO_RETRIES = {"dagster/max_retries": "0"}


@dataclass(frozen=True)
class HourLoaded:
    """How one hour's run ended; `error` names the step and what went wrong.

    `unchecked` is why some check of a loaded hour could not be evaluated.
    """

    hour: Hour
    run_id: str
    error: str | None = None
    unchecked: str | None = None


def load_hours(
    definitions: Definitions,
    instance: DagsterInstance,
    hours: Iterable[Hour],
    progress: Callable[[Sequence[HourLoaded]], None],
    *,
    working: Callable[[Done, float], None] | None = None,
    log_level: str = "INFO",
) -> list[HourLoaded]:
    """Materialize hours, neighbours together; a failed hour does not keep others from loading.

    Neighbours share a run of `load_hour`, checks included, or of `rebuild` (no checks) where they
    are more than fit one; those that fail in it are loaded one by one, so that the one at fault is
    known. An hour whose checks could not be evaluated is loaded: it is not loaded again for that.
    The last hour always has a run of its own. `progress` hears of what a run has
    loaded, `working` of each step of a rebuild, and how many of its hours that comes to.
    `log_level` is what Dagster says on the console; the instance records everything in any case.

    Raises:
        KeyboardInterrupt: A signal has ended a run. No further hour is begun, and the run under way
            is recorded as canceled; what it has committed stays.
    """
    runner = _Runner(definitions, instance, working or (lambda step, hours: None), log_level)
    outcomes: list[HourLoaded] = []

    def done(loaded: Sequence[HourLoaded]) -> None:
        if loaded:
            outcomes.extend(loaded)
            progress(loaded)

    for group in _neighbours(hours):
        together = runner.together(group)
        done(together)
        for hour in sorted(set(group) - {outcome.hour for outcome in together}):
            done([runner.alone(hour)])
    return outcomes


@dataclass(frozen=True)
class _Runner:
    definitions: Definitions
    instance: DagsterInstance
    working: Callable[[Done, float], None]
    log_level: str

    def together(self, hours: Sequence[Hour]) -> list[HourLoaded]:
        """Those of the hours that one run could load."""
        from dagster import DagsterError

        if len(hours) == 1:
            return []
        try:
            result = self._rebuilt(hours) if len(hours) > HOURS_A_RUN else self._in_a_range(hours)
        except DagsterError:
            return []
        failed, unchecked = _failed(result, hours), _unchecked(result, hours)
        return [
            HourLoaded(hour, result.run_id, unchecked=unchecked.get(hour))
            for hour in hours
            if hour not in failed
        ]

    def _in_a_range(self, hours: Sequence[Hour]) -> ExecuteInProcessResult:
        return self._run("load_hour", tags={FIRST_TAG: hours[0].key, LAST_TAG: hours[-1].key})

    def _rebuilt(self, hours: Sequence[Hour]) -> ExecuteInProcessResult:
        asked = {
            "first": hours[0].key,
            "last": hours[-1].key,
            "everything": True,
            "rows_a_window": _ROWS_A_WINDOW,
        }
        with watched(lambda step, share: self.working(step, share * len(hours))):
            return self._run("rebuild", config={"ops": {"rebuild_stale_hours": {"config": asked}}})

    def alone(self, hour: Hour) -> HourLoaded:
        from dagster import DagsterError

        try:
            result = self._run("load_hour", partition_key=hour.key)
        except DagsterError as refusal:  # such as an hour that has no partition
            return HourLoaded(hour, "", f"{type(refusal).__name__}: {refusal}")
        if not _failed(result, [hour]):
            unchecked = _unchecked(result, [hour]).get(hour)
            return HourLoaded(hour, result.run_id, unchecked=unchecked)
        loads, _ = _step_failures(result)
        error = "; ".join(told_failure(event) for event in loads) or "the run failed"
        return HourLoaded(hour, result.run_id, error)

    def _run(
        self,
        job: str,
        *,
        config: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        **how: Any,
    ) -> ExecuteInProcessResult:
        """A run; KeyboardInterrupt if a signal has ended it, which Dagster reports as a failure."""
        console = {"loggers": {"console": {"config": {"log_level": self.log_level}}}}
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
                    run_config={**console, **(config or {})},
                    tags={**_NO_RETRIES, **(tags or {})},
                    **how,
                )
            except BaseException:
                if interrupts.received() is not None:
                    cancel()
                interrupts.raise_if_received()
                raise
            if interrupts.received() is None and not _is_interrupted(result):
                return result
            cancel()
            interrupts.raise_if_received()
            raise KeyboardInterrupt


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
        with interrupts.deferred():
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


def _neighbours(hours: Iterable[Hour]) -> Iterator[list[Hour]]:
    """Hours in order, cut where one is missing, and before the last."""
    ordered, group = sorted(set(hours)), list[Hour]()
    for hour in ordered:
        follows = bool(group) and hour.start == group[-1].start + ONE_HOUR
        if group and (not follows or hour == ordered[-1]):
            yield group
            group = []
        group.append(hour)
    if group:
        yield group


def _failed(result: ExecuteInProcessResult, hours: Sequence[Hour]) -> set[Hour]:
    """The hours that a run has not loaded: all of them, unless it names which.

    Where only checks could not be evaluated, every hour is loaded.
    """
    loads, checks = _step_failures(result)
    if result.success or (checks and not loads):
        return set()
    for event in loads:
        if (named := _named_hours(event, FAILED_HOURS)) is not None:
            return set(named)
    return set(hours)


def _unchecked(result: ExecuteInProcessResult, hours: Sequence[Hour]) -> dict[Hour, str]:
    """The hours some of whose checks could not be evaluated, and why."""
    from charging_assets.checks.assets import UNCHECKED_HOURS

    unchecked: dict[Hour, str] = {}
    for event in _step_failures(result)[1]:
        reasons = _named_hours(event, UNCHECKED_HOURS)
        if reasons is None:
            reasons = dict.fromkeys(hours, told_failure(event))
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


def told_failure(event: Any) -> str:
    """What a step's failure says, in a line."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return f"{event.step_key}: {data.user_failure_data.description}"
    cause = (data.error.cause or data.error) if data.error else None
    return f"{event.step_key}: {cause.message.strip()}" if cause else f"{event.step_key} failed"
