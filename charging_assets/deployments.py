"""Deployments: `local`, `aws`, and one in memory for tests, each the same resources by name.

Belongs here: reading the environment, once, and choosing engines. Does not belong here: anything
that an asset would have to know, or how AWS's variables are read (`aws_environment`).
"""

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
    """CHARGING_HOME cannot be used; the message names it, the reason and what to do."""


class DeploymentError(ValueError):
    """The environment asks for something that cannot be had; the message says what to set."""


@dataclass(frozen=True)
class Storage:
    """A lake and a warehouse that belong together, and where polls wait that the lake refused."""

    lake: Lake
    warehouse: Warehouse
    spool: Spool | None = None


def home(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of the local deployment: CHARGING_HOME, or `.charging`.

    That is in the project where this is a checkout, and in the current folder where it is not.

    Raises:
        HomeError: CHARGING_HOME is an address, or begins with the home of an unknown user.
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
    """The name that CHARGING_DEPLOYMENT says; DeploymentError for one there is not."""
    name = environment.get("CHARGING_DEPLOYMENT") or "local"
    if name not in DEPLOYMENTS:
        raise DeploymentError(
            f"CHARGING_DEPLOYMENT names no deployment; this version has: {', '.join(DEPLOYMENTS)}"
        )
    return name


def storage(environment: Mapping[str, str] = os.environ) -> Storage:
    """The storage of the deployment; nothing is connected yet.

    DeploymentError names every variable that is missing or wrong.
    """
    if deployment(environment) == "aws":
        from charging_assets import aws_environment

        lake, warehouse = aws_environment.engines(environment)
        return Storage(ArchiveLake(lake), warehouse, spool(environment))
    return Storage(_local_lake(environment), _local_warehouse(environment), spool(environment))


def lake(environment: Mapping[str, str] = os.environ) -> Lake:
    """The lake of the deployment; what only the warehouse needs may be missing."""
    if deployment(environment) == "aws":
        from charging_assets import aws_environment

        return ArchiveLake(aws_environment.s3_lake(environment))
    return _local_lake(environment)


def warehouse(environment: Mapping[str, str] = os.environ) -> Warehouse:
    """The warehouse of the deployment; that of `aws` needs the lake's variables as well."""
    if deployment(environment) == "aws":
        from charging_assets import aws_environment

        return aws_environment.engines(environment)[1]
    return _local_warehouse(environment)


def spool(environment: Mapping[str, str] = os.environ) -> Spool:
    """Where polls wait that the lake refused; on this machine in every deployment."""
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
    """Raises HomeError if DuckDB does not find a folder under the path by which Python finds it.

    DuckDB takes paths as UTF-8, a backslash as a folder separator, and what follows a `?` as
    options: the warehouse would be in another folder than the archive, or nowhere.
    """
    path, encoding = str(folder), sys.getfilesystemencoding()
    remedy = "set CHARGING_HOME to another folder"
    if "?" in path or "\\" in path:
        reason = f"its path holds {'?' if '?' in path else 'a backslash'}"
    elif os.fsencode(path) == path.encode("utf-8", "surrogatepass"):
        return
    elif encoding == "utf-8":
        reason = "its path is not UTF-8"
    else:
        reason = f"its path is not ASCII, and the encoding of this locale ({encoding}) is not UTF-8"
        remedy = "set PYTHONUTF8=1, or a UTF-8 locale such as LC_ALL=C.UTF-8"
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    raise HomeError(f"CHARGING_HOME {shown} cannot be used: {reason}; {remedy}")


def memory_storage() -> Storage:
    """Storage for tests: nothing outlives the process."""
    return Storage(MemoryLake(), DuckDBWarehouse(None))


def resources(
    chosen: Storage,
    feeds: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The Dagster resources over a storage that is given, such as `memory_storage` in tests.

    Those of the environment are made by `charging_assets.resources`. `progress` hears of what runs
    of this process load.
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
