"""Rename DuckDB files of other generations: they stay next to the new file, never deleted."""

from __future__ import annotations

import shutil
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from charging_assets.warehouse.generation import FILE_NAME
from charging_assets.warehouse.interface import WarehouseError

if TYPE_CHECKING:
    import duckdb

# Without the suffix `.duckdb`: the warehouse is the only such file in a folder. Without `-`, so
# that DuckDB's name for the file needs no quotes.
_STEM, _SUFFIX = f"{Path(FILE_NAME).stem}_", f"{Path(FILE_NAME).suffix}.old"


def list_old_files(folder: Path) -> list[Path]:
    """The files of other generations in a folder, the oldest generation first."""
    return sorted(folder.glob(f"{_STEM}*{_SUFFIX}"))


def rename_old_file(
    path: Path, connection: duckdb.DuckDBPyConnection, generation: int, now: datetime
) -> Path:
    """Rename a file that `connection` has open for writing; the caller closes the connection.

    The open connection locks out other processes meanwhile. The log is written into the file first,
    so that the file is complete without it.

    Raises:
        WarehouseError: the disk has no room for a second warehouse, or the rename fails.
    """
    size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    if free < size:
        raise WarehouseError(
            f"{path} is of generation {generation} and has to be loaded again from the archive, "
            f"which takes about {_size(size)}; {_size(free)} are free. Make room, or move the file "
            "to another disk, and run `charging-assets load`"
        )
    connection.execute("CHECKPOINT")
    target = _free_name(path.parent, f"{_STEM}{generation}_{now:%Y%m%dT%H%M%SZ}")
    try:
        path.rename(target)
    except OSError as error:
        raise WarehouseError(
            f"cannot rename {path} to {target.name}: {error.strerror}; move the file away, then "
            "run `charging-assets load`"
        ) from error
    log = path.with_name(f"{path.name}.wal")
    if log.exists():
        log.rename(target.with_name(f"{target.name}.wal"))
    return target


def _free_name(folder: Path, stem: str) -> Path:
    names = (f"{stem}{f'_{n}' if n else ''}{_SUFFIX}" for n in count())
    return next(folder / name for name in names if not (folder / name).exists())


def _size(count_of_bytes: int) -> str:
    return f"{count_of_bytes / 1000**3:,.1f} GB"
