"""Checks of hours that were loaded without them: many hours in one run, each with its own result.

Belongs here: evaluating all rules for hours and recording what came of them, partition by
partition. Does not belong here: which hours, or when (`automation`).

A run of several hours records partitioned checks under no partition, so backfills leave them out.
What is recorded here stands in the UI under its hour like any other result, and in this run's log,
where alerts find it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg

from charging_assets.checks.assets import evaluation
from charging_assets.checks.evaluate import findings
from charging_assets.checks.registry import HOURLY
from charging_assets.checks.rules import Finding
from charging_assets.partitions import Hour, hours_between
from charging_assets.storage.flat_files import StaleFlatFile
from charging_assets.storage.lake import Lake
from charging_assets.storage.warehouse import Warehouse


@dataclass(frozen=True)
class HourChecked:
    """What the checks of an hour found.

    `error` says why an hour could not be checked: it is not loaded.
    """

    hour: Hour
    findings: tuple[Finding, ...] = ()
    error: str | None = None

    @property
    def failed(self) -> list[str]:
        """The names of the checks that did not pass."""
        return [finding.rule.name for finding in self.findings if not finding.passed]


class HoursConfig(dg.Config):
    """The hours to check, both ends included, as partition keys."""

    first: str
    last: str


def check_hours(lake: Lake, warehouse: Warehouse, hours: Iterable[Hour]) -> Iterator[HourChecked]:
    """Evaluate the rules of each hour."""
    for hour in hours:
        try:
            yield HourChecked(hour, tuple(findings(HOURLY, hour, lake, warehouse)))
        except StaleFlatFile as stale:
            yield HourChecked(hour, error=str(stale))


@dg.op(
    name="check_each_hour",
    out={},
    description="Evaluate all checks for each hour from `first` to `last`, after a backfill.",
)
def check_hours_op(
    context: dg.OpExecutionContext,
    config: HoursConfig,
    lake: dg.ResourceParam[Lake],
    warehouse: dg.ResourceParam[Warehouse],
) -> Iterator[Any]:
    wanted = list(hours_between(Hour.parse(config.first), Hour.parse(config.last)))
    for done in check_hours(lake, warehouse, wanted):
        for finding in done.findings:
            # An event of this run: one without a run could be recorded for an hour only once.
            yield evaluation(finding, done.hour)
        if done.error is not None:
            context.log.warning(f"{done.hour} was not checked: {done.error}")
            continue
        failed = f", {len(done.failed)} did not: {', '.join(done.failed)}" if done.failed else ""
        passed = len(done.findings) - len(done.failed)
        context.log.info(f"{done.hour}: {passed} checks passed{failed}")


@dg.job(
    name="check_hours",
    description="The checks of hours that were loaded by `backfill`, each recorded under its hour.",
    tags={"dagster/priority": "-5"},
)
def check_hours_job() -> None:
    check_hours_op()
