"""Tags of runs: the hours that a run loads, and the number of its attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charging_assets.hours import Hour, hours_between

if TYPE_CHECKING:
    from dagster import DagsterRun

PARTITION_TAG = "dagster/partition"
FIRST_TAG, LAST_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
# Set by the sensor `reconcile_hours`: the run key, and the number of the attempt.
RECONCILIATION_TAG, ATTEMPT_TAG = "charging/reconciliation", "charging/attempt"


def hours_of(run: DagsterRun) -> set[Hour]:
    """The hours of a run: its partition or its partition range; none if it has neither."""
    tags = run.tags
    try:
        if FIRST_TAG in tags:
            return set(hours_between(Hour.parse(tags[FIRST_TAG]), Hour.parse(tags[LAST_TAG])))
        return {Hour.parse(tags[PARTITION_TAG])} if PARTITION_TAG in tags else set()
    except (KeyError, ValueError):
        return set()


def format_hours_of(run: DagsterRun) -> str:
    """The hours of a run as text; empty if it has none."""
    hours = sorted(hours_of(run))
    if not hours:
        return ""
    return hours[0].key if len(hours) == 1 else f"{hours[0]} to {hours[-1]}"
