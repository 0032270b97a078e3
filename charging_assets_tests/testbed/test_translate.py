"""Translation of Redshift's statements to PostgreSQL, without a server."""

from __future__ import annotations

import pytest

from charging_assets_tests.testbed.errors import Refused
from charging_assets_tests.testbed.tokens import Statement, statements, tokenize
from charging_assets_tests.testbed.translate import translate


def test_tokenize__comments_strings_and_signs__are_distinguished() -> None:
    tokens = tokenize("""a -- 'no'\n::b /* "c" */ 'd''e\\'f' "G" <> $1 1.5e3""")
    assert [token.text for token in tokens] == [
        "a", "::", "b", "d'e'f", "G", "<>", "$1", "1.5e3",
    ]  # fmt: skip
    assert [token.name for token in tokens[2:5]] == ["b", "d'e'f", "G"]


def test_tokenized__string_without_end__is_refused() -> None:
    with pytest.raises(Refused, match="unterminated"):
        tokenize("SELECT 'abc")


def test_statements__semicolons_in_strings__do_not_split() -> None:
    assert statements("SELECT ';'; ; SELECT 2 -- ;\n;") == ["SELECT ';'", " SELECT 2 -- ;\n"]


def test_statement__edits__leave_the_rest_as_it_was() -> None:
    statement = Statement("SELECT  a,\n  b -- c\nFROM t")
    statement.replace(1, 2, "x + y")
    assert statement.edited() == "SELECT  x + y,\n  b -- c\nFROM t"


def test_create_table__physical_attributes__are_stripped() -> None:
    sql = translate(
        "CREATE TABLE IF NOT EXISTS s.t (a BIGINT NOT NULL ENCODE AZ64 DISTKEY, b DOUBLE PRECISION,"
        " c TIMESTAMP SORTKEY, PRIMARY KEY (c)) DISTSTYLE KEY COMPOUND SORTKEY (c, a)"
    ).sql
    assert sql == (
        'CREATE TABLE IF NOT EXISTS "s"."t" ("a" bigint NOT NULL, "b" double precision, '
        '"c" timestamp without time zone NOT NULL)'
    )


@pytest.mark.parametrize(
    ("given", "length"),
    [("VARCHAR(7)", 7), ("VARCHAR", 256), ("TEXT", 256), ("VARCHAR(MAX)", 65535), ("CHAR", 1)],
)
def test_create_table__text__is_limited_in_bytes(given: str, length: int) -> None:
    sql = translate(f"CREATE TABLE t (a {given})").sql
    assert f'"a" varchar({length})' in sql
    assert f'CHECK (octet_length("a") <= {length})' in sql


def test_create_table_as__attributes__are_stripped() -> None:
    sql = translate("CREATE TEMP TABLE x DISTKEY (a) SORTKEY (a) AS SELECT 1 AS a").sql
    assert sql == 'CREATE TEMP TABLE "x" AS SELECT 1 AS a'


def test_create_table_like__keeps_the_limits() -> None:
    assert translate("CREATE TEMP TABLE x (LIKE s.t)").sql == (
        'CREATE TEMP TABLE "x" (LIKE "s"."t" INCLUDING CONSTRAINTS )'
    )


@pytest.mark.parametrize(
    ("redshift", "postgresql"),
    [
        ("SELECT DATEADD(hour, 1, a) FROM t", "SELECT DATEADD('hour', 1, a) FROM t"),
        ("SELECT DATEDIFF('day', a, b) FROM t", "SELECT DATEDIFF('day', a, b) FROM t"),
        ("SELECT NVL(a, 1), SYSDATE FROM t", "SELECT COALESCE(a, 1), rs.sysdate() FROM t"),
        ("SELECT 1 MINUS SELECT 2", "SELECT 1 EXCEPT SELECT 2"),
        (
            "SELECT LISTAGG(a, ',') WITHIN GROUP (ORDER BY b) FROM t",
            "SELECT STRING_AGG((a)::text, ',' ORDER BY b)::varchar(65535) FROM t",
        ),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN"),
        ("VACUUM DELETE ONLY s.t TO 75 PERCENT", 'VACUUM "s"."t"'),
        ("ANALYZE s.t PREDICATE COLUMNS", 'ANALYZE "s"."t"'),
        ("SET search_path TO s", "SET search_path = s, rs, pg_catalog"),
    ],
)
def test_translate__expressions__are_translated(redshift: str, postgresql: str) -> None:
    assert translate(redshift).sql == postgresql


def test_translate__writes__name_the_table_to_lock() -> None:
    assert translate("INSERT INTO s.t (a) SELECT 1").writes == '"s"."t"'
    assert translate("DELETE FROM t WHERE a = 1").writes == '"t"'
    assert translate("UPDATE t SET a = 1").writes == '"t"'
    assert translate("SELECT a FROM t").writes == ""


def test_translate__copy__is_read() -> None:
    copy = translate(
        "copy s.t (a, b) from 's3://b/k' iam_role 'arn:x' format as parquet manifest"
    ).copy
    assert copy is not None
    assert (copy.table, copy.columns, copy.source) == ('"s"."t"', ("a", "b"), "s3://b/k")
    assert (copy.iam_role, copy.is_manifest) == ("arn:x", True)
