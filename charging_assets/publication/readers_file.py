"""A DuckDB file for tools that keep a file open: views of the published Parquet files, no rows.

`python -m charging_assets.publication.readers_file` writes `readers.duckdb` below CHARGING_HOME.
No load writes to it, so a tool may keep it open for as long as it likes, and still reads what was
published last. Write it again after an upgrade, and when tables without rows have got some.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import duckdb

from charging_assets.publication.publish import PUBLISHED
from charging_assets.schemas.render import create_table
from charging_assets.schemas.table import Table
from charging_assets.settings import deployment, home
from charging_assets.warehouse.duckdb.connection import STORAGE_VERSION

FILE_NAME = "readers.duckdb"


def write_readers_file(home: Path) -> Path:
    """Write the file below a home and return its path; one that is there is replaced whole."""
    target = home / FILE_NAME
    made = target.with_suffix(".new")
    made.unlink(missing_ok=True)
    with closing(duckdb.connect()) as connection:
        connection.execute(
            f"ATTACH '{_quoted(made)}' AS readers (STORAGE_VERSION '{STORAGE_VERSION}')"
        )
        connection.execute("USE readers")
        for table in PUBLISHED:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.schema}")
            connection.execute(_statement(table, home / "lake/published" / table.name))
        connection.execute("USE memory")
        connection.execute("DETACH readers")  # so that nothing is left in a log next to the file
    made.replace(target)
    return target


def _statement(table: Table, folder: Path) -> str:
    if next(folder.glob("**/*.parquet"), None) is None:
        return create_table(table, dialect="duckdb")
    return (
        f"CREATE VIEW {table.full_name} AS SELECT {', '.join(table.names)} "
        f"FROM read_parquet('{_quoted(folder)}/**/*.parquet', hive_partitioning = false)"
    )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def main() -> int:
    """Write the file of the deployment that the environment names."""
    if deployment() != "local":
        print(
            "error: tools read Redshift itself, see docs/business-intelligence.md", file=sys.stderr
        )
        return 1
    print(write_readers_file(home()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
