"""SQL in the Redshift dialect, transpiled for DuckDB."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.transpile import bind_params, transpile


@pytest.fixture(scope="module")
def warehouse() -> DuckDBWarehouse:
    return DuckDBWarehouse(None)


def value(warehouse: DuckDBWarehouse, expression: str, **params: Any) -> Any:
    return warehouse.query(f"SELECT {expression} AS it", params).column("it")[0].as_py()


def test_rendered__names_each_parameter_once() -> None:
    _, names = transpile("SELECT a FROM t WHERE b > :low AND b < :high OR c = :low", "duckdb")
    assert names == {"low", "high"}


def test_rendered__parameters_in_comments_and_texts_are_none() -> None:
    sql = "-- of [:window_start, :window_end)\nSELECT ':quoted' AS a, '12:30:00' AS b FROM t"
    statement, names = transpile(sql, "duckdb")
    assert names == frozenset()
    assert "':quoted'" in statement


def test_bind_params__selects_the_named_parameters() -> None:
    _, values = bind_params("SELECT :a AS a", {"a": 1, "b": 2}, "duckdb")
    assert values == {"a": 1}


def test_bind_params__names_the_missing_parameter() -> None:
    with pytest.raises(KeyError, match="window_end"):
        bind_params("SELECT :window_start AS a, :window_end AS b", {"window_start": 1}, "duckdb")


def test_bind_params__values_never_become_sql(warehouse: DuckDBWarehouse) -> None:
    evil = "'; DROP TABLE ops.ledger; --"
    assert value(warehouse, "CAST(:it AS VARCHAR(64))", it=evil) == evil
    assert warehouse.query("SELECT COUNT(*) AS n FROM ops.ledger").to_pylist() == [{"n": 0}]


def test_rendered__a_parameter_may_be_null(warehouse: DuckDBWarehouse) -> None:
    assert value(warehouse, "CAST(:it AS VARCHAR(8)) IS NULL", it=None) is True


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("DATE_TRUNC('hour', TIMESTAMP '2022-01-11 20:59:59')", datetime(2022, 1, 11, 20)),
        ("DATEDIFF(SECOND, TIMESTAMP '2022-01-11 20:00:00', TIMESTAMP '2022-01-11 20:01:30')", 90),
        ("DATEADD(HOUR, 1, TIMESTAMP '2022-01-11 20:00:00')", datetime(2022, 1, 11, 21)),
        ("MOD(-7, 4)", -3),
        ("STRPOS('abc', 'c')", 3),
        ("STRPOS(NULL, 'c')", None),
        ("JSON_EXTRACT_PATH_TEXT('{\"a\":\"b\"}', 'a')", "b"),
        ("NULLIF(JSON_EXTRACT_PATH_TEXT('{\"a\":null}', 'a'), '')", None),
        ("CONVERT_TIMEZONE('UTC', 'Europe/Berlin', TIMESTAMP '2022-01-11 20:00:00')",
         datetime(2022, 1, 11, 21)),
        ("CAST(DATE_PART('dayofweek', TIMESTAMP '2022-01-09 12:00:00') AS INTEGER)", 0),
        ("CAST(DATE_PART('week', TIMESTAMP '2022-01-02 12:00:00') AS INTEGER)", 52),
        ("COALESCE(NULL, 'a') || '|' || 'b'", "a|b"),
    ],
)  # fmt: skip
def test_rendered__means_on_duckdb_what_redshift_documents(
    warehouse: DuckDBWarehouse, expression: str, expected: Any
) -> None:
    assert value(warehouse, expression) == expected


def test_rendered__a_broken_statement_is_an_error() -> None:
    with pytest.raises(Exception, match=r"(?i)pars|expect|invalid"):
        transpile("SELECT FROM WHERE )", "duckdb")
