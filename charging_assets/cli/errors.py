"""Errors that a user can do something about: told in a line, without a traceback.

Belongs here: which errors these are and the exit code of each. Does not belong here: their
messages, which are their raisers'.
"""

from __future__ import annotations

import sys

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
    from charging_assets.deployments import DeploymentError
    from charging_assets.storage.flat_files import StaleFlatFile
    from charging_assets.storage.lake import LakeError
    from charging_assets.storage.plan import LoadError
    from charging_assets.storage.warehouse import WarehouseError

    if isinstance(error, UsageError | FeedError | DeploymentError | AddressError):
        return USAGE
    told = (
        CannotImport,
        CorruptArchive,
        LakeError,
        LoadError,
        NoArchivedPolls,
        OSError,
        StaleFlatFile,
        WarehouseError,
    )
    return FAILED if isinstance(error, told) or _is_of_dagster_settings(error) else None


def _is_of_dagster_settings(error: Exception) -> bool:
    """Whether Dagster refuses its own settings: `dagster.yaml` is the user's to edit."""
    if "dagster" not in sys.modules:
        return False
    from dagster import DagsterInvalidConfigError

    return isinstance(error, DagsterInvalidConfigError)
