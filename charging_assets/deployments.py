"""Deployments: `local`, `aws`, and one in memory for tests, all with the same resource names."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from charging_assets.archive.compacted_days import ArchiveLake
from charging_assets.archive.spool import Spool
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import Lake, LocalLake
from charging_assets.settings import DeploymentError, HomeError, deployment, home
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.generation import FILE_NAME
from charging_assets.warehouse.interface import Warehouse

__all__ = [
    "DeploymentError",
    "HomeError",
    "Storage",
    "deployment",
    "home",
    "lake",
    "memory_storage",
    "spool",
    "storage",
    "warehouse",
]


@dataclass(frozen=True)
class Storage:
    """A lake, its warehouse, and the spool for polls that could not be written to the lake."""

    lake: Lake
    warehouse: Warehouse
    spool: Spool | None = None


def storage(environment: Mapping[str, str] = os.environ) -> Storage:
    """The storage of the deployment; connections are opened later.

    Raises:
        DeploymentError: the message names every variable that is missing or invalid.
    """
    if deployment(environment) == "aws":
        from charging_assets import aws_environment

        lake, warehouse = aws_environment.engines(environment)
        return Storage(ArchiveLake(lake), warehouse, spool(environment))
    return Storage(_local_lake(environment), _local_warehouse(environment), spool(environment))


def lake(environment: Mapping[str, str] = os.environ) -> Lake:
    """The lake of the deployment; settings of the warehouse are not required."""
    if deployment(environment) == "aws":
        from charging_assets import aws_environment

        return ArchiveLake(aws_environment.s3_lake(environment))
    return _local_lake(environment)


def warehouse(environment: Mapping[str, str] = os.environ) -> Warehouse:
    """The warehouse of the deployment; in `aws` it needs the settings of the lake too."""
    if deployment(environment) == "aws":
        from charging_assets import aws_environment

        return aws_environment.engines(environment)[1]
    return _local_warehouse(environment)


def spool(environment: Mapping[str, str] = os.environ) -> Spool:
    """The local spool for polls that could not be written to the lake."""
    return Spool(home(environment) / "spool")


def _local_lake(environment: Mapping[str, str]) -> Lake:
    folder = home(environment)
    _require_usable_path(folder)
    return ArchiveLake(LocalLake(folder / "lake"))


def _local_warehouse(environment: Mapping[str, str]) -> Warehouse:
    folder = home(environment)
    _require_usable_path(folder)
    return DuckDBWarehouse(folder / FILE_NAME)


def _require_usable_path(folder: Path) -> None:
    """Raise HomeError if DuckDB would resolve the path to another folder than Python.

    DuckDB reads paths as UTF-8, a backslash as a separator and the text after a `?` as options.
    """
    path, encoding = str(folder), sys.getfilesystemencoding()
    remedy = "set CHARGING_HOME to another folder"
    if "?" in path or "\\" in path:
        reason = f"its path contains {'?' if '?' in path else 'a backslash'}"
    elif os.fsencode(path) == path.encode("utf-8", "surrogatepass"):
        return
    elif encoding == "utf-8":
        reason = "its path is not UTF-8"
    else:
        reason = f"its path is not ASCII, and the encoding of this locale ({encoding}) is not UTF-8"
        remedy = "set PYTHONUTF8=1, or a UTF-8 locale such as LC_ALL=C.UTF-8"
    printable = os.fsencode(path).decode("utf-8", "backslashreplace")
    raise HomeError(f"CHARGING_HOME {printable} cannot be used: {reason}; {remedy}")


def memory_storage() -> Storage:
    """Storage in memory, for tests."""
    return Storage(MemoryLake(), DuckDBWarehouse(None))
