"""Evaluate rules for an hour, without Dagster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from charging_assets.checks.evaluate import evaluate_rule, open_context
from charging_assets.checks.rules import Finding, Rule
from charging_assets.hours import Hour
from charging_assets.lake.store import Lake
from charging_assets.sources.feeds import Feed
from charging_assets.warehouse.interface import Warehouse


def evaluate_rules(
    rules: Iterable[Rule],
    hour: Hour,
    lake: Lake,
    warehouse: Warehouse,
    now: datetime | None = None,
    feeds: Mapping[str, Feed] | None = None,
) -> list[Finding]:
    """The findings of the rules, in their order.

    Raises:
        Exception: the first error of a rule.
    """
    with open_context(hour, lake, warehouse, now, feeds) as context:
        return [evaluate_rule(rule, context) for rule in rules]
