"""Dagster's home: the folder for runs, events and schedules, and its default settings."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from charging_assets.lake.folders import make_private
from charging_assets.orchestration.dagster_errors import (
    DagsterHomeError,
    require_room,
    unusable_path,
)
from charging_assets.settings import DeploymentError, Settings, home

SETTINGS = "dagster.yaml"
_STORAGE = re.compile(r"^(run_|event_log_|schedule_)?storage:", re.MULTILINE)

# The hours of a run of a week.
_EVENT_BATCH_SIZE = "200"
_EVENT_STORAGE = {
    "module": "charging_assets.orchestration.event_storage",
    "class": "PooledSqliteEventLogStorage",
}

# Written into the project's Dagster home, unless a user has changed the file.
_DEFAULT_SETTINGS = """\
# Dagster's settings. Written by charging-assets. You may change this file: later releases do not
# overwrite a changed file.

telemetry:
  enabled: false
nux:
  enabled: false

# Dagster's SQLite storage of events, with connections that stay open: runs take less time.
event_log_storage:
  module: charging_assets.orchestration.event_storage
  class: PooledSqliteEventLogStorage

concurrency:
  # Assets that write the warehouse share a pool, so one such run executes at a time. Runs wait in
  # the queue before they start. Polls are in no pool and never wait.
  pools:
    default_limit: 1
    granularity: run
  runs:
    max_concurrent_runs: 4

run_queue:
  # The default is 5 seconds, which is most of the time of an hourly run.
  dequeue_interval_seconds: 1
  # Retry for a minute while a code location restarts.
  max_user_code_failure_retries: 6
  user_code_failure_retry_delay: 10

run_monitoring:
  # Otherwise a run whose process died would stay "started" and block other runs permanently.
  enabled: true
  start_timeout_seconds: 180
  cancel_timeout_seconds: 120
  max_runtime_seconds: 3600
  poll_interval_seconds: 30
  free_slots_after_run_end_seconds: 60

run_retries:
  # Retries runs whose process died, not failed runs: a failed hour would fail again a minute
  # later, and the reconciliation of archive and ledger loads hours that lack rows.
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false

retention:
  # Ticks are frequent and soon of no use.
  schedule:
    purge_after_days: {skipped: 7, success: 30, failure: 90}
  sensor:
    purge_after_days: {skipped: 2, success: 30, failure: 90}
  auto_materialize:
    purge_after_days: {skipped: 2, success: 30, failure: 90}
"""

# SHA-256 of the settings of earlier releases: a file with one of these hashes is unchanged.
_FORMER_SETTINGS = {
    "1a54e6a5a0b942d13f865287fedcb3cf16862c0156cb5a8fcd3440136e9d3940",
    "36022cb3200cd91d58b57ecf82b89241163339844e9f84ea7b66c2590027f462",
    "69e22c6967ed46d997d88a1ac5fad96fdc1288e47ad6a26fe67ea3f14374b430",
}


def dagster_home(environment: Mapping[str, str] | None = None) -> Path:
    """The folder: DAGSTER_HOME, or `dagster` in CHARGING_HOME.

    Raises:
        DeploymentError: DAGSTER_HOME is a URL, or starts with the home of an unknown user.
    """
    settings = Settings.read(environment)
    chosen = settings.dagster_folder
    return chosen.resolve() if chosen else settings.home / "dagster"


def prepare(environment: MutableMapping[str, str] = os.environ) -> Path:
    """Prepare the folder, and set Dagster's variables: DAGSTER_HOME, and events in batches.

    A home chosen by the user must exist and is not changed; the project's own is created.

    Raises:
        DeploymentError: DAGSTER_HOME is not a directory.
        DagsterHomeError: the folder cannot be created or written, or Dagster cannot use it.
    """
    folder = dagster_home(environment)
    require_usable(folder)
    if environment.get("DAGSTER_HOME") and folder != home(environment) / "dagster":
        if not folder.is_dir():
            raise DeploymentError(
                f"DAGSTER_HOME={folder} is not a directory; create it, or unset DAGSTER_HOME to "
                f"use {home(environment) / 'dagster'}"
            )
    else:
        try:
            make_private(folder)
            settings = folder / SETTINGS
            if not settings.exists() or not is_changed(settings):
                settings.write_text(_DEFAULT_SETTINGS, encoding="utf-8")
        except OSError as error:
            raise DagsterHomeError(_describe(folder, error)) from error
    environment["DAGSTER_HOME"] = str(folder)
    # Otherwise Dagster stores the materializations of a step one by one, in transactions.
    environment.setdefault("DAGSTER_EVENT_BATCH_SIZE", _EVENT_BATCH_SIZE)
    return folder


def require_usable(folder: Path) -> None:
    """Raise DagsterHomeError if Dagster cannot store its files in a folder, which may be absent.

    Its SQLite files may not support the path, or the disk may be full.
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
    """Folder of the run and event files: the home, unless its settings name another folder.

    None if there are no such files, as with PostgreSQL, or if only Dagster knows their location.
    """
    try:
        settings = (folder / SETTINGS).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return folder
    if not _STORAGE.search(settings) or settings == _DEFAULT_SETTINGS:
        return folder
    import yaml

    try:
        values = yaml.safe_load(settings)
        chosen = {name: value for name, value in values.items() if _STORAGE.match(f"{name}:")}
        # The files of this project's storage of events are where Dagster's own would be.
        if chosen == {"event_log_storage": _EVENT_STORAGE}:
            return folder
        return Path(chosen["storage"]["sqlite"]["base_dir"])
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        # Another kind of storage, or settings that Dagster refuses with its own error.
        return None


def _describe(folder: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no room on the disk of Dagster's home {folder}; free some space and try again"
    return (
        f"Dagster's home {folder} cannot be used: {error.strerror}; "
        "set DAGSTER_HOME to a folder that you can write to"
    )


def is_changed(settings: Path) -> bool:
    """Whether a user has changed the settings: they match neither this nor an earlier release."""
    digest = hashlib.sha256(settings.read_bytes()).hexdigest()
    current = hashlib.sha256(_DEFAULT_SETTINGS.encode()).hexdigest()
    return digest not in {current, *_FORMER_SETTINGS}
