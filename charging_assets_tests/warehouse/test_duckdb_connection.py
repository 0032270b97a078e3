"""Connections to a DuckDB file: row groups, spill folder, disabled optimizers."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from charging_assets.warehouse.duckdb.connection import (
    STAGING_ROW_GROUP_SIZE,
    WAREHOUSE_ROW_GROUP_SIZE,
    connect_duckdb,
)

_LARGEST = (
    "SELECT MAX(held) FROM (SELECT SUM(count) AS held FROM pragma_storage_info('t') "
    "WHERE segment_type = 'BIGINT' GROUP BY row_group_id)"
)


def _add(connection: duckdb.DuckDBPyConnection, count: int) -> None:
    connection.execute(f"INSERT INTO t SELECT range FROM range({count})")


def test_connect_duckdb__small_inserts_fill_large_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with closing(connect_duckdb(path)) as connection:
        connection.execute("CREATE TABLE t (id BIGINT)")
    for _ in range(8):
        with closing(connect_duckdb(path)) as connection:
            _add(connection, 100_000)
    with closing(connect_duckdb(path, read_only=True)) as connection:
        ((largest,),) = connection.execute(_LARGEST).fetchall()
        # Neighbours are merged as long as they fit one: four of seven hundred thousand.
        assert WAREHOUSE_ROW_GROUP_SIZE / 2 < largest <= WAREHOUSE_ROW_GROUP_SIZE
        assert connection.execute("SELECT COUNT(*) FROM t").fetchall() == [(800_000,)]


def test_connect_duckdb__a_file_with_other_row_groups_is_read_and_extended(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("CREATE TABLE t (id BIGINT)")
        _add(connection, 300_000)
    with closing(connect_duckdb(path)) as connection:
        _add(connection, 1_500_000)
    with closing(connect_duckdb(path, read_only=True)) as connection:
        assert connection.execute(_LARGEST).fetchall() == [(WAREHOUSE_ROW_GROUP_SIZE,)]
        assert connection.execute("SELECT COUNT(*), SUM(id) FROM t").fetchall() == [
            (1_800_000, 300_000 * 299_999 // 2 + 1_500_000 * 1_499_999 // 2)
        ]


def test_connect_duckdb__a_day_of_staging_bypasses_the_log(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with closing(connect_duckdb(path, row_group=STAGING_ROW_GROUP_SIZE)) as connection:
        connection.execute("CREATE TABLE t (id BIGINT)")
        connection.execute("CHECKPOINT")
        # A thousand stations, an hour each: random numbers, which hardly get smaller.
        connection.execute("INSERT INTO t SELECT hash(range) // 2 FROM range(24 * 1000)")
        (log,) = tmp_path.glob("*.wal")
        assert log.stat().st_size < 24 * 1000 * 8 / 4


def test_connect_duckdb__spills_to_a_folder_next_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_in = tmp_path / "started_in"
    started_in.mkdir()
    (started_in / ".tmp").write_text("in the way of DuckDB's own choice")
    monkeypatch.chdir(started_in)
    with closing(connect_duckdb(tmp_path / "it's a warehouse.duckdb")) as connection:
        connection.execute("SET memory_limit = '60MB'")
        connection.execute(
            "CREATE TEMPORARY TABLE t AS SELECT hash(range) AS id FROM range(8000000)"
        )
        assert connection.execute(
            "SELECT SUM(size) > 0 FROM duckdb_temporary_files()"
        ).fetchall() == [(True,)]
        assert connection.execute("SELECT COUNT(*) FROM t").fetchall() == [(8_000_000,)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "it's a warehouse.duckdb",
        "started_in",
    ]


@pytest.mark.parametrize(("read_only", "left_out"), [(False, "partitioned_execution"), (True, "")])
def test_connect_duckdb__only_loads_disable_an_optimizer(
    tmp_path: Path, read_only: bool, left_out: str
) -> None:
    path = tmp_path / "warehouse.duckdb"
    connect_duckdb(path).close()
    with closing(connect_duckdb(path, read_only=read_only)) as connection:
        # Where DuckDB has no such optimizer (before 2.0), there is none to leave out.
        optimizers = connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()
        assert connection.execute("SELECT current_setting('disabled_optimizers')").fetchall() == [
            (left_out if (left_out,) in optimizers else "",)
        ]


def test_connect_duckdb__a_missing_table_is_no_variable_of_that_name() -> None:
    rows = [1]
    with closing(connect_duckdb(None)) as connection, pytest.raises(duckdb.CatalogException):
        connection.execute("SELECT * FROM rows")
    assert rows
