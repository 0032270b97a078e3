"""Loading hours through Dagster, in this process.

Belongs here: cutting hours into runs, recorded in the instance that the UI shows. Does not belong
here: which hours (`pending`), or how progress is drawn (`cli`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from charging_assets.automation.runs import FIRST_TAG, LAST_TAG
from charging_assets.partitions import HOURS_A_RUN, ONE_HOUR, Hour

if TYPE_CHECKING:
    from dagster import DagsterInstance, Definitions


@dataclass(frozen=True)
class HourLoaded:
    """How one hour's run ended; `error` names the step and what went wrong."""

    hour: Hour
    run_id: str
    error: str | None = None


def load_hours(
    definitions: Definitions,
    instance: DagsterInstance,
    hours: Iterable[Hour],
    progress: Callable[[HourLoaded], None],
    *,
    log_level: str = "INFO",
) -> list[HourLoaded]:
    """Materialize hours, neighbours together; a failed hour does not keep others from loading.

    One hour alone is a run of `load_hour`, checks included, and so is the last one. Neighbours
    share runs of `backfill`; if such a run fails, its hours are loaded one by one, so that the one
    at fault is known. `log_level` is what Dagster says on the console; the instance
    records everything in any case.
    """
    runner = _Runner(definitions, instance, log_level)
    outcomes: list[HourLoaded] = []

    def done(loaded: Sequence[HourLoaded]) -> None:
        for outcome in loaded:
            outcomes.append(outcome)
            progress(outcome)

    for group in _neighbours(hours):
        together = runner.together(group) if len(group) > 1 else None
        if together is not None:
            done(together)
            continue
        for hour in group:
            done([runner.alone(hour)])
    return outcomes


@dataclass(frozen=True)
class _Runner:
    definitions: Definitions
    instance: DagsterInstance
    log_level: str

    def together(self, hours: Sequence[Hour]) -> list[HourLoaded] | None:
        """The hours in one run; None if it failed."""
        from dagster import DagsterError

        try:
            result = self._run("backfill", tags={FIRST_TAG: hours[0].key, LAST_TAG: hours[-1].key})
        except DagsterError:
            return None
        return [HourLoaded(hour, result.run_id) for hour in hours] if result.success else None

    def alone(self, hour: Hour) -> HourLoaded:
        from dagster import DagsterError

        try:
            result = self._run("load_hour", partition_key=hour.key)
        except DagsterError as refusal:  # such as an hour that has no partition
            return HourLoaded(hour, "", f"{type(refusal).__name__}: {refusal}")
        if result.success:
            return HourLoaded(hour, result.run_id)
        failures = [event for event in result.all_events if event.is_step_failure]
        error = "; ".join(told_failure(event) for event in failures) or "the run failed"
        return HourLoaded(hour, result.run_id, error)

    def _run(self, job: str, **how: Any) -> Any:
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": self.log_level}}}},
            **how,
        )


def _neighbours(hours: Iterable[Hour]) -> Iterator[list[Hour]]:
    """Hours in order, cut where one is missing, where a run is full, and before the last."""
    ordered, group = sorted(set(hours)), list[Hour]()
    for hour in ordered:
        follows = bool(group) and hour.start == group[-1].start + ONE_HOUR
        if group and (not follows or hour == ordered[-1] or len(group) == HOURS_A_RUN):
            yield group
            group = []
        group.append(hour)
    if group:
        yield group


def told_failure(event: Any) -> str:
    """What a step's failure says, in a line."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return f"{event.step_key}: {data.user_failure_data.description}"
    cause = (data.error.cause or data.error) if data.error else None
    return f"{event.step_key}: {cause.message.strip()}" if cause else f"{event.step_key} failed"
