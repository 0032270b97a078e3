"""The jobs that people start and schedules request.

Belongs here: named selections of assets.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from charging_assets.automation.maintenance import maintain

# A run whose host died would be "started" until this is over, and hold the writers' pool.
_MAX_RUNTIME = "dagster/max_runtime"
# A worker that was killed is replaced; every load may begin anew.
_ANEW = {"dagster/retry_strategy": "ALL_STEPS"}

poll = dg.define_asset_job(
    "poll",
    # Without checks: they are of whole hours, and run where hours are loaded.
    selection=dg.AssetSelection.assets("raw_api_snapshots").without_checks(),
    description="Ask every enabled feed once and archive the answers, for the running hour.",
    config={"ops": {"raw_api_snapshots": {"config": {"live": True}}}},
    # What is not asked for now is lost for ever; a backfill can wait.
    tags={"dagster/priority": "10", _MAX_RUNTIME: "900", **_ANEW},
)

# A report is of a day, and made when somebody wants it.
_HOURLY = dg.AssetSelection.all() - dg.AssetSelection.assets("utilisation_report")

load_hour = dg.define_asset_job(
    "load_hour",
    selection=_HOURLY,
    description="Bring an hour's archived polls into flat files, staging, dimensions, facts and "
    "marts, and check it.",
    tags={_MAX_RUNTIME: "1800", **_ANEW},
)

# Several hours share a run, which cannot carry the checks of single hours.
backfill = dg.define_asset_job(
    "backfill",
    selection=_HOURLY - dg.AssetSelection.all_asset_checks(),
    description="Load a range of hours in one run. Guards hold as ever; `check_hours` checks "
    "them afterwards.",
    tags={"dagster/priority": "-1", _MAX_RUNTIME: "7200", **_ANEW},
)

JOBS: list[Any] = [poll, load_hour, backfill, maintain]
