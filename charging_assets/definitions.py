"""The code location: assembles all assets, jobs and resources.

Importing this module reads no settings and opens no connections; Dagster calls `defs`. The code
location also loads with invalid settings: they are logged, and the runs that need them fail.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import dagster as dg

from charging_assets import deployments, resources
from charging_assets.acquisition.assets import raw_api_snapshots
from charging_assets.checks.assets import CHECKS
from charging_assets.checks.hours import check_hours_job
from charging_assets.io_managers import Progress
from charging_assets.modelling.assets import ASSETS as MODELLING_ASSETS
from charging_assets.orchestration.jobs import JOBS
from charging_assets.orchestration.schedules import schedules
from charging_assets.orchestration.sensors import sensors
from charging_assets.orchestration.switch import Automation, read_automation
from charging_assets.preprocessing.assets import flat_tables
from charging_assets.publication.assets import ASSETS as PUBLICATION_ASSETS
from charging_assets.reports.report import REPORTS

_log = logging.getLogger(__name__)


def build(
    storage: deployments.Storage | None = None,
    feeds: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    automation: Automation | None = None,
) -> dg.Definitions:
    """The definitions for a given storage, or for the storage of the environment.

    Args:
        feeds: the feeds by name, instead of those of the environment.
        progress: called for each asset that a run of this process loads.
        automation: the settings of schedules and sensors.
    """
    automation = automation or Automation()
    if storage is None:
        by_name = resources.deployed()
        arguments = {"feeds": feeds, "progress": progress}
        by_name |= {name: value for name, value in arguments.items() if value is not None}
    else:
        by_name = resources.for_storage(storage, feeds, progress)
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
        schedules=schedules(automation),
        sensors=sensors(automation),
        resources=by_name,
        # One process per run instead of one per step: steps are short, and imports take seconds.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The code location: the environment's storage, feeds and automation."""
    automation = read_automation()
    for warning in automation.warnings:
        _log.warning("%s", warning)
    return build(automation=automation)
