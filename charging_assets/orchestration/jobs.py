"""The jobs that people start and schedules request.

Belongs here: named selections of assets.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from charging_assets.checks.registry import FRESHNESS
from charging_assets.orchestration.maintenance import maintain

# A run whose host died would be "started" until this is over, and hold the writers' pool.
MAX_RUNTIME_TAG = "dagster/max_runtime"
# A worker that was killed is replaced; every load may begin anew.
_ANEW = {"dagster/retry_strategy": "ALL_STEPS"}

poll = dg.define_asset_job(
    "poll",
    # Without checks: they are of whole hours, and run where hours are loaded.
    selection=dg.AssetSelection.assets("raw_api_snapshots").without_checks(),
    description="Ask every enabled feed once and archive the answers, for the running hour.",
    config={"ops": {"raw_api_snapshots": {"config": {"live": True}}}},
    # What is not asked for now is lost for ever; a backfill can wait.
    tags={"dagster/priority": "10", MAX_RUNTIME_TAG: "900", **_ANEW},
)

# By group, so that assets of a user's own that share the code location stay out of these jobs.
# Reports are of a day, and made when somebody wants one.
_HOURLY = dg.AssetSelection.groups(
    "acquisition", "preprocessing", "modelling", "marts", "publication"
)
_FRESHNESS = dg.AssetSelection.checks(
    *(dg.AssetCheckKey(dg.AssetKey(rule.asset), rule.name) for rule in FRESHNESS)
)

load_hour = dg.define_asset_job(
    "load_hour",
    # Freshness is of now: loading an hour says nothing about it.
    selection=_HOURLY - _FRESHNESS,
    description="Bring archived polls into flat files, staging, dimensions, facts and marts, and "
    "check them: one hour, or a range of hours in one run.",
    tags={MAX_RUNTIME_TAG: "28800", **_ANEW},
)
load_without_checks = dg.define_asset_job(
    "load_without_checks",
    selection=(_HOURLY - _FRESHNESS).without_checks(),
    description="What load_hour does, without checks: for first loads and for history after a "
    "change of rules. The job check_hours checks hours that are loaded.",
    tags={MAX_RUNTIME_TAG: "28800", **_ANEW},
)
# One hour alone takes seconds; a run whose host died must not hold the pool for hours.
ONE_HOUR_TAGS = {MAX_RUNTIME_TAG: "1800"}
# Ranges are loaded after outages: polls and the current hour go first.
RANGE_TAGS = {"dagster/priority": "-1"}

check_freshness = dg.define_asset_job(
    "check_freshness",
    selection=_FRESHNESS,
    description="Check that enabled feeds are still polled and that the newest past hour is "
    "loaded.",
    # Seconds of work, and the only one that notices that nothing else runs.
    tags={"dagster/priority": "5", MAX_RUNTIME_TAG: "900"},
)

JOBS: list[Any] = [poll, load_hour, load_without_checks, check_freshness, maintain]
