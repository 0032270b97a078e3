"""Statements that Redshift refuses, with their errors; docs/testbed.md must list them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """A refused statement on a table `t (a BIGINT, b VARCHAR(4))`, with its title on the page."""

    title: str
    sql: str
    message: str
    code: str


def _syntax(title: str, sql: str, near: str) -> Refusal:
    return Refusal(title, sql, f'syntax error at or near "{near}"', "42601")


def _command(sql: str, words: str) -> Refusal:
    message = f'SQL command "{words}" not supported on Redshift tables.'
    return Refusal(f"`{words}`", sql, message, "0A000")


def _function(sql: str, name: str) -> Refusal:
    return Refusal(f"`{name}`", sql, f"function {name}() does not exist", "42883")


def _type(name: str, kind: str) -> Refusal:
    message = f'Column "x.c" has unsupported type "{kind}".'
    return Refusal(f"a column of type `{name}`", f"CREATE TABLE x (c {name})", message, "0A000")


REFUSED = (
    _syntax("`ON CONFLICT`", "INSERT INTO t (a) VALUES (1) ON CONFLICT DO NOTHING", "ON"),
    _syntax("`RETURNING`", "DELETE FROM t RETURNING a", "RETURNING"),
    _syntax("`FILTER` of an aggregate", "SELECT COUNT(*) FILTER (WHERE a > 1) FROM t", "("),
    _syntax("`IS DISTINCT FROM`", "SELECT 1 FROM t WHERE a IS DISTINCT FROM 1", "DISTINCT"),
    _syntax("`SELECT … FOR UPDATE`", "SELECT a FROM t FOR UPDATE", "FOR"),
    _syntax("a named window", "SELECT MAX(a) OVER w FROM t WINDOW w AS (ORDER BY a)", "WINDOW"),
    _syntax("`VALUES` as a table", "SELECT 1 FROM (VALUES (1)) AS v", "VALUES"),
    _syntax("`FETCH FIRST`", "SELECT a FROM t FETCH FIRST 1 ROWS ONLY", "FETCH"),
    _syntax("`WITH` before `INSERT`", "WITH n AS (SELECT 1) INSERT INTO t (a) SELECT 1", "INSERT"),
    _syntax("`ROLLBACK TO`", "ROLLBACK TO SAVEPOINT x", "TO"),
    _syntax("a mode of `LOCK`", "LOCK TABLE t IN SHARE MODE", "IN"),
    _command("SAVEPOINT x", "SAVEPOINT"),
    _command("CREATE INDEX i ON t (a)", "CREATE INDEX"),
    _command("CREATE UNIQUE INDEX i ON t (a)", "CREATE UNIQUE INDEX"),
    _command("CREATE SEQUENCE x", "CREATE SEQUENCE"),
    _command("CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION f()", "CREATE TRIGGER"),
    _command("CREATE EXTENSION hstore", "CREATE EXTENSION"),
    _command("DO $$ BEGIN END $$", "DO"),
    _function("SELECT string_agg(b, ',') FROM t", "string_agg"),
    _function("SELECT array_agg(a) FROM t", "array_agg"),
    _function("SELECT make_interval(1)", "make_interval"),
    _function("SELECT jsonb_build_object('a', 1)", "jsonb_build_object"),
    _function("SELECT clock_timestamp()", "clock_timestamp"),
    _function("SELECT octet_len('a')", "octet_len"),
    Refusal(
        "`generate_series` and other functions of the leader, where a table is read",
        "SELECT a FROM t, generate_series(1, 2) AS g",
        "Specified types or functions (one per INFO message) not supported on Redshift tables.",
        "0A000",
    ),
    Refusal(
        "`DISTINCT ON`",
        "SELECT DISTINCT ON (a) a, b FROM t",
        "SELECT DISTINCT ON is not supported",
        "0A000",
    ),
    Refusal(
        "two sort-based aggregates (`LISTAGG`, `MEDIAN`, `PERCENTILE_CONT`) with different orders",
        "SELECT MEDIAN(a), MEDIAN(a + 1) FROM t",
        "within group ORDER BY clauses for aggregate functions must be the same",
        "0A000",
    ),
    Refusal(
        "an aggregate over an ordered window without a frame",
        "SELECT SUM(a) OVER (PARTITION BY b ORDER BY a) FROM t",
        "Aggregate window functions with an ORDER BY clause require a frame clause",
        "0A000",
    ),
    Refusal(
        "an array constructor", "SELECT ARRAY[1]", "array constructors are not supported", "0A000"
    ),
    Refusal(
        "a cast to a type it has not",
        "SELECT a::jsonb FROM t",
        'type "jsonb" does not exist',
        "42704",
    ),
    _type("UUID", "uuid"),
    _type("SERIAL", "serial"),
    _type("JSONB", "jsonb"),
    _type("BYTEA", "bytea"),
    _type("INTEGER[]", "integer[]"),
    Refusal(
        "a `CHECK` constraint",
        "CREATE TABLE x (c BIGINT CHECK (c > 0))",
        "CHECK constraints are not supported",
        "0A000",
    ),
    Refusal(
        "a `VARCHAR` longer than 65535",
        "CREATE TABLE x (c VARCHAR(65536))",
        "length for type character varying cannot exceed 65535",
        "22023",
    ),
    Refusal(
        "a `DISTKEY` that is no column",
        "CREATE TABLE x (c BIGINT) DISTKEY (d)",
        "column 'd' named in key does not exist",
        "42703",
    ),
    Refusal(
        "`DISTSTYLE KEY` without a key",
        "CREATE TABLE x (c BIGINT) DISTSTYLE KEY",
        "DISTSTYLE KEY requires a DISTKEY",
        "42P16",
    ),
    Refusal(
        "an unknown `ENCODE`",
        "CREATE TABLE x (c BIGINT ENCODE GZIP)",
        'invalid encoding type specified for column: "GZIP"',
        "0A000",
    ),
    Refusal(
        "bound parameters in `CREATE TABLE AS`",
        "CREATE TEMP TABLE x AS SELECT a FROM t WHERE a = :a",
        "there is no parameter $1 in CREATE TABLE",
        "42601",
    ),
    Refusal(
        "a late-binding view over a table without its schema",
        "CREATE VIEW v AS SELECT a FROM t WITH NO SCHEMA BINDING",
        "All the relations in a late-binding view must be qualified with a schema: t",
        "0A000",
    ),
    Refusal(
        "a type altered to anything but another length of `VARCHAR`",
        "ALTER TABLE t ALTER COLUMN a TYPE INTEGER",
        'cannot alter type of column "a" to integer',
        "0A000",
    ),
    _syntax("`ADD COLUMN IF NOT EXISTS`", "ALTER TABLE t ADD COLUMN IF NOT EXISTS c BIGINT", "NOT"),
    Refusal(
        "COPY without an IAM role",
        "COPY t FROM 's3://b/k' FORMAT PARQUET",
        "CREDENTIALS argument is required but not specified",
        "42601",
    ),
    Refusal(
        "COPY of Parquet from another region",
        "COPY t FROM 's3://b/k' IAM_ROLE 'r' FORMAT PARQUET REGION 'eu-west-1'",
        "REGION argument is not supported for PARQUET based COPY",
        "0A000",
    ),
    Refusal(
        "COPY from elsewhere than S3",
        "COPY t FROM '/tmp/x' IAM_ROLE 'r' FORMAT PARQUET",
        "COPY from this file-system not supported",
        "0A000",
    ),
)

# Refused only in a transaction.
ALONE = ("VACUUM t", "ALTER TABLE t ALTER COLUMN b TYPE VARCHAR(9)", "CREATE DATABASE x")
