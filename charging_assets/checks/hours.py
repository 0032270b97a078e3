"""The job `check_hours`: evaluate checks of loaded hours, without loading them again.

The web UI of this Dagster release cannot execute checks of partitioned assets without the assets,
and the job `load_without_checks` loads hours without checks: this job is for both cases.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

from charging_assets.checks.assets import evaluate_hours
from charging_assets.checks.registry import HOURLY
from charging_assets.hours import Hour, hours_between
from charging_assets.lake.flat_files import StaleFlatFile, flat_feeds, open_hour
from charging_assets.lake.store import Lake
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.text import count_noun
from charging_assets.warehouse.interface import Warehouse


class HoursConfig(dg.Config):
    """The hours to check, both ends included, as partition keys."""

    first: str
    last: str


@dg.op(
    name="check_each_hour",
    out={},
    description="Evaluate all checks for each loaded hour from `first` to `last`.",
)
def check_hours_op(
    context: dg.OpExecutionContext,
    config: HoursConfig,
    lake: dg.ResourceParam[Lake],
    warehouse: dg.ResourceParam[Warehouse],
) -> Iterator[Any]:
    """Evaluate all checks of the loaded hours; log a warning for each hour that is not loaded."""
    hours = list(hours_between(Hour.parse(config.first), Hour.parse(config.last)))
    missing = _not_loaded(lake, hours)
    for hour, reason in missing.items():
        context.log.warning(f"{hour} was not checked: {reason}")
    loaded = [hour for hour in hours if hour not in missing]
    failed_count = 0
    for result in evaluate_hours(HOURLY, loaded, lake, warehouse):
        failed_count += not result.passed
        # Without a run, Dagster would record only one evaluation per check and partition.
        yield result
    failures = count_noun(failed_count, "check")
    context.log.info(f"{count_noun(len(loaded), 'hour')} checked, {failures} failed")


def _not_loaded(lake: Lake, hours: Iterable[Hour]) -> dict[Hour, str]:
    """The hours without usable flat files, with the reason."""
    reasons = {}
    feeds = flat_feeds(lake, FLAT_TABLES[0])
    for hour in hours:
        try:
            open_hour(lake, FLAT_TABLES[0], hour, feeds)
        except StaleFlatFile as error:
            reasons[hour] = str(error)
    return reasons


@dg.job(
    name="check_hours",
    description="Check hours that are already loaded; each result is recorded under its hour. "
    "Use it after `rebuild` or `load_without_checks`, or to check an hour again.",
    tags={"dagster/priority": "-5"},
)
def check_hours_job() -> None:
    check_hours_op()
