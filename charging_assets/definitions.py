"""The code location: every asset, job and resource, assembled.

Belongs here: assembly only. It reads like the picture in the README: acquisition, preprocessing,
modelling, over a lake and a warehouse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from charging_assets import deployments
from charging_assets.acquisition.assets import raw_api_snapshots
from charging_assets.automation.jobs import JOBS
from charging_assets.automation.schedules import SCHEDULES
from charging_assets.automation.sensors import SENSORS
from charging_assets.checks.assets import CHECKS
from charging_assets.checks.hours import check_hours_job
from charging_assets.modelling.assets import ASSETS as MODELLING_ASSETS
from charging_assets.preprocessing.assets import flat_tables
from charging_assets.publication.assets import ASSETS as PUBLICATION_ASSETS
from charging_assets.publication.report import REPORTS
from charging_assets.storage.io_managers import Progress


def build(
    storage: deployments.Storage | None = None,
    feeds: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dg.Definitions:
    """The definitions over a storage: the deployment's own, or one that is given."""
    return dg.Definitions(
        assets=[
            raw_api_snapshots,
            flat_tables,
            *MODELLING_ASSETS,
            *PUBLICATION_ASSETS,
            *REPORTS,
        ],
        asset_checks=CHECKS,
        jobs=[*JOBS, check_hours_job],
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources=deployments.resources(storage or deployments.storage(), feeds, progress),
        # Steps are short and share what they import: one process a run, not one a step.
        executor=dg.in_process_executor,
    )


defs = build()
