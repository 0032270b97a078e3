"""Connections to a DuckDB file: how large its row groups are."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import duckdb

from charging_assets.storage.duckdb_connection import LASTING_ROW_GROUP, ROW_GROUP, opened

_LARGEST = (
    "SELECT MAX(held) FROM (SELECT SUM(count) AS held FROM pragma_storage_info('t') "
    "WHERE segment_type = 'BIGINT' GROUP BY row_group_id)"
)


def _add(connection: duckdb.DuckDBPyConnection, count: int) -> None:
    connection.execute(f"INSERT INTO t SELECT range FROM range({count})")


def test_opened__rows_that_come_little_by_little_fill_large_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with closing(opened(path)) as connection:
        connection.execute("CREATE TABLE t (id BIGINT)")
    for _ in range(8):
        with closing(opened(path)) as connection:
            _add(connection, 100_000)
    with closing(opened(path, read_only=True)) as connection:
        ((largest,),) = connection.execute(_LARGEST).fetchall()
        # Neighbours are merged as long as they fit one: four of seven hundred thousand.
        assert 3 * ROW_GROUP < largest <= LASTING_ROW_GROUP
        assert connection.execute("SELECT COUNT(*) FROM t").fetchall() == [(800_000,)]


def test_opened__a_file_of_other_row_groups_is_read_and_added_to(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("CREATE TABLE t (id BIGINT)")
        _add(connection, 300_000)
    with closing(opened(path)) as connection:
        _add(connection, 1_500_000)
    with closing(opened(path, read_only=True)) as connection:
        assert connection.execute(_LARGEST).fetchall() == [(LASTING_ROW_GROUP,)]
        assert connection.execute("SELECT COUNT(*), SUM(id) FROM t").fetchall() == [
            (1_800_000, 300_000 * 299_999 // 2 + 1_500_000 * 1_499_999 // 2)
        ]
