"""The jobs that people start and schedules request.

Belongs here: named selections of assets.
"""

from __future__ import annotations

import dagster as dg

poll = dg.define_asset_job(
    "poll",
    selection=dg.AssetSelection.assets("raw_api_snapshots"),
    description="Ask every enabled feed once and archive the answers, for the running hour.",
    config={"ops": {"raw_api_snapshots": {"config": {"live": True}}}},
    # What is not asked for now is lost for ever; a backfill can wait.
    tags={"dagster/priority": "10"},
)

load_hour = dg.define_asset_job(
    "load_hour",
    selection=dg.AssetSelection.all(),
    description="Bring an hour's archived polls into flat files, staging, dimensions and facts.",
)

# Several hours share a run, which cannot carry the checks of single hours.
backfill = dg.define_asset_job(
    "backfill",
    selection=dg.AssetSelection.all() - dg.AssetSelection.all_asset_checks(),
    description="Load a range of hours in one run. Guards hold as ever; checks are of `load_hour`.",
)

JOBS = [poll, load_hour, backfill]
