"""Loading hours through Dagster, in this process.

Belongs here: one run of the `load_hour` job for each hour, recorded in the instance that the UI
shows. Does not belong here: which hours (`pending`), or how progress is drawn (`cli`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from charging_assets.partitions import Hour

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
) -> list[HourLoaded]:
    """Materialize hours one after the other; a failed hour does not keep the next from loading."""
    job = definitions.resolve_job_def("load_hour")
    outcomes = []
    for hour in hours:
        result = job.execute_in_process(
            instance=instance, partition_key=hour.key, raise_on_error=False
        )
        failures = [event for event in result.all_events if event.is_step_failure]
        error = None
        if not result.success:
            error = "; ".join(_told(event) for event in failures) or "the run failed"
        outcomes.append(HourLoaded(hour, result.run_id, error))
        progress(outcomes[-1])
    return outcomes


def _told(event: object) -> str:
    data = getattr(event, "step_failure_data", None)
    cause = data.error.cause or data.error if data and data.error else None
    step = getattr(event, "step_key", "?")
    if data is not None and data.user_failure_data and data.user_failure_data.description:
        return f"{step}: {data.user_failure_data.description}"
    return f"{step}: {cause.message.strip()}" if cause else f"{step} failed"
