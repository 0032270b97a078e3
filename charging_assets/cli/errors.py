"""Errors that a user can fix: printed as one line, without a traceback, with an exit code."""

from __future__ import annotations

import errno
import sys

from charging_assets import extras

USAGE, FAILED = 2, 1


class UsageError(ValueError):
    """Wrong arguments or settings; the message states what is allowed."""


def exit_code(error: Exception) -> int | None:
    """The exit code of an error that a user can fix; None if the error is a bug."""
    # Imported late, so that `--help` is quick.
    from charging_assets.acquisition.importer import ImportRefused
    from charging_assets.acquisition.poll_hour import NoArchivedPolls
    from charging_assets.archive.raw_objects import CorruptArchive
    from charging_assets.lake.flat_files import StaleFlatFile
    from charging_assets.lake.store import LakeError
    from charging_assets.orchestration.dagster_errors import DagsterHomeError
    from charging_assets.orchestration.dagster_lock import DagsterRunning
    from charging_assets.settings import DeploymentError, HomeError
    from charging_assets.sources.feeds import FeedError
    from charging_assets.warehouse.interface import WarehouseError
    from charging_assets.warehouse.plan import LoadError

    if isinstance(error, UsageError | FeedError | DeploymentError | DagsterRunning):
        return USAGE
    if isinstance(error, extras.MissingExtra) or extras.explain(error):
        return USAGE
    fixable = (
        ImportRefused,
        CorruptArchive,
        DagsterHomeError,
        HomeError,
        LakeError,
        LoadError,
        NoArchivedPolls,
        OSError,
        StaleFlatFile,
        WarehouseError,
    )
    if isinstance(error, fixable) or _is_invalid_dagster_config(error) or _explain_dagster(error):
        return FAILED
    return None


def error_line(error: Exception) -> str:
    """The line to print for an error that has an exit code."""
    if explained := extras.explain(error) or _explain_dagster(error):
        return explained
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" for {error.filename}" if error.filename else ""
        return f"no room on the disk{where}; free some space and try again"
    return str(error)


def _explain_dagster(error: Exception) -> str | None:
    """The message for an error of Dagster's SQLite files; None for any other error."""
    if "sqlalchemy" not in sys.modules:
        return None
    from charging_assets.orchestration import dagster_errors, dagster_home

    return dagster_errors.explain(error, dagster_home.dagster_home())


def _is_invalid_dagster_config(error: Exception) -> bool:
    """Whether Dagster refuses `dagster.yaml`, which users may edit."""
    if "dagster" not in sys.modules:
        return False
    from dagster import DagsterInvalidConfigError

    return isinstance(error, DagsterInvalidConfigError)
