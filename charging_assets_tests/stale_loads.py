"""Loading in tests as commands do it: range runs of Dagster in this process, nothing on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any

import dagster as dg

from charging_assets import deployments
from charging_assets.definitions import build
from charging_assets.hours import Hour
from charging_assets.io_managers import Progress
from charging_assets.lake.store import Lake
from charging_assets.orchestration.load_runs import HourResult, load_hours
from charging_assets.orchestration.staleness import stale_hours
from charging_assets.warehouse.interface import Warehouse


def load_stale(
    lake: Lake,
    warehouse: Warehouse,
    hours: Iterable[Hour] | None = None,
    *,
    instance: dg.DagsterInstance | None = None,
    progress: Progress | None = None,
    checks: bool = False,
    workers: int | None = 0,
    assets: Sequence[str] | None = None,
) -> list[HourResult]:
    """Load hours, by default the stale ones, as `charging-assets load` does."""
    if hours is None:
        hours = [stale.hour for stale in stale_hours(lake, warehouse)]
    how: dict[str, Any] = {"assets": assets, "checks": checks, "workers": workers}
    definitions = build(deployments.Storage(lake, warehouse), feeds={}, progress=progress)
    with nullcontext(instance) if instance else dg.DagsterInstance.ephemeral() as at:
        return load_hours(definitions, at, hours, lambda _: None, log_level="CRITICAL", **how)


def errors_of(outcomes: Iterable[HourResult]) -> dict[Hour, str]:
    """The hours that were not loaded, and why."""
    return {outcome.hour: outcome.error for outcome in outcomes if outcome.error is not None}
