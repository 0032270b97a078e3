"""Translate Redshift's column types to PostgreSQL's."""

from __future__ import annotations

from dataclasses import dataclass

from charging_assets_tests.testbed.errors import UNSUPPORTED, Refused
from charging_assets_tests.testbed.tokens import Statement

_TEXTS = {"VARCHAR", "NVARCHAR", "TEXT", "CHAR", "CHARACTER", "NCHAR", "BPCHAR"}
_DEFAULT_LENGTH = {"CHAR": 1, "CHARACTER": 1, "NCHAR": 1}
_PLAIN = {
    "SMALLINT": "smallint",
    "INT2": "smallint",
    "INTEGER": "integer",
    "INT": "integer",
    "INT4": "integer",
    "BIGINT": "bigint",
    "INT8": "bigint",
    "REAL": "real",
    "FLOAT4": "real",
    "FLOAT": "double precision",
    "FLOAT8": "double precision",
    "BOOLEAN": "boolean",
    "BOOL": "boolean",
    "DATE": "date",
    "TIMESTAMPTZ": "timestamptz",
    "TIMETZ": "timetz",
    "SUPER": "json",
    "VARBYTE": "bytea",
    "VARBINARY": "bytea",
}
_MAX_BYTES = 65535


@dataclass(frozen=True)
class ColumnType:
    """A type of PostgreSQL, with the maximum length of a text in bytes."""

    sql: str
    byte_limit: int | None = None


def column_type(statement: Statement, at: int, column: str) -> tuple[ColumnType, int]:
    """Parse the type at a position; returns it and the position after it."""
    word = statement.upper(at)
    after = at + 1
    if word in _TEXTS:
        if word == "CHARACTER" and statement.upper(after) == "VARYING":
            word, after = "VARCHAR", after + 1
        limit = _DEFAULT_LENGTH.get(word, 256)
        if statement.upper(after) == "(" and word != "TEXT":
            length = statement.upper(after + 1)
            limit = _MAX_BYTES if length == "MAX" else int(length)
            after = statement.close(after) + 1
        if not 1 <= limit <= _MAX_BYTES:
            raise Refused(f"length for type character varying cannot exceed {_MAX_BYTES}", "22023")
        parsed = ColumnType(f"varchar({limit})", limit)
    elif word in {"NUMERIC", "DECIMAL"}:
        shape = "(18,0)"
        if statement.upper(after) == "(":
            shape = statement.text(after, statement.close(after) + 1)
            after = statement.close(after) + 1
        parsed = ColumnType(f"numeric{shape}")
    elif word == "DOUBLE" and statement.upper(after) == "PRECISION":
        parsed, after = ColumnType("double precision"), after + 1
    elif word in {"TIMESTAMP", "TIME"}:
        zone = "without"
        if statement.upper(after) in {"WITH", "WITHOUT"}:
            zone, after = statement.upper(after).lower(), after + 3
        parsed = ColumnType(f"{word.lower()} {zone} time zone")
    elif word in _PLAIN:
        parsed = ColumnType(_PLAIN[word])
        if word in {"VARBYTE", "VARBINARY"} and statement.upper(after) == "(":
            after = statement.close(after) + 1
    else:
        raise _unsupported_type(column, statement.tokens[at].text)
    if statement.upper(after) in {"[", "ARRAY"}:
        raise _unsupported_type(column, f"{parsed.sql}[]")
    return parsed, after


def _unsupported_type(column: str, name: str) -> Refused:
    return Refused(f'Column "{column}" has unsupported type "{name.lower()}".', UNSUPPORTED)
