"""A DuckDB file of another generation: renamed by writers, reported by readers."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from charging_assets.warehouse.duckdb import old_files
from charging_assets.warehouse.duckdb.old_files import list_old_files
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.generation import FILE_NAME, FORMER_FILE_NAMES, GENERATION
from charging_assets.warehouse.interface import NoWarehouse, OtherGeneration, WarehouseError

FORMER = FORMER_FILE_NAMES[0]
COUNT = "SELECT COUNT(*) AS n FROM ops.missed_slots"
ROW = ("INSERT INTO ops.missed_slots VALUES ('x', TIMESTAMP '2026-01-12', 'kept')", {})


def with_a_row(path: Path) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(path)
    warehouse.execute(ROW)
    return warehouse


def of_generation_1(path: Path) -> None:
    """A file as the first generation left it: no mark of a generation, the newest format."""
    made = path.with_name("made.duckdb")
    with_a_row(made).execute(("DROP TABLE ops.generation", {}))
    with closing(duckdb.connect()) as connection:
        connection.execute(f"ATTACH '{made}' AS made")
        connection.execute(f"ATTACH '{path}' AS older (STORAGE_VERSION 'latest')")
        connection.execute("COPY FROM DATABASE made TO older")
    made.unlink()


def count(path: Path) -> int:
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        ((row_count,),) = connection.execute(COUNT).fetchall()
        return int(row_count)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", [FORMER, FILE_NAME])
def test_writing__moves_an_older_file_aside_with_its_rows_and_begins_with_none(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    of_generation_1(tmp_path / name)
    warehouse = DuckDBWarehouse(tmp_path / FILE_NAME)
    with caplog.at_level(logging.WARNING):
        warehouse.execute()
    (aside,) = list_old_files(tmp_path)
    assert aside.name.startswith("charging_1_")
    assert files(tmp_path) == [FILE_NAME, aside.name]
    assert (count(aside), count(tmp_path / FILE_NAME)) == (1, 0)
    assert str(aside) in caplog.text
    assert "delete it when" in caplog.text


@pytest.mark.parametrize("name", [FORMER, FILE_NAME])
def test_reading__reports_an_older_file_and_leaves_it(tmp_path: Path, name: str) -> None:
    of_generation_1(tmp_path / name)
    before = (tmp_path / name).read_bytes()
    for _ in range(2):
        with pytest.raises(
            OtherGeneration, match=rf"{name} .* generation 1 .*charging-assets load"
        ):
            DuckDBWarehouse(tmp_path / FILE_NAME).query(COUNT)
    assert files(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == before


def test_reading__of_a_file_that_another_process_has_moved_aside_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    of_generation_1(path)
    reader = DuckDBWarehouse(path)
    with pytest.raises(OtherGeneration):
        reader.query(COUNT)
    DuckDBWarehouse(path).execute()
    assert reader.query(COUNT).to_pylist() == [{"n": 0}]


def test_writing__a_file_of_this_generation_stays(tmp_path: Path) -> None:
    with_a_row(tmp_path / FILE_NAME)
    DuckDBWarehouse(tmp_path / FILE_NAME).execute(ROW)
    assert files(tmp_path) == [FILE_NAME]
    assert count(tmp_path / FILE_NAME) == 2


def test_writing__a_former_name_next_to_the_new_one_is_not_rows_checked(tmp_path: Path) -> None:
    """An earlier release that still runs would make the file again and again."""
    with_a_row(tmp_path / FILE_NAME)
    of_generation_1(tmp_path / FORMER)
    for _ in range(2):
        DuckDBWarehouse(tmp_path / FILE_NAME).execute()
    assert DuckDBWarehouse(tmp_path / FILE_NAME).query(COUNT).to_pylist() == [{"n": 1}]
    assert files(tmp_path) == [FILE_NAME, FORMER]


def test_reading__another_programs_file_of_a_former_name_is_no_warehouse(tmp_path: Path) -> None:
    with closing(duckdb.connect(str(tmp_path / FORMER))) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS one")
    with pytest.raises(NoWarehouse, match="no warehouse at"):
        DuckDBWarehouse(tmp_path / FILE_NAME).query(COUNT)


def test_writing__another_programs_file_of_a_former_name_stays(tmp_path: Path) -> None:
    with closing(duckdb.connect(str(tmp_path / FORMER))) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS one")
    DuckDBWarehouse(tmp_path / FILE_NAME).execute()
    assert files(tmp_path) == [FILE_NAME, FORMER]


def test_writing__ignores_a_file_that_is_not_a_database(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FORMER).write_bytes(b"no database" * 1000)
    DuckDBWarehouse(tmp_path / FILE_NAME).execute()
    assert files(tmp_path) == [FILE_NAME, FORMER]
    assert FORMER in caplog.text


@pytest.mark.parametrize("number", [0, GENERATION - 1])
def test_writing__an_older_mark_is_moved_aside(tmp_path: Path, number: int) -> None:
    path = tmp_path / FILE_NAME
    with_a_row(path).execute((f"UPDATE ops.generation SET generation = {number}", {}))
    DuckDBWarehouse(path).execute()
    assert [count(aside) for aside in list_old_files(tmp_path)] == [1]
    assert count(path) == 0


def test_any__a_newer_file_is_refused_and_never_moved(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    with_a_row(path).execute((f"UPDATE ops.generation SET generation = {GENERATION + 1}", {}))
    for use in (lambda w: w.execute(), lambda w: w.query(COUNT)):
        with pytest.raises(WarehouseError, match="newer version of charging_assets") as caught:
            use(DuckDBWarehouse(path))
        assert not isinstance(caught.value, NoWarehouse)  # not taken for an empty warehouse
    assert files(tmp_path) == [FILE_NAME]
    assert count(path) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("DROP TABLE ops.missed_slots; CREATE TABLE ops.missed_slots (feed VARCHAR)", "lacks"),
        ("ALTER TABLE warehouse.fact_poll ALTER cadence_s TYPE VARCHAR", "of type varchar"),
        ("ALTER TABLE ops.missed_slots ADD COLUMN more INTEGER; "
         "UPDATE ops.missed_slots SET more = 1; "
         "ALTER TABLE ops.missed_slots ALTER more SET NOT NULL", "required column more"),
    ],
)  # fmt: skip
def test_writing__tables_that_cannot_take_the_rows_are_another_generation(
    tmp_path: Path, change: str, reason: str
) -> None:
    path = tmp_path / FILE_NAME
    with_a_row(path)
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute(change)
    with pytest.raises(OtherGeneration, match=reason):
        DuckDBWarehouse(path).query(COUNT)
    DuckDBWarehouse(path).execute()
    assert len(list_old_files(tmp_path)) == 1
    assert count(path) == 0


def test_writing__rows_that_are_only_in_the_log_move_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    with_a_row(path)
    killed = (
        "import os, sys, duckdb; c = duckdb.connect(sys.argv[1]); "
        "c.execute('DROP TABLE ops.generation'); "
        f'c.execute("{ROW[0]}"); os._exit(0)'
    )
    subprocess.run([sys.executable, "-c", killed, str(path)], check=True)
    assert path.with_name(f"{FILE_NAME}.wal").exists()
    DuckDBWarehouse(path).execute()
    (aside,) = list_old_files(tmp_path)
    assert files(tmp_path) == [FILE_NAME, aside.name]
    shutil.move(aside, tmp_path / "elsewhere.duckdb")  # whole by itself
    assert count(tmp_path / "elsewhere.duckdb") == 2


@pytest.mark.parametrize("is_ours", [True, False])
@pytest.mark.parametrize("is_first_load", [True, False])
def test_writing__a_former_name_that_is_open_elsewhere_stops_no_load(
    tmp_path: Path, is_ours: bool, is_first_load: bool, caplog: pytest.LogCaptureFixture
) -> None:
    if is_ours:
        of_generation_1(tmp_path / FORMER)
    if not is_first_load:
        DuckDBWarehouse(tmp_path / "other.duckdb").execute()
        (tmp_path / "other.duckdb").rename(tmp_path / FILE_NAME)
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / FORMER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        DuckDBWarehouse(tmp_path / FILE_NAME, lock_timeout_s=0.1).execute(ROW)
    finally:
        holder.communicate(b"\n")
    assert files(tmp_path) == [FILE_NAME, FORMER]
    assert count(tmp_path / FILE_NAME) == 1
    assert (FORMER in caplog.text) == is_first_load


def test_writing__without_room_for_a_second_warehouse_nothing_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_generation_1(tmp_path / FILE_NAME)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(old_files.shutil, "disk_usage", lambda _path: usage(10, 9, 1))
    with pytest.raises(WarehouseError, match="Make room, or move the file"):
        DuckDBWarehouse(tmp_path / FILE_NAME).execute()
    assert files(tmp_path) == [FILE_NAME]


def test_writing__of_many_at_once_one_moves_it_and_all_write(tmp_path: Path) -> None:
    of_generation_1(tmp_path / FORMER)
    writers = [DuckDBWarehouse(tmp_path / FILE_NAME, lock_timeout_s=60) for _ in range(6)]
    threads = [threading.Thread(target=each.execute, args=(ROW,)) for each in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [count(path) for path in list_old_files(tmp_path)] == [1]
    assert count(tmp_path / FILE_NAME) == len(writers)
