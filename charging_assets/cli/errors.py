"""Errors that a user can do something about: told in a line, without a traceback.

Belongs here: which errors these are and the exit code of each. Does not belong here: their
messages, which are their raisers'.
"""

from __future__ import annotations

import errno
import sys

from charging_assets import extras

USAGE, FAILED = 2, 1


class UsageError(ValueError):
    """The command was asked for something that cannot be; the message says what can."""


def exit_code(error: Exception) -> int | None:
    """The exit code of an error that is to be told in a line; None for one that is a bug."""
    # Here and not at the top: most commands end well, and `--help` is to be quick.
    from charging_assets.acquisition.feeds import FeedError
    from charging_assets.acquisition.hour import NoArchivedPolls
    from charging_assets.acquisition.imports import CannotImport
    from charging_assets.acquisition.raw_objects import CorruptArchive
    from charging_assets.alerts.addresses import AddressError
    from charging_assets.dagster_errors import DagsterHomeError
    from charging_assets.dagster_lock import DagsterRunning
    from charging_assets.deployments import DeploymentError, HomeError
    from charging_assets.storage.flat_files import StaleFlatFile
    from charging_assets.storage.lake import LakeError
    from charging_assets.storage.plan import LoadError
    from charging_assets.storage.warehouse import WarehouseError

    if isinstance(error, UsageError | FeedError | DeploymentError | AddressError | DagsterRunning):
        return USAGE
    if isinstance(error, extras.MissingExtra) or extras.explain(error):
        return USAGE
    told = (
        CannotImport,
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
    if isinstance(error, told) or _is_of_dagster_settings(error) or _of_dagster_home(error):
        return FAILED
    return None


def message(error: Exception) -> str:
    """The line that is printed for an error that has an exit code."""
    if explained := extras.explain(error) or _of_dagster_home(error):
        return explained
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" for {error.filename}" if error.filename else ""
        return f"no room on the disk{where}; make room and try again"
    return str(error)


def _of_dagster_home(error: Exception) -> str | None:
    """The message for an error of Dagster's SQLite files; None for any other."""
    if "sqlalchemy" not in sys.modules:
        return None
    from charging_assets import dagster_errors, dagster_home

    return dagster_errors.explain(error, dagster_home.dagster_home())


def _is_of_dagster_settings(error: Exception) -> bool:
    """Whether Dagster refuses its own settings: `dagster.yaml` is the user's to edit."""
    if "dagster" not in sys.modules:
        return False
    from dagster import DagsterInvalidConfigError

    return isinstance(error, DagsterInvalidConfigError)
