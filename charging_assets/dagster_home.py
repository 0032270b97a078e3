"""Dagster's own home: where it keeps runs, events and schedules, and how it is set up.

Belongs here: the folder, and the instance's settings that come with the project. Does not belong
here: the code location (`definitions`), or anything about the lake and the warehouse.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from charging_assets.deployments import DeploymentError, home

SETTINGS = "dagster.yaml"

# Written once, into the project's own Dagster home; from then on it is the user's.
_DEFAULT_SETTINGS = """\
# How Dagster runs here. Written once by charging-assets; change it as you like, it is not
# overwritten.

telemetry:
  enabled: false
nux:
  enabled: false

concurrency:
  # Assets that write the warehouse share a pool: one such run at a time. A run waits for it in the
  # queue, not half-way through, and polls, which are in no pool, wait for nobody.
  pools:
    default_limit: 1
    granularity: run
  runs:
    max_concurrent_runs: 4

run_queue:
  # The default of 5 seconds is most of what an hourly run would take.
  dequeue_interval_seconds: 1

run_monitoring:
  # A run whose process died would stay "started", and in the way of the next, for ever.
  enabled: true
  start_timeout_seconds: 180
  cancel_timeout_seconds: 120
  max_runtime_seconds: 3600
  poll_interval_seconds: 30
  free_slots_after_run_end_seconds: 60

retention:
  # Ticks come every few minutes and are of no use for long.
  schedule:
    purge_after_days: {skipped: 7, success: 30, failure: 90}
  sensor:
    purge_after_days: {skipped: 2, success: 30, failure: 90}
  auto_materialize:
    purge_after_days: {skipped: 2, success: 30, failure: 90}
"""

_WORKSPACE = """\
load_from:
  - python_module:
      module_name: charging_assets.definitions
      location_name: charging_assets
"""


def dagster_home(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder: DAGSTER_HOME, or `dagster` in CHARGING_HOME."""
    own = environment.get("DAGSTER_HOME")
    return Path(own).expanduser().resolve() if own else home(environment) / "dagster"


def prepare(environment: MutableMapping[str, str] = os.environ) -> Path:
    """The folder, ready, and named in the environment for Dagster itself to find.

    A home that the user chose must be there and is left as it is; the project's own is made.
    """
    folder = dagster_home(environment)
    if environment.get("DAGSTER_HOME") and folder != home(environment) / "dagster":
        if not folder.is_dir():
            raise DeploymentError(
                f"DAGSTER_HOME is {folder}, which is no folder; make it, or unset DAGSTER_HOME to "
                f"use {home(environment) / 'dagster'}"
            )
    else:
        folder.mkdir(parents=True, exist_ok=True)
        settings = folder / SETTINGS
        if not settings.exists():
            settings.write_text(_DEFAULT_SETTINGS, encoding="utf-8")
    environment["DAGSTER_HOME"] = str(folder)
    return folder


def workspace_file(environment: Mapping[str, str] = os.environ) -> Path:
    """The workspace that names the code location: the checkout's, or one written for a wheel."""
    checkout = Path(__file__).resolve().parent.parent / "workspace.yaml"
    if checkout.is_file():
        return checkout
    written = dagster_home(environment) / "workspace.yaml"
    written.write_text(_WORKSPACE, encoding="utf-8")
    return written
