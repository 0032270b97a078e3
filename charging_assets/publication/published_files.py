"""Read published files as if they were the warehouse: the same names, the same SQL.

Files are replaced as a whole, so a reader sees an old file or a new one. Reading takes no lock:
readers and loads do not wait for each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from charging_assets.lake.store import Lake
from charging_assets.schemas.render import create_table
from charging_assets.schemas.table import Table

_DAY, _MONTH = re.compile(r"/date=(\d{4}-\d\d-\d\d)/"), re.compile(r"/month=(\d{4}-\d\d)/")
# Local days and months begin up to 14 hours before they do in UTC, or 12 after.
_ZONES = timedelta(hours=14)


class PublishedFiles:
    """The published files of a lake, if any."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    @property
    def folder(self) -> str:
        """The folder of the files; readers need access to nothing else."""
        return self._lake.uri("published")

    def attach(self, connection: Any, table: Table, start: datetime, end: datetime) -> None:
        """Create a table in an empty DuckDB as a view of the files that overlap `[start, end)`.

        A dimension is complete; a table without files has no rows.
        """
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.schema}")
        files = list(self._files(table, start, end))
        if not files:
            connection.execute(create_table(table, dialect="duckdb"))
            return
        file_list = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        connection.execute(
            f"CREATE VIEW {table.full_name} AS SELECT {', '.join(table.names)} "
            f"FROM read_parquet([{file_list}], hive_partitioning = false)"
        )

    def _files(self, table: Table, start: datetime, end: datetime) -> Iterator[str]:
        folder = f"published/{table.name}/"
        for part in self._lake.folders(folder) or [""]:
            key = f"{folder}{part}/{table.name}.parquet".replace("//", "/")
            if _overlaps(key, start, end) and (part or key in self._lake.keys(folder)):
                yield self._lake.uri(key)


def _overlaps(key: str, start: datetime, end: datetime) -> bool:
    if match := _DAY.search(key):
        day = datetime.fromisoformat(match[1])
        return day < end and start < day + timedelta(days=1)
    if match := _MONTH.search(key):
        month = datetime.fromisoformat(match[1] + "-01")
        following = (month + timedelta(days=32)).replace(day=1)
        return month < end + _ZONES and start - _ZONES < following
    return True
