"""Large results of Redshift: UNLOAD to the lake, read in order, nothing left behind."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from charging_assets.lake.s3 import S3Lake
from charging_assets.publication import publish
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import WarehouseError
from charging_assets.warehouse.redshift import unload, warehouse
from charging_assets.warehouse.redshift.unload import unload_statement
from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse
from charging_assets_tests.testbed.bed import Redshift
from charging_assets_tests.warehouse.redshifts import resource_of

ROLE = "arn:aws:iam::111122223333:role/copy"
SELECT = (
    "SELECT number, words, share, is_even, at_time FROM public.numbers "
    "WHERE at_time >= :start_at AND words <> 'it''s' ORDER BY number"
)
PARAMS = {"start_at": datetime(2026, 1, 12)}
COUNT = 500


@pytest.fixture
def filled(redshift: Redshift, s3_lake: S3Lake, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A warehouse with a table of `COUNT` rows, of which a cursor may return 100."""
    monkeypatch.setattr(warehouse, "MAX_CURSOR_ROWS", 100)
    connection = resource_of(redshift).connect()
    cursor = connection.cursor()
    cursor.execute(
        "CREATE TABLE public.numbers (number BIGINT, words VARCHAR(100), share DOUBLE PRECISION, "
        "is_even BOOLEAN, at_time TIMESTAMP)"
    )
    rows = ", ".join(
        f"({n}, {'NULL' if n % 7 == 0 else repr(text(n))}, {n / 7!r}, {n % 2 == 0}, "
        f"TIMESTAMP '2026-01-12 00:00:00.{n:06}')"
        for n in range(COUNT)
    )
    cursor.execute(f"INSERT INTO public.numbers VALUES {rows}")
    connection.close()
    made = RedshiftWarehouse(resource_of(redshift), s3_lake, redshift.iam_role)
    yield made
    made.close()


def text(n: int) -> str:
    return ["", "a, b", 'say "x"', "größer 🔌", "two lines", "trailing", "x" * 100][n % 7]


def expected() -> list[dict[str, Any]]:
    return [
        {
            "number": n, "words": text(n), "share": n / 7, "is_even": n % 2 == 0,
            "at_time": datetime(2026, 1, 12, 0, 0, 0, n),
        }
        for n in range(COUNT) if n % 7
    ]  # fmt: skip


def unloads(redshift: Redshift) -> list[str]:
    return [sql for sql in redshift.faults.statements if sql.startswith("UNLOAD")]


def test_unload_statement__quotes_the_select_with_its_parameters() -> None:
    statement = unload_statement(SELECT, PARAMS, "s3://lake/published/unloads/x/", ROLE)
    assert statement == (
        "UNLOAD ('SELECT number, words, share, is_even, at_time FROM public.numbers "
        "WHERE at_time >= TIMESTAMP ''2026-01-12 00:00:00'' AND words <> ''it''''s'' "
        f"ORDER BY number') TO 's3://lake/published/unloads/x/' IAM_ROLE '{ROLE}' "
        "FORMAT AS PARQUET PARALLEL OFF MAXFILESIZE 256 MB"
    )


def test_query_batches__many_rows_are_unloaded_in_order(
    filled: RedshiftWarehouse, redshift: Redshift, s3_lake: S3Lake
) -> None:
    batches = list(filled.query_batches(SELECT, PARAMS))
    assert pa.concat_tables(batches).to_pylist() == expected()
    assert len(unloads(redshift)) == 1
    assert s3_lake.keys("published/") == []


def test_query_batches__few_rows_are_one_statement(
    filled: RedshiftWarehouse, redshift: Redshift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse, "MAX_CURSOR_ROWS", COUNT)
    filled.query("SELECT 1 AS one")
    before = len(redshift.faults.statements)
    (rows,) = filled.query_batches(SELECT, PARAMS)
    assert rows.to_pylist() == expected()
    assert len(redshift.faults.statements) == before + 1 and not unloads(redshift)


def test_query_batches__a_lost_reply_is_repeated_elsewhere_and_nothing_is_left(
    filled: RedshiftWarehouse, redshift: Redshift, s3_lake: S3Lake
) -> None:
    redshift.faults.cut("reply", "^UNLOAD")
    assert pa.concat_tables(filled.query_batches(SELECT, PARAMS)).to_pylist() == expected()
    assert len({sql.split(" TO ")[1] for sql in unloads(redshift)}) == 2
    assert s3_lake.keys("published/") == []


def test_query_batches__files_that_lack_rows_are_an_error(
    filled: RedshiftWarehouse, s3_lake: S3Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse, "list_files", lambda lake, prefix: [])
    with pytest.raises(WarehouseError, match=r"UNLOAD wrote \d+ rows, but its files have 0 rows"):
        list(filled.query_batches(SELECT, PARAMS))
    assert s3_lake.keys("published/") == []


def test_query_batches__a_refused_role_names_the_setting(
    filled: RedshiftWarehouse, redshift: Redshift
) -> None:
    filled._iam_role = ROLE
    with pytest.raises(WarehouseError, match=r"(?s)not authorized.*CHARGING_REDSHIFT_IAM_ROLE"):
        list(filled.query_batches(SELECT, PARAMS))


def test_read_files__several_files_in_the_order_of_their_names(
    redshift: Redshift, s3_lake: S3Lake
) -> None:
    connection = resource_of(redshift).connect()
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE public.numbers (number BIGINT, words VARCHAR(2000))")
    row = "x" * 2000
    for start in range(0, 6000, 1000):
        values = ", ".join(f"({n}, '{row}')" for n in range(start, start + 1000))
        cursor.execute(f"INSERT INTO public.numbers VALUES {values}")
    uri = s3_lake.uri("published/unloads/x/part-")
    select = "SELECT number, words FROM public.numbers ORDER BY number"
    cursor.execute(unload_statement(select, {}, uri, redshift.iam_role, file_mb=5))
    connection.close()
    keys = unload.list_files(s3_lake, "published/unloads/x/")
    assert [key.split("/")[-1] for key in keys] == [
        f"part-{number:03}.parquet" for number in range(3)
    ]
    rows = pa.concat_tables(unload.read_files(s3_lake, keys))
    assert rows["number"].to_pylist() == list(range(6000))


@pytest.mark.parametrize("row_group", [1, 7, 1000])
def test_published_bytes__do_not_depend_on_batches(
    row_group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_ROW_GROUP", row_group)
    rows = pa.table({"n": pa.array(range(20), pa.int64()), "t": [text(n) for n in range(20)]})
    whole = publish._encode(iter([rows]), rows.schema)
    parts = publish._encode((rows.slice(at, 3) for at in range(0, 20, 3)), rows.schema)
    assert whole == parts
    assert publish._encode(iter([]), rows.schema) == publish._encode(
        iter([rows.slice(0, 0)]), rows.schema
    )


def test_query_batches__is_the_same_on_duckdb() -> None:
    in_memory = DuckDBWarehouse(None)
    in_memory.execute(("CREATE TABLE numbers (number BIGINT)", {}))
    (rows,) = in_memory.query_batches("SELECT number FROM numbers ORDER BY number")
    assert rows.num_rows == 0
