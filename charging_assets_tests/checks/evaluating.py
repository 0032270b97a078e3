"""Rules over an hour, without Dagster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from charging_assets.checks.evaluate import found, opened
from charging_assets.checks.rules import Finding, Rule
from charging_assets.hours import Hour
from charging_assets.lake.store import Lake
from charging_assets.sources.feeds import Feed
from charging_assets.warehouse.interface import Warehouse


def findings(
    rules: Iterable[Rule],
    hour: Hour,
    lake: Lake,
    warehouse: Warehouse,
    now: datetime | None = None,
    feeds: Mapping[str, Feed] | None = None,
) -> list[Finding]:
    """What each rule finds in an hour, in the order of the rules; the first error is raised."""
    with opened(hour, lake, warehouse, now, feeds) as scene:
        return [found(rule, scene) for rule in rules]
