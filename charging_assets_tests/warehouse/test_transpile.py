"""SQL in the Redshift dialect, transpiled for DuckDB."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.warehouse import transpile as module
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.redshift.sql import parameter_names
from charging_assets.warehouse.sql_files import read_texts, sql
from charging_assets.warehouse.transpile import (
    COMMAND,
    GENERATED,
    bind_params,
    generate,
    is_read_alike,
    transpile,
    transpile_with_sqlglot,
)


@pytest.fixture(scope="module")
def warehouse() -> DuckDBWarehouse:
    return DuckDBWarehouse(None)


def value(warehouse: DuckDBWarehouse, expression: str, **params: Any) -> Any:
    return warehouse.query(f"SELECT {expression} AS it", params).column("it")[0].as_py()


def test_transpile__names_each_parameter_once() -> None:
    _, names = transpile("SELECT a FROM t WHERE b > :low AND b < :high OR c = :low")
    assert names == {"low", "high"}


def test_transpile__parameters_in_comments_and_texts_are_none() -> None:
    sql = "-- of [:window_start, :window_end)\nSELECT ':quoted' AS a, '12:30:00' AS b FROM t"
    statement, names = transpile(sql)
    assert names == frozenset()
    assert "':quoted'" in statement


def test_bind_params__selects_the_named_parameters() -> None:
    _, values = bind_params("SELECT :a AS a", {"a": 1, "b": 2})
    assert values == {"a": 1}


def test_bind_params__names_the_missing_parameter() -> None:
    with pytest.raises(KeyError, match="window_end"):
        bind_params("SELECT :window_start AS a, :window_end AS b", {"window_start": 1})


def test_bind_params__values_never_become_sql(warehouse: DuckDBWarehouse) -> None:
    evil = "'; DROP TABLE ops.ledger; --"
    assert value(warehouse, "CAST(:it AS VARCHAR(64))", it=evil) == evil
    assert warehouse.query("SELECT COUNT(*) AS n FROM ops.ledger").to_pylist() == [{"n": 0}]


def test_transpile__a_parameter_may_be_null(warehouse: DuckDBWarehouse) -> None:
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
def test_transpile__means_on_duckdb_what_redshift_documents(
    warehouse: DuckDBWarehouse, expression: str, expected: Any
) -> None:
    assert value(warehouse, expression) == expected


def test_query__of_a_broken_statement_is_an_error(warehouse: DuckDBWarehouse) -> None:
    for broken in ("SELECT FROM WHERE )", "SELECT a FROM t ORDER BY DESC )"):
        with pytest.raises(Exception, match=r"(?i)pars|expect|invalid|syntax"):
            warehouse.query(broken)


@cache
def generated_now() -> dict[str, str]:
    return generate()


def test_generated_files__are_those_of_the_sql_files() -> None:
    stored = {
        str(path.relative_to(GENERATED)): path.read_text("utf-8")
        for path in GENERATED.rglob("*.sql")
    }
    expected = generated_now()
    stale = {name for name in stored.keys() | expected if stored.get(name) != expected.get(name)}
    assert not stale, f"run `{COMMAND}`: {sorted(stale)} differ from what sql/ generates"


def test_sql_files__none_is_part_of_another() -> None:
    """A statement is searched for the text of a file that it contains."""
    texts = [sql(name.removesuffix(".sql")) for name in generated_now()]
    assert [a for a in texts for b in texts if a != b and a in b] == []


@pytest.mark.parametrize("around", ["{}", "SELECT a FROM (\n{}\n) AS b LIMIT 5"])
def test_transpile__takes_a_file_that_is_generated(
    monkeypatch: pytest.MonkeyPatch, around: str
) -> None:
    text = sql("dimensions/evse_attributes")
    generated = generated_now()["dimensions/evse_attributes.sql"].partition("\n")[2]
    monkeypatch.delattr(module, "transpile_with_sqlglot")
    statement, names = transpile.__wrapped__(around.format(text))
    assert statement == around.format(generated)
    assert names == {"window_start", "window_end"}


def test_transpile__a_file_that_changed_since_is_never_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed = sql("dimensions/evse_attributes").replace(
        "MIN(slot_at) AS slot_at", "MAX(slot_at) AS slot_at"
    )
    assert changed != sql("dimensions/evse_attributes")
    monkeypatch.setitem(read_texts(), "dimensions/evse_attributes", changed)
    assert transpile(changed)[0] == transpile_with_sqlglot(changed)


@pytest.mark.parametrize("around", ["SELECT a / 2 AS a FROM (\n{}\n) AS b", "{}\nORDER BY 1 DESC"])
def test_transpile__a_file_within_a_statement_that_differs_is_transpiled_as_a_whole(
    around: str,
) -> None:
    statement = around.format(sql("dimensions/newest_hour"))
    assert transpile(statement)[0] == transpile_with_sqlglot(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT a / 2 AS a FROM t",
        "SELECT a FROM t ORDER BY a DESC",
        "SELECT a FROM t ORDER BY a desc",
        "SELECT a FROM t WHERE b LIKE '5%'",
        "SELECT a FROM t WHERE b ~ '5'",
        "SELECT a || b AS c FROM t",
        "SELECT a::VARCHAR AS a FROM t",
        "SELECT CAST(a AS FLOAT) AS a FROM t",
        "SELECT CAST(a AS float) AS a FROM t",
        "SELECT CAST(a AS DECIMAL) AS a FROM t",
        "SELECT DATEADD(HOUR, 1, a) AS a FROM t",
        "SELECT dateadd(hour, 1, a) AS a FROM t",
        "SELECT SYSDATE AS a",
        "SELECT sysdate AS a",
        "SELECT TOP 5 a FROM t",
        "SELECT a FROM t MINUS SELECT a FROM b",
        "SELECT JSON_EXTRACT_PATH_TEXT(a, 'b') AS c FROM t",
        "SELECT 'a\\'' AS b",
        "SELECT INTERVAL '1 week 3' AS b",
        "select a from t",
        "INSERT INTO t (a) SELECT LEFT(a, 3) FROM b",
        "SELECT a % 2 AS a FROM t",
        "SELECT #a FROM t",
        "SELECT a FROM t OFFSET 3",
    ],
)
def test_is_read_alike__not_of_what_may_differ(statement: str) -> None:
    assert not is_read_alike(statement)


_VALUES = (
    "slot_at", "checked.evse_key", "3", "2.5", "'it''s'", ":window_start", "NULL", "TRUE",
    "TIMESTAMP '2026-01-12 00:00:00'",
)  # fmt: skip
_TYPES = (
    "BIGINT", "INTEGER", "SMALLINT", "DOUBLE PRECISION", "BOOLEAN", "TIMESTAMP", "VARCHAR(16)",
)  # fmt: skip
_FORMS = (
    *(f"({{0}} {operator} {{1}})" for operator in ("+", "-", "*", "=", "<>", "<=", "AND", "OR")),
    *(f"{call}({{0}})" for call in ("SUM", "MIN", "MAX", "COUNT")),
    *(f"CAST({{0}} AS {name})" for name in _TYPES),
    "COALESCE({0}, {1})",
    "DATE_TRUNC('hour', {0})",
    "({0}) + INTERVAL '1 hour'",
    "CASE WHEN {0} IS NOT NULL THEN {1} ELSE 0 END",
    "({0} IN ({1}, 1))",
)
_EXPRESSIONS = st.recursive(
    st.sampled_from(_VALUES),
    lambda inner: st.tuples(st.sampled_from(_FORMS), inner, inner).map(
        lambda each: each[0].format(*each[1:])
    ),
    max_leaves=6,
)


@settings(max_examples=60)
@given(_EXPRESSIONS, st.sampled_from(["", " ORDER BY a", " ORDER BY a DESC NULLS LAST LIMIT 5"]))
def test_is_read_alike__statements_mean_the_same_in_both_dialects(
    expression: str, order: str
) -> None:
    statement = f"SELECT {expression} AS a FROM mart.mart_evse_hour AS checked{order}"
    assert is_read_alike(statement)
    assert_same(statement)


def assert_same(statement: str) -> None:
    """A statement that only has its parameters renamed is what sqlglot makes of it."""
    transpiled, names = transpile(statement)
    read = sqlglot.parse_one(transpiled, read="duckdb").sql("duckdb", comments=False)
    # DuckDB ignores the length of a text.
    assert read == re.sub(r"\bTEXT\(\d+\)", "TEXT", transpile_with_sqlglot(statement))
    assert names == parameter_names(statement)


_PROGRAM = """
import json, sys
from pathlib import Path
from charging_assets.cli import main
from charging_assets.warehouse import transpile as module

statements, transpile = set(), module.transpile
def record(statement):
    statements.add(statement)
    return transpile(statement)
module.transpile = record
for arguments in (["load"], ["status"]):
    assert main(arguments) == 0
Path(sys.argv[1]).write_text(json.dumps(sorted(statements)))
assert "sqlglot" not in sys.modules, [s for s in statements if not module.is_read_alike(s)]
"""


def test_load_and_status__do_without_sqlglot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing it and parsing all statements would take as long as the load itself."""
    monkeypatch.setenv("CHARGING_HOME", str(tmp_path / "home"))
    simulate = ["-m", "charging_assets.cli", "simulate", "--hours", "1", "--scale", "0.01"]
    program = ["-c", _PROGRAM, str(tmp_path / "statements.json")]
    for command in (simulate, program):
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    statements = json.loads((tmp_path / "statements.json").read_text())
    assert len(statements) > 800  # with those of the migration
    for statement in statements:
        if is_read_alike(statement):
            assert_same(statement)
