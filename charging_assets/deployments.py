"""Deployments: `local`, `aws`, and one in memory for tests, all with the same resource names."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charging_assets.archive.compacted_days import ArchiveLake
from charging_assets.archive.spool import Spool
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import Lake, LocalLake
from charging_assets.sources.feeds import load_feeds
from charging_assets.text import is_address
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.generation import FILE_NAME
from charging_assets.warehouse.interface import Warehouse
from charging_assets.warehouse.transpile import set_transpile_cache

if TYPE_CHECKING:
    from charging_assets.io_managers import Progress

DEPLOYMENTS = ("local", "aws")


class HomeError(Exception):
    """CHARGING_HOME is not usable; the message has the reason and the remedy."""


class DeploymentError(ValueError):
    """A setting of the environment is missing or invalid; the message names it and the remedy."""


@dataclass(frozen=True)
class Storage:
    """A lake, its warehouse, and the spool for polls that could not be written to the lake."""

    lake: Lake
    warehouse: Warehouse
    spool: Spool | None = None


def home(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of the local deployment: CHARGING_HOME, or `.charging`.

    The default is in the project folder if this is a checkout, else in the current folder.

    Raises:
        HomeError: CHARGING_HOME is a URL, or starts with the home of an unknown user.
    """
    checkout = Path(__file__).resolve().parent.parent
    default = checkout if (checkout / "workspace.yaml").is_file() else Path()
    chosen = environment.get("CHARGING_HOME")
    if chosen and is_address(chosen):
        raise HomeError("CHARGING_HOME is an address; give the path of a folder")
    try:
        return (Path(chosen).expanduser() if chosen else default / ".charging").resolve()
    except RuntimeError:
        raise HomeError(
            "CHARGING_HOME begins with ~, for which there is no home folder; give a whole path"
        ) from None


def deployment(environment: Mapping[str, str] = os.environ) -> str:
    """The name of the deployment: CHARGING_DEPLOYMENT, or `local`.

    Raises:
        DeploymentError: there is no such deployment.
    """
    name = environment.get("CHARGING_DEPLOYMENT") or "local"
    if name not in DEPLOYMENTS:
        raise DeploymentError(
            f"CHARGING_DEPLOYMENT names no deployment; this version has: {', '.join(DEPLOYMENTS)}"
        )
    return name


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
    set_transpile_cache(folder / "cache" / "rendered")
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


def resources(
    chosen: Storage,
    feeds: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The Dagster resources for a given storage, such as `memory_storage` in tests.

    `charging_assets.resources` creates those of the environment.

    Args:
        progress: called for each asset that a run of this process loads.
    """
    from charging_assets.acquisition.assets import RawArchiveIOManager
    from charging_assets.io_managers import LakeIOManager, WarehouseIOManager
    from charging_assets.resources import EventFilesResource, ProgressResource

    return {
        "lake": chosen.lake,
        "warehouse": chosen.warehouse,
        "spool": chosen.spool,
        "event_files": EventFilesResource(),
        "progress": progress or ProgressResource(),
        "feeds": load_feeds() if feeds is None else feeds,
        "raw_io_manager": RawArchiveIOManager(chosen.lake),
        "lake_io_manager": LakeIOManager(chosen.lake),
        "warehouse_io_manager": WarehouseIOManager(chosen.warehouse, progress),
    }
