"""Statements that Redshift refuses are refused by the bed, and abort the transaction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redshift_connector

from charging_assets_tests.testbed.bed import Bed
from charging_assets_tests.testbed.refused import ALONE, REFUSED, Refusal

PAGE = Path(__file__).parents[2] / "docs" / "testbed.md"


@pytest.fixture(scope="module")
def connection(testbed: Bed) -> Iterator[Any]:
    database = testbed.new_database()
    connection = redshift_connector.connect(**database.connection_arguments())
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (a BIGINT, b VARCHAR(4))")
    connection.commit()
    yield connection
    connection.close()


def refused(connection: Any, sql: str, params: dict[str, Any] | None = None) -> dict[str, str]:
    cursor = connection.cursor()
    cursor.paramstyle = "named"
    with pytest.raises(redshift_connector.ProgrammingError) as caught:
        cursor.execute(sql, params)
    fields: dict[str, str] = caught.value.args[0]
    return fields


@pytest.mark.parametrize("refusal", REFUSED, ids=lambda refusal: refusal.title)
def test_refused__has_redshifts_error_and_aborts_the_transaction(
    connection: Any, refusal: Refusal
) -> None:
    fields = refused(connection, refusal.sql, {"a": 1} if ":a" in refusal.sql else None)
    assert (fields["M"], fields["C"]) == (refusal.message, refusal.code)
    assert refused(connection, "SELECT 1")["C"] == "25P02"
    connection.rollback()
    connection.cursor().execute("SELECT a FROM t")
    connection.rollback()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT MEDIAN(a), LISTAGG(b, ',') WITHIN GROUP (ORDER BY b) FROM t",
        "SELECT LISTAGG(b) WITHIN GROUP (ORDER BY a), LISTAGG(b) WITHIN GROUP (ORDER BY b) FROM t",
        "SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY a), MEDIAN(a + 1) FROM t",
        # AWS says "a statement": of two query blocks too.
        "WITH m AS (SELECT MEDIAN(a) AS x FROM t), n AS (SELECT MEDIAN(a * 2) AS x FROM t) "
        "SELECT m.x FROM m, n",
    ],
)
def test_sort_based_aggregates__with_different_orders_are_refused(
    connection: Any, sql: str
) -> None:
    assert refused(connection, sql)["M"].startswith("within group ORDER BY clauses")
    connection.rollback()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT MEDIAN(a), PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY A) FROM t",
        "SELECT LISTAGG(b, ',') WITHIN GROUP (ORDER BY a), MEDIAN(a) FROM t",
        "SELECT SUM(a) OVER (PARTITION BY b ORDER BY a ROWS UNBOUNDED PRECEDING) FROM t",
        "SELECT COUNT(*) OVER (PARTITION BY b), ROW_NUMBER() OVER (ORDER BY a) FROM t",
    ],
)
def test_sort_based_aggregates__of_one_order_and_framed_windows_run(
    connection: Any, sql: str
) -> None:
    connection.cursor().execute(sql)
    connection.rollback()


@pytest.mark.parametrize("sql", ALONE)
def test_alone__in_a_transaction__is_refused(connection: Any, sql: str) -> None:
    connection.cursor().execute("SELECT a FROM t")
    assert refused(connection, sql)["M"].endswith("cannot run inside a transaction block")
    connection.rollback()


@pytest.mark.parametrize("refusal", REFUSED, ids=lambda refusal: refusal.title)
def test_page__names_every_refusal(refusal: Refusal) -> None:
    assert refusal.title in PAGE.read_text(encoding="utf-8")


def test_text_that_ends_in_a_blank__is_refused_in_tables_of_the_project(connection: Any) -> None:
    """Redshift would compare it as equal to the text without the blank."""
    cursor = connection.cursor()
    cursor.execute("CREATE SCHEMA staging")
    for table, is_refused in (("t", False), ("staging.t", True)):
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {table} (a BIGINT, b VARCHAR(4))")
        cursor.execute(f"INSERT INTO {table} VALUES (1, ' x')")
        if is_refused:
            fields = refused(connection, f"INSERT INTO {table} VALUES (1, 'x ')")
            assert "a text ends in a blank" in fields["M"]
        else:
            cursor.execute(f"INSERT INTO {table} VALUES (1, 'x ')")
    connection.rollback()
