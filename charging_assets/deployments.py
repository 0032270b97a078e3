"""Deployments: `local`, `aws`, and one in memory for tests, all with the same resource names."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from charging_assets.archive.compacted_days import ArchiveLake
from charging_assets.archive.spool import Spool
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import Lake, LocalLake
from charging_assets.settings import HomeError, Settings, home
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.generation import FILE_NAME
from charging_assets.warehouse.interface import Warehouse

# Two threads that need the warehouse at once must not make two objects.
_CACHE_LOCK = threading.Lock()


@dataclass(frozen=True)
class Storage:
    """A lake, its warehouse, and the spool for polls that could not be written to the lake."""

    lake: Lake
    warehouse: Warehouse
    spool: Spool | None = None


def storage(environment: Mapping[str, str] | None = None) -> Storage:
    """The storage of the deployment; connections are opened later.

    Raises:
        DeploymentError: the message names every variable that is missing or invalid.
        HomeError: the folder cannot be used.
    """
    settings = Settings.read(environment)
    if settings.deployment == "aws":
        from charging_assets import aws_environment

        lake, warehouse = aws_environment.engines(settings)
        return Storage(ArchiveLake(lake), warehouse, spool(environment))
    return Storage(_local_lake(settings), _local_warehouse(settings), spool(environment))


def lake(environment: Mapping[str, str] | None = None) -> Lake:
    """The lake of the deployment; settings of the warehouse are not required.

    One object per process and place, so that not every tick reads the archive again.
    """
    with _CACHE_LOCK:
        return _lake(_place(environment))


def warehouse(environment: Mapping[str, str] | None = None) -> Warehouse:
    """The warehouse of the deployment; in `aws` it needs the settings of the lake too.

    One object per process and place. The operating system's lock on a DuckDB file is the process's:
    closing one of two connections would let a load in while the other still reads. One warehouse
    object reads one statement at a time.
    """
    with _CACHE_LOCK:
        return _warehouse(_place(environment))


def spool(environment: Mapping[str, str] | None = None) -> Spool:
    """The local spool for polls that could not be written to the lake."""
    return Spool(home(environment) / "spool")


def _place(environment: Mapping[str, str] | None) -> frozenset[tuple[str, str]]:
    """The variables on which lake and warehouse depend."""
    settings = Settings.read(environment)
    if settings.deployment == "local":
        return frozenset({("CHARGING_HOME", str(settings.home))})
    variables = os.environ if environment is None else environment
    return frozenset(
        (name, text) for name, text in variables.items() if name.startswith(("CHARGING_", "AWS_"))
    )


@cache
def _lake(place: frozenset[tuple[str, str]]) -> Lake:
    settings = Settings.read(dict(place))
    if settings.deployment == "aws":
        from charging_assets import aws_environment

        return ArchiveLake(aws_environment.s3_lake(settings))
    return _local_lake(settings)


@cache
def _warehouse(place: frozenset[tuple[str, str]]) -> Warehouse:
    settings = Settings.read(dict(place))
    if settings.deployment == "aws":
        from charging_assets import aws_environment

        return aws_environment.engines(settings)[1]
    return _local_warehouse(settings)


def _local_lake(settings: Settings) -> Lake:
    _require_usable_path(settings.home)
    return ArchiveLake(LocalLake(settings.home / "lake"))


def _local_warehouse(settings: Settings) -> Warehouse:
    _require_usable_path(settings.home)
    return DuckDBWarehouse(settings.home / FILE_NAME)


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
