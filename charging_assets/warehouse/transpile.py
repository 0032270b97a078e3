"""Transpile SQL from the Redshift dialect to DuckDB's, and bind parameters.

The files of `sql/` are transpiled into `duckdb/generated_sql/` when they change, by
`python -m charging_assets.warehouse.transpile`. Statements that both engines read alike only have
their parameters renamed. sqlglot is imported for all others, such as queries of users: parsing the
statements of a load takes two seconds, and each run of Dagster is a process of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from charging_assets.warehouse.sql_files import read_texts, sql, sql_folder

GENERATED = Path(__file__).resolve().parent / "duckdb" / "generated_sql"
COMMAND = "python -m charging_assets.warehouse.transpile"

# Strings, quoted names, comments and casts are skipped; the last alternative is a parameter.
TOKEN = re.compile(
    r"(?P<string>'(?:[^']|'')*')|\"[^\"]*\"|(?P<comment>--[^\n]*|/\*.*?\*/)|::"
    r"|:(?P<name>[A-Za-z_]\w*)",
    re.DOTALL,
)


def _words(text: str) -> set[str]:
    return set(text.split())


# What both engines read alike, where keywords are in capitals and names are not, as in this
# project's own statements. `/`, `~` and `||` are not among the characters, LIKE is not among the
# words: the engines differ in integer division, in patterns and in escapes.
_SAME_CHARACTERS = re.compile(r"[\w\s.,;()=<>+*\-]*")
_SAME_WORDS = frozenset(
    _words(
        """ADD ALL ALTER AND AS ASC BIGINT BOOLEAN BY CASE CAST COALESCE COLUMN COMMENT COUNT
        CREATE DATE_TRUNC DELETE DISTINCT DOUBLE DROP ELSE END EXISTS FALSE FROM GROUP HAVING IF IN
        INNER INSERT INTEGER INTO IS JOIN LEFT LIMIT MAX MIN NOT NULL NULLS ON OR ORDER PRECISION
        REPLACE SCHEMA SELECT SET SMALLINT SUM TABLE TEMPORARY THEN TIMESTAMP TRUE UNION UPDATE
        VALUES VARCHAR VIEW WHEN WHERE"""
    )
)
# A word before a bracket that is none of these calls a function, which may differ.
_BEFORE_BRACKETS = _SAME_WORDS - {"REPLACE", "LEFT", "IF"}
# Descending order has nulls first on Redshift and last on DuckDB, unless a statement has the place.
_NULLS_STATED = re.compile(r"\bDESC NULLS (?:FIRST|LAST)\b")
_INTERVAL = re.compile(r"\bINTERVAL '\d+ (?:second|minute|hour|day)s?'")
# As keywords they differ, and as names they are none of this project's.
_OTHER_WORDS = {word.lower() for word in _SAME_WORDS} - {"comment"} | _words(
    """approximate bpchar char current_date current_time current_timestamp date dec decimal desc
    except explain float float4 float8 full ilike intersect interval isnull like localtime minus
    nchar notnull numeric nvarchar offset overlaps pivot qualify real similar super sysdate text
    time timestamptz timetz top unpivot using varbyte window with"""
)


@lru_cache(maxsize=4096)
def transpile(statement: str) -> tuple[str, frozenset[str]]:
    """Transpile a Redshift statement for DuckDB; return it with its parameter names."""
    names = parameter_names(statement)
    if is_read_alike(statement):
        return _rename_parameters(statement), names
    for name, text in read_texts().items():
        if text in statement and (generated := _generated(name, text)) is not None:
            # Around a file are the words of its use: INSERT INTO … SELECT … FROM ( … ).
            before, _, after = statement.partition(text)
            if is_read_alike(before) and is_read_alike(after):
                return _rename_parameters(before) + generated + _rename_parameters(after), names
    return transpile_with_sqlglot(statement), names


def parameter_names(statement: str) -> frozenset[str]:
    """The names of a statement's parameters."""
    return frozenset(match["name"] for match in TOKEN.finditer(statement) if match["name"])


def bind_params(statement: str, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Transpile a statement for DuckDB and select the parameters that it names.

    Raises:
        KeyError: a named parameter is missing.
    """
    transpiled, names = transpile(statement)
    return transpiled, {name: params[name] for name in names}


def is_read_alike(statement: str) -> bool:
    """Whether DuckDB certainly reads a statement as Redshift does, but for names of parameters."""
    if "\\" in statement:  # whether it escapes differs
        return False
    plain = TOKEN.sub(_blank, _INTERVAL.sub(" ", _NULLS_STATED.sub(" NULLS ", statement)))
    words = re.findall(r"(?<![.\w])[A-Za-z_]\w*", plain)
    calls = re.findall(r"(?<![.\w])([A-Za-z_]\w*)\s*\(", plain)
    return (
        _SAME_CHARACTERS.fullmatch(plain) is not None
        and {word for word in words if word != word.lower()} <= _SAME_WORDS
        and not _OTHER_WORDS.intersection(words)
        and _BEFORE_BRACKETS.issuperset(calls)
    )


def _blank(match: re.Match[str]) -> str:
    """Nothing for a comment, a digit for a value, and the text itself where it may differ."""
    if match["comment"]:
        return " "
    return "0" if match["string"] or match["name"] else match[0]


def _rename_parameters(statement: str) -> str:
    return TOKEN.sub(lambda match: f"${match['name']}" if match["name"] else match[0], statement)


def transpile_with_sqlglot(statement: str, *, pretty: bool = False) -> str:
    """Transpile any statement."""
    import sqlglot

    tree = sqlglot.parse_one(statement, read="redshift")
    return tree.sql(dialect="duckdb", pretty=pretty, comments=False)


@cache
def _generated(name: str, text: str) -> str | None:
    """The generated SQL of a file with this text; None if it was generated from another text."""
    try:
        head, _, generated = (GENERATED / f"{name}.sql").read_text("utf-8").partition("\n")
    except OSError:
        return None
    return generated if head == _head(name, text) else None


def _head(name: str, text: str) -> str:
    digest = sha256(text.encode()).hexdigest()[:16]
    return f"-- Generated from sql/{name}.sql ({digest}) by {COMMAND}; do not edit."


def generate() -> dict[str, str]:
    """The content of every generated file, by its name within `GENERATED`."""
    folder = sql_folder()
    names = sorted(path.relative_to(folder).with_suffix("") for path in folder.rglob("*.sql"))
    return {
        f"{name}.sql": f"{_head(str(name), text)}\n{transpile_with_sqlglot(text, pretty=True)}\n"
        for name in names
        if (text := sql(str(name)))
    }


def main() -> None:
    """Write all generated files, and delete those whose source is gone."""
    files = generate()
    for path in GENERATED.rglob("*.sql"):
        if str(path.relative_to(GENERATED)) not in files:
            path.unlink()
    for name, content in files.items():
        path = GENERATED / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")


if __name__ == "__main__":
    main()
