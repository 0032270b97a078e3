"""DuckDB as the warehouse: atomic loads, and files that are not a database."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from charging_assets.warehouse.duckdb.warehouse import DuckDBSession, DuckDBWarehouse
from charging_assets.warehouse.interface import NoWarehouse, WarehouseError
from charging_assets.warehouse.plan import LoadError
from charging_assets_tests.warehouse.loads import AT, a_load, names, sample_rows, state, with_tables


class Planted(Exception):
    pass


def _failing(monkeypatch: pytest.MonkeyPatch, number: int, error: Exception) -> list[int]:
    """Let the n-th call of a session fail; the list counts the calls."""
    calls = [0]
    for name in ("execute", "fetch", "insert_arrow"):
        real = getattr(DuckDBSession, name)

        def call(self: Any, *args: Any, _real: Callable[..., Any] = real) -> Any:
            calls[0] += 1
            if calls[0] == number:
                raise error
            return _real(self, *args)

        monkeypatch.setattr(DuckDBSession, name, call)
    return calls


@pytest.mark.parametrize(
    "error", [duckdb.IOException("planted"), Planted("planted")], ids=["engine", "own"]
)
def test_apply__an_error_at_any_statement_leaves_the_old_rows(
    error: Exception,
) -> None:
    warehouse = with_tables(DuckDBWarehouse(None))
    warehouse.apply(a_load(sample_rows("old")))
    before = state(warehouse)
    wanted = LoadError if isinstance(error, duckdb.Error) else Planted
    number = 0
    while True:
        number += 1
        with pytest.MonkeyPatch.context() as patch:
            calls = _failing(patch, number, error)
            with suppress(wanted):
                warehouse.apply(a_load(sample_rows("new", "newer"), "d2"))
            if calls[0] < number:
                break
        assert state(warehouse) == before, f"statement {number}"
    assert number > 10
    assert names(warehouse) == ["new", "newer"]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A full disk, by the kernel: a write beyond `size` fails as it would there."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.fault(
    "The disk is full",
    area="storage",
)
def test_apply__a_full_disk_leaves_the_old_rows(in_file: DuckDBWarehouse) -> None:
    in_file.apply(a_load(sample_rows("old")))
    before = state(in_file)
    many = sample_rows(*(f"n{n}" for n in range(60_000)))
    assert in_file.path is not None
    room = in_file.path.stat().st_size + 8192
    with files_of_at_most(room), pytest.raises((LoadError, WarehouseError), match="nothing was ch"):
        in_file.apply(a_load(many, "d2"))
    assert state(in_file) == before
    assert in_file.apply(a_load(many, "d2")).row_counts["derived"] == 60_000


def test_query__before_any_load_raises_no_warehouse(tmp_path: Path) -> None:
    empty = DuckDBWarehouse(tmp_path / "none.duckdb")
    with pytest.raises(NoWarehouse, match="load some hours first"):
        empty.query("SELECT * FROM ops.ledger")
    assert not (tmp_path / "none.duckdb").exists()


def test_query__of_a_file_without_tables_makes_them_first(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    duckdb.connect(str(path)).close()
    assert DuckDBWarehouse(path).query("SELECT * FROM ops.ledger").num_rows == 0


def test_query__of_a_file_that_is_no_database_names_it(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(WarehouseError, match=r"cannot open .*warehouse\.duckdb"):
        DuckDBWarehouse(path).query("SELECT 1 AS one")


def test_apply__a_file_moved_away_is_made_again(in_file: DuckDBWarehouse, tmp_path: Path) -> None:
    in_file.apply(a_load(sample_rows("a")))
    assert in_file.path is not None
    in_file.path.rename(tmp_path / "away.duckdb")
    with_tables(in_file)
    assert in_file.apply(a_load(sample_rows("b"))).row_counts == {"given": 1, "derived": 1}
    assert names(in_file) == ["b"]


def test_apply__many_rows_in_whatever_chunks_are_all_there_in_order(tmp_path: Path) -> None:
    warehouse = with_tables(DuckDBWarehouse(tmp_path / "warehouse.duckdb"))
    given = [f"n{number}" for number in range(300_000)]
    rows = pa.concat_tables(
        [sample_rows(*given[at : at + 131_072]) for at in (0, 131_072, 262_144)]
    )
    warehouse.apply(a_load(rows, steps=a_load(rows).steps[:1]))
    rows = warehouse.query("SELECT name, slot_at, amount FROM staging.given")
    assert rows["name"].to_pylist() == given
    assert (set(rows["slot_at"].to_pylist()), set(rows["amount"].to_pylist())) == ({AT}, {1})
