"""The code location: every asset, job and resource, assembled.

Belongs here: assembly only. It reads like the picture in the README: acquisition, preprocessing,
modelling, over a lake and a warehouse.

Importing this module reads no setting and opens nothing; Dagster calls `defs`. A setting that
cannot be used does not keep the code location from loading: it is logged, and what needs it fails.
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
    """The definitions over a storage that is given, or over the one that the environment names.

    Args:
        feeds: the feeds by name, in place of those of the environment.
        progress: hears of what runs of this process load.
        automation: how schedules and sensors are defined; as without any variable by default.
    """
    automation = automation or Automation()
    if storage is None:
        made = resources.deployed()
        given = {"feeds": feeds, "progress": progress}
        made |= {name: value for name, value in given.items() if value is not None}
    else:
        made = deployments.resources(storage, feeds, progress)
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
        resources=made,
        # Steps are short and share what they import: one process a run, not one a step.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The code location: the environment's storage, feeds and automation."""
    automation = read_automation()
    for warning in automation.warnings:
        _log.warning("%s", warning)
    return build(automation=automation)
