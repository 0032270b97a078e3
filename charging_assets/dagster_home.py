"""Dagster's own home: where it keeps runs, events and schedules, and how it is set up.

Belongs here: the folder, and the instance's settings that come with the project. Does not belong
here: the code location (`definitions`), or anything about the lake and the warehouse.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from charging_assets.dagster_errors import DagsterHomeError, require_room, unusable_path
from charging_assets.deployments import DeploymentError, home
from charging_assets.storage.folders import make_private
from charging_assets.text import is_address

SETTINGS = "dagster.yaml"
_STORAGE = re.compile(r"^(run_|event_log_|schedule_)?storage:", re.MULTILINE)

# Written into the project's own Dagster home; a file that somebody has changed is theirs.
_DEFAULT_SETTINGS = """\
# How Dagster runs here. Written by charging-assets; change it as you like: it is then not
# overwritten, by later releases neither.

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
  # A code location that restarts is asked again, for a minute.
  max_user_code_failure_retries: 6
  user_code_failure_retry_delay: 10

run_monitoring:
  # A run whose process died would stay "started", and in the way of the next, for ever.
  enabled: true
  start_timeout_seconds: 180
  cancel_timeout_seconds: 120
  max_runtime_seconds: 3600
  poll_interval_seconds: 30
  free_slots_after_run_end_seconds: 60

run_retries:
  # Runs whose process died, not those that failed: what is wrong with an hour is still wrong a
  # minute later, and hours that lack rows are found by comparing archive and ledger.
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false

retention:
  # Ticks come every few minutes and are of no use for long.
  schedule:
    purge_after_days: {skipped: 7, success: 30, failure: 90}
  sensor:
    purge_after_days: {skipped: 2, success: 30, failure: 90}
  auto_materialize:
    purge_after_days: {skipped: 2, success: 30, failure: 90}
"""

# What earlier releases wrote, as SHA-256: a file that is still one of these was never changed.
_FORMER_SETTINGS = {"36022cb3200cd91d58b57ecf82b89241163339844e9f84ea7b66c2590027f462"}


def dagster_home(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder: DAGSTER_HOME, or `dagster` in CHARGING_HOME.

    Raises:
        DeploymentError: DAGSTER_HOME is an address.
    """
    chosen = environment.get("DAGSTER_HOME")
    if chosen and is_address(chosen):
        raise DeploymentError("DAGSTER_HOME is an address; give the path of a folder")
    return Path(chosen).expanduser().resolve() if chosen else home(environment) / "dagster"


def prepare(environment: MutableMapping[str, str] = os.environ) -> Path:
    """The folder, ready, and named in the environment for Dagster itself to find.

    A home that the user chose must be there and is left as it is; the project's own is made.

    Raises:
        DeploymentError: DAGSTER_HOME is not a directory.
        DagsterHomeError: the folder cannot be made or written, or Dagster cannot work in it.
    """
    folder = dagster_home(environment)
    require_usable(folder)
    if environment.get("DAGSTER_HOME") and folder != home(environment) / "dagster":
        if not folder.is_dir():
            raise DeploymentError(
                f"DAGSTER_HOME is {folder}, which is no folder; make it, or unset DAGSTER_HOME to "
                f"use {home(environment) / 'dagster'}"
            )
    else:
        try:
            make_private(folder)
            settings = folder / SETTINGS
            if not settings.exists() or not is_changed(settings):
                settings.write_text(_DEFAULT_SETTINGS, encoding="utf-8")
        except OSError as error:
            raise DagsterHomeError(_refused(folder, error)) from error
    environment["DAGSTER_HOME"] = str(folder)
    return folder


def require_usable(folder: Path) -> None:
    """Raises DagsterHomeError if Dagster cannot keep its files in a folder, which may be absent.

    Either its SQLite files cannot be under this path, or there is no room.
    """
    files = _storage_folder(folder)
    if files is None:
        return
    if (reason := unusable_path(files)) is not None:
        raise DagsterHomeError(
            f"Dagster's home {folder} cannot be used: {reason}; set DAGSTER_HOME to another folder"
        )
    require_room(files)


def _storage_folder(folder: Path) -> Path | None:
    """Where the files of runs and events are: in the home unless its settings name another place.

    None where they are in no files, as with PostgreSQL, or in a place that only Dagster can tell.
    """
    try:
        settings = (folder / SETTINGS).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return folder
    if not _STORAGE.search(settings):
        return folder
    import yaml

    try:
        chosen = yaml.safe_load(settings)["storage"]
        return Path(chosen["sqlite"]["base_dir"]) if "sqlite" in chosen else None
    except (yaml.YAMLError, KeyError, TypeError):
        # Settings that Dagster refuses with an error of its own.
        return None


def _refused(folder: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no room on the disk of Dagster's home {folder}; make room and try again"
    return (
        f"Dagster's home {folder} cannot be used: {error.strerror}; "
        "set DAGSTER_HOME to a folder that you can write to"
    )


def is_changed(settings: Path) -> bool:
    """Whether the user has changed settings: they are those of no release, this one or earlier."""
    digest = hashlib.sha256(settings.read_bytes()).hexdigest()
    current = hashlib.sha256(_DEFAULT_SETTINGS.encode()).hexdigest()
    return digest not in {current, *_FORMER_SETTINGS}
