"""Checks of hours that were loaded without them: many hours in one run, each with its own result.

Belongs here: evaluating all rules for hours and recording what came of them, partition by
partition. Does not belong here: which hours, or when (`automation`).

A run of several hours records partitioned checks under no partition, so backfills leave them out.
What is recorded here stands in the UI under its hour like any other result, only without a run.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import dagster as dg

from charging_assets.checks.assets import evaluation
from charging_assets.checks.evaluate import findings
from charging_assets.checks.registry import HOURLY
from charging_assets.partitions import Hour, hours_between
from charging_assets.storage.flat_files import StaleFlatFile
from charging_assets.storage.lake import Lake
from charging_assets.storage.warehouse import Warehouse


@dataclass(frozen=True)
class HourChecked:
    """What the checks of an hour said: how many passed, and which did not.

    `error` says why an hour could not be checked: it is not loaded.
    """

    hour: Hour
    passed: int = 0
    failed: tuple[str, ...] = ()
    error: str | None = None


class HoursConfig(dg.Config):
    """The hours to check, both ends included, as partition keys."""

    first: str
    last: str


@dataclass
class _Tally:
    counts: Counter[bool] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


def check_hours(
    instance: dg.DagsterInstance, lake: Lake, warehouse: Warehouse, hours: Iterable[Hour]
) -> Iterator[HourChecked]:
    """Evaluate the rules of each hour and record the results under it in Dagster's instance."""
    for hour in hours:
        tally = _Tally()
        try:
            for finding in findings(HOURLY, hour, lake, warehouse):
                instance.report_runless_asset_event(evaluation(finding, hour))
                tally.counts[finding.passed] += 1
                tally.failed += [] if finding.passed else [finding.rule.name]
        except StaleFlatFile as stale:
            yield HourChecked(hour, tally.counts[True], tuple(tally.failed), str(stale))
            continue
        yield HourChecked(hour, tally.counts[True], tuple(tally.failed))


@dg.op(
    name="check_each_hour",
    description="Evaluate all checks for each hour from `first` to `last`, after a backfill.",
)
def check_hours_op(
    context: dg.OpExecutionContext,
    config: HoursConfig,
    lake: dg.ResourceParam[Lake],
    warehouse: dg.ResourceParam[Warehouse],
) -> None:
    wanted = list(hours_between(Hour.parse(config.first), Hour.parse(config.last)))
    for done in check_hours(context.instance, lake, warehouse, wanted):
        if done.error is not None:
            context.log.warning(f"{done.hour} was not checked: {done.error}")
        else:
            failed = f", {len(done.failed)} did not: {', '.join(done.failed)}" * bool(done.failed)
            context.log.info(f"{done.hour}: {done.passed} checks passed{failed}")


@dg.job(
    name="check_hours",
    description="The checks of hours that were loaded by `backfill`, each recorded under its hour.",
    tags={"dagster/priority": "-5"},
)
def check_hours_job() -> None:
    check_hours_op()
