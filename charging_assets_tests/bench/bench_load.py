"""P4: staging an hour, in DuckDB at 100 times the network and through Redshift's path.

The rows of a simulated hour are repeated with other keys and places. Redshift is the test bed,
whose absolute speed is not that of a cluster: the COPY path is compared with row-wise INSERT
through the same driver on the same server.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from charging_assets.archive.raw_archive import digest, hours_archived, read_places
from charging_assets.hours import ONE_HOUR, Hour
from charging_assets.lake.flat_files import FlatFile, write_flat
from charging_assets.lake.memory import MemoryLake
from charging_assets.modelling.staging import staging_plan
from charging_assets.preprocessing.flatten import flatten
from charging_assets.schemas.flat import FLAT_STATUS, FLAT_TABLES
from charging_assets.schemas.table import Table, Type
from charging_assets.simulator import Network, write_history
from charging_assets.warehouse.duckdb.connection import STAGING_ROW_GROUP_SIZE, connect_duckdb
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import Warehouse
from charging_assets.warehouse.plan import Plan

HOUR = Hour.parse("2025-06-02T08")
DUCKDB_TIMES, REDSHIFT_TIMES = 100, 10
DUCKDB_TARGET, REDSHIFT_TARGET = 5.0, 50
_REPEATS = 3
_ROW_WISE = 1000


def run() -> list[dict[str, Any]]:
    """Million rows per second into DuckDB, and the speed-up over row-wise INSERT into Redshift."""
    once = _flat_tables()
    return [_duckdb(once), _redshift(once)]


def _duckdb(once: dict[str, pa.Table]) -> dict[str, Any]:
    files = _files(once, DUCKDB_TIMES)
    with tempfile.TemporaryDirectory() as folder:
        warehouse = DuckDBWarehouse(Path(folder) / "warehouse.duckdb")
        warehouse.execute()
        rows, seconds = _staged(warehouse, files)
        bare = _bare_insert(Path(folder) / "warehouse.duckdb", files)
    per_second = rows / seconds / 1e6
    return {
        "goal": "P4 staged_tables on DuckDB at 100x, million rows a second",
        "ratio": round(per_second, 2),
        "target": DUCKDB_TARGET,
        "met": per_second >= DUCKDB_TARGET,
        "rows": rows,
        "seconds": round(seconds, 3),
        "seconds_of_bare_inserts": round(bare, 3),
    }


def _redshift(once: dict[str, pa.Table]) -> dict[str, Any]:
    from charging_assets_tests.testbed.bed import running_bed
    from charging_assets_tests.warehouse.redshifts import of_the_bed

    files = _files(once, REDSHIFT_TIMES)
    with running_bed() as bed:
        os.environ["SSL_CERT_FILE"] = str(bed.tls.authority)
        database = of_the_bed(bed, bed.new_bucket(), "snapshot")
        rows, seconds = _staged(database.empty(), files)
        connection = database.redshift.connect()
        row_wise = _row_by_row(connection, once[FLAT_STATUS.name].slice(0, _ROW_WISE))
        connection.close()
    ratio = (rows / seconds) / row_wise
    return {
        "goal": "P4 staged_tables through COPY, against INSERT row by row",
        "ratio": round(ratio, 1),
        "target": REDSHIFT_TARGET,
        "met": ratio >= REDSHIFT_TARGET,
        "rows": rows,
        "rows_per_second": round(rows / seconds),
        "row_wise_per_second": round(row_wise),
    }


def _staged(warehouse: Warehouse, files: Sequence[FlatFile]) -> tuple[int, float]:
    """Rows of a load and its median seconds; every load replaces the rows of the previous one."""
    took = []
    for number in range(_REPEATS + 1):
        plan = staging_plan(HOUR, files)
        started = time.perf_counter()
        rows = warehouse.apply(_with_new_digest(plan, number)).row_count
        took.append(time.perf_counter() - started)
    return rows, statistics.median(took[1:])


def _bare_insert(path: Path, files: Sequence[FlatFile]) -> float:
    """Median seconds of only DELETE and INSERT into the same tables, from rows in memory."""
    took = []
    tables = {file.table.full_name: file.read() for file in files}
    for _ in range(_REPEATS):
        started = time.perf_counter()
        with closing(connect_duckdb(path, row_group=STAGING_ROW_GROUP_SIZE)) as connection:
            connection.execute("BEGIN")
            for name, rows in tables.items():
                connection.execute(f"DELETE FROM {name}")
                connection.register("incoming", rows)
                connection.execute(f"INSERT INTO {name} SELECT * FROM incoming")
            connection.execute("COMMIT")
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def _with_new_digest(plan: Plan, number: int) -> Plan:
    """The plan with another input digest: otherwise the second load is skipped."""
    return replace(plan, input_digest=f"bench-{number}")


def _row_by_row(connection: Any, rows: pa.Table) -> float:
    """Rows per second of one INSERT for each row, by the driver's executemany in a transaction."""
    names, cursor = FLAT_STATUS.names, connection.cursor()
    cursor.paramstyle = "named"
    values = ", ".join(f":{name}" for name in names)
    cursor.execute("BEGIN")
    started = time.perf_counter()
    cursor.executemany(
        f"INSERT INTO {FLAT_STATUS.full_name} ({', '.join(names)}) VALUES ({values})",
        rows.to_pylist(),
    )
    cursor.execute("COMMIT")
    return rows.num_rows / (time.perf_counter() - started)


def _flat_tables() -> dict[str, pa.Table]:
    lake = MemoryLake()
    write_history(lake, Network(seed=3), HOUR, Hour(HOUR.start + ONE_HOUR))
    tables = flatten(read_places(lake, hours_archived(lake)[HOUR]))
    return {table.name: tables[table.name] for table in FLAT_TABLES}


def _files(once: dict[str, pa.Table], times: int) -> list[FlatFile]:
    lake, made_from = MemoryLake(), {"archive_digest": digest(["bench"]), "code_version": "bench"}
    return [
        write_flat(
            lake, table, "bench", HOUR, _repeated(table, once[table.name], times), **made_from
        )
        for table in FLAT_TABLES
    ]


def _repeated(table: Table, rows: pa.Table, times: int) -> pa.Table:
    """The rows repeated `times` times, each time for other entities and places."""
    return pa.concat_tables([_with_other_keys(table, rows, number) for number in range(times)])


def _with_other_keys(table: Table, rows: pa.Table, number: int) -> pa.Table:
    shifted = rows
    for position, column in enumerate(table.columns):
        values = rows.column(column.name)
        if column.name.endswith("_key") and column.type is Type.BIGINT:
            values = pc.bit_wise_xor(values, pa.scalar(number, pa.int64()))
        elif column.name == "place":
            values = pc.binary_join_element_wise(values, f"x{number}", "-")
        else:
            continue
        shifted = shifted.set_column(position, rows.schema.field(position), values)
    return shifted
