"""Runs, as automation tags and reads them: which hours a run is of, which try it is.

Belongs here: tags. Does not belong here: which runs are requested (`sensors`, `schedules`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from charging_assets.hours import Hour, hours_between

if TYPE_CHECKING:
    from dagster import DagsterRun

PARTITION_TAG = "dagster/partition"
FIRST_TAG, LAST_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
# What healing requested, and which of its tries it is.
HEALED_TAG, TRY_TAG = "charging/healing", "charging/try"


def hours_of(run: DagsterRun) -> set[Hour]:
    """The hours of a run: its partition, or its range; none where it is of no hour."""
    tags = run.tags
    try:
        if FIRST_TAG in tags:
            return set(hours_between(Hour.parse(tags[FIRST_TAG]), Hour.parse(tags[LAST_TAG])))
        return {Hour.parse(tags[PARTITION_TAG])} if PARTITION_TAG in tags else set()
    except (KeyError, ValueError):
        return set()


def format_hours_of(run: DagsterRun) -> str:
    """The hours of a run in words; empty where it is of no hour."""
    hours = sorted(hours_of(run))
    if not hours:
        return ""
    return hours[0].key if len(hours) == 1 else f"{hours[0]} to {hours[-1]}"
