"""The jobs, which are named selections of assets, and the tags of their runs."""

from __future__ import annotations

from typing import Any

import dagster as dg

from charging_assets.checks.registry import FRESHNESS
from charging_assets.orchestration.maintenance import maintain

# A run whose host died stays "started" for this time and occupies the writers' pool.
MAX_RUNTIME_TAG = "dagster/max_runtime"
# Dagster restarts a run whose worker was killed. Loads are idempotent, so all steps run again.
_RETRY_ALL_STEPS = {"dagster/retry_strategy": "ALL_STEPS"}

poll = dg.define_asset_job(
    "poll",
    # Without checks: they check loaded hours.
    selection=dg.AssetSelection.assets("raw_api_snapshots").without_checks(),
    description="Poll every enabled feed once and archive the responses in the current hour.",
    config={"ops": {"raw_api_snapshots": {"config": {"live": True}}}},
    # Anything that is not polled now is lost; a backfill can wait.
    tags={"dagster/priority": "10", MAX_RUNTIME_TAG: "900", **_RETRY_ALL_STEPS},
)

# By group, so that these jobs exclude the user's assets in the same code location. Reports are
# partitioned by day and started by hand.
_HOURLY = dg.AssetSelection.groups(
    "acquisition", "preprocessing", "modelling", "marts", "publication"
)
_FRESHNESS = dg.AssetSelection.checks(
    *(dg.AssetCheckKey(dg.AssetKey(rule.asset), rule.name) for rule in FRESHNESS)
)

load_hour = dg.define_asset_job(
    "load_hour",
    # Freshness does not depend on the hour that is loaded.
    selection=_HOURLY - _FRESHNESS,
    description="Load archived polls into flat files, staging, dimensions, facts and marts, and "
    "check them: one hour, or a range of hours in one run.",
    tags={MAX_RUNTIME_TAG: "28800", **_RETRY_ALL_STEPS},
)
load_without_checks = dg.define_asset_job(
    "load_without_checks",
    selection=(_HOURLY - _FRESHNESS).without_checks(),
    description="Like load_hour, without checks: for first loads and for reprocessing history "
    "after a rule change. The job check_hours checks loaded hours.",
    tags={MAX_RUNTIME_TAG: "28800", **_RETRY_ALL_STEPS},
)
# One hour takes seconds; a run whose host died must not occupy the pool for hours.
ONE_HOUR_TAGS = {MAX_RUNTIME_TAG: "1800"}
# Ranges are loaded after outages: polls and the current hour go first.
RANGE_TAGS = {"dagster/priority": "-1"}

check_freshness = dg.define_asset_job(
    "check_freshness",
    selection=_FRESHNESS,
    description="Check that enabled feeds are still polled and that the newest past hour is "
    "loaded.",
    # Takes seconds, and is the only job that detects that no other job runs.
    tags={"dagster/priority": "5", MAX_RUNTIME_TAG: "900"},
)

JOBS: list[Any] = [poll, load_hour, load_without_checks, check_freshness, maintain]
