"""Translate Redshift's CREATE TABLE and ALTER TABLE to PostgreSQL.

The length of a VARCHAR is in bytes, with a check constraint. As in Redshift, keys are declared and
not enforced, except the NOT NULL of a primary key.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from charging_assets_tests.testbed.column_types import column_type
from charging_assets_tests.testbed.errors import (
    BLANK_CONSTRAINT,
    BYTES_CONSTRAINT,
    UNSUPPORTED,
    Refused,
)
from charging_assets_tests.testbed.tokens import Statement, literal, quoted, syntax_error

# Schemas of the project, but `original`, which has views.
_OWN_SCHEMAS = {"staging", "warehouse", "mart", "ops"}
_ENCODINGS = {
    "AUTO", "AZ64", "BYTEDICT", "DELTA", "DELTA32K", "LZO", "MOSTLY8", "MOSTLY16", "MOSTLY32",
    "RAW", "RUNLENGTH", "TEXT255", "TEXT32K", "ZSTD",
}  # fmt: skip


def create_table(statement: Statement) -> str:
    """Translate CREATE TABLE in its three forms: with columns, LIKE, AS a query."""
    name_at = statement.find("TABLE") + 1
    if statement.starts("IF", "NOT", "EXISTS", at=name_at):
        name_at += 3
    name, at = statement.qualified_name(name_at)
    head = statement.text(0, name_at)
    if statement.upper(at) != "(":
        as_at = _skip_attributes(statement, at, None)
        return f"{head} {name} {statement.text(as_at, len(statement.tokens))}"
    end = statement.close(at)
    is_named_as = statement.find("AS", at=end, depth=0) >= 0
    elements = [
        _element(statement, first, last, name)
        for first, last in statement.parts(at + 1, end)
        if not is_named_as
    ]
    if is_named_as:
        as_at = _skip_attributes(statement, end + 1, None)
        rest = statement.text(as_at, len(statement.tokens))
        return f"{head} {name} {statement.text(at, end + 1)} {rest}"
    columns = {element.column for element in elements if element.column}
    keys = {name for element in elements for name in element.primary_key}
    is_like = any(element.is_like for element in elements)
    has_key = any(element.is_distkey for element in elements)
    _skip_attributes(statement, end + 1, None if is_like else columns, has_key=has_key)
    body = ", ".join(element.sql(keys) for element in elements if element.is_column)
    return f"{head} {name} ({body})"


@dataclass(frozen=True)
class _Element:
    definition: str = ""
    column: str = ""
    primary_key: tuple[str, ...] = ()
    is_like: bool = False
    is_distkey: bool = False

    @property
    def is_column(self) -> bool:
        return bool(self.definition)

    def sql(self, keys: set[str]) -> str:
        return f"{self.definition} NOT NULL" if self.column in keys else self.definition


def _element(statement: Statement, first: int, last: int, table: str) -> _Element:
    word = statement.upper(first)
    if word == "CONSTRAINT":
        return _element(statement, first + 2, last, table)
    if word == "LIKE":
        source, after = statement.qualified_name(first + 1)
        options = statement.text(after, last)
        return _Element(f"LIKE {source} INCLUDING CONSTRAINTS {options}", is_like=True)
    if word in {"PRIMARY", "UNIQUE", "FOREIGN"}:
        opening = statement.find("(", at=first)
        inside = statement.parts(opening + 1, statement.close(opening))
        names = tuple(statement.tokens[begin].name for begin, _ in inside)
        return _Element(primary_key=names if word == "PRIMARY" else ())
    if word in {"CHECK", "EXCLUDE"}:
        raise _check_unsupported(word)
    return _column(statement, first, last, table)


def _check_unsupported(word: str) -> Refused:
    return Refused(f"{word} constraints are not supported", UNSUPPORTED)


def _column(statement: Statement, first: int, last: int, table: str) -> _Element:
    name = statement.tokens[first].name
    where = f"{table.split('.')[-1].strip(chr(34))}.{name}"
    kind, at = column_type(statement, first + 1, where)
    definition, is_key, is_distkey = [quoted(name), kind.sql], False, False
    while at < last:
        word = statement.upper(at)
        if word == "NOT" and statement.upper(at + 1) == "NULL":
            definition.append("NOT NULL")
            at += 2
        elif word in {"NULL", "UNIQUE", "DISTKEY", "SORTKEY"}:
            is_distkey = is_distkey or word == "DISTKEY"
            at += 1
        elif word == "PRIMARY":
            is_key, at = True, at + 2
        elif word == "ENCODE":
            _check_encoding(statement, at + 1)
            at += 2
        elif word == "COLLATE":
            at += 2
        elif word == "REFERENCES":
            _, at = statement.qualified_name(at + 1)
            at = statement.close(at) + 1 if statement.upper(at) == "(" else at
        elif word in {"IDENTITY", "GENERATED"}:
            opening = statement.find("(", at=at)
            definition.append("GENERATED ALWAYS AS IDENTITY")
            at = statement.close(opening) + 1
        elif word == "DEFAULT":
            end = _default_end(statement, at + 1, last)
            definition.append(statement.text(at, end))
            at = end
        elif word == "CHECK":
            raise _check_unsupported(word)
        else:
            raise syntax_error(statement.tokens[at].text)
    if kind.byte_limit is not None:
        definition.append(_byte_check(name, kind.byte_limit))
        if table.split(".")[0].strip('"') in _OWN_SCHEMAS:
            definition.append(_blank_check(name))
    return _Element(" ".join(definition), name, (name,) if is_key else (), is_distkey=is_distkey)


def _byte_check(name: str, limit: int) -> str:
    check = f"CHECK (octet_length({quoted(name)}) <= {limit})"
    return f"CONSTRAINT {BYTES_CONSTRAINT}{limit}_{_name_hash(name)} {check}"


def _blank_check(name: str) -> str:
    constraint = f"{BLANK_CONSTRAINT}{_name_hash(name)}"
    return f"CONSTRAINT {constraint} CHECK ({quoted(name)} NOT LIKE '% ')"


def _name_hash(column: str) -> str:
    return f"{zlib.crc32(column.encode()):08x}"


def _default_end(statement: Statement, at: int, last: int) -> int:
    stops = {"NOT", "NULL", "ENCODE", "DISTKEY", "SORTKEY", "UNIQUE", "PRIMARY", "REFERENCES"}
    place = at + 1
    while place < last and statement.upper(place) not in stops:
        place = statement.close(place) + 1 if statement.upper(place) == "(" else place + 1
    return place


def _check_encoding(statement: Statement, at: int) -> None:
    if statement.upper(at) not in _ENCODINGS:
        raise Refused(f'invalid encoding type specified for column: "{statement.tokens[at].text}"')


def _skip_attributes(
    statement: Statement, at: int, columns: set[str] | None, *, has_key: bool = False
) -> int:
    """Check the physical attributes at a position; returns the position after them."""
    style = ""
    while at < len(statement.tokens):
        word = statement.upper(at)
        if word == "DISTSTYLE":
            style, at = statement.upper(at + 1), at + 2
            if style not in {"AUTO", "EVEN", "KEY", "ALL"}:
                raise syntax_error(style)
        elif word in {"COMPOUND", "INTERLEAVED"} and statement.upper(at + 1) == "SORTKEY":
            at += 1
        elif word in {"DISTKEY", "SORTKEY"}:
            has_key = has_key or word == "DISTKEY"
            at = _skip_key(statement, at + 1, columns)
        elif word == "ENCODE":
            _check_encoding(statement, at + 1)
            at += 2
        elif word == "BACKUP":
            at += 2
        else:
            break
    if style == "KEY" and not has_key:
        raise Refused("DISTSTYLE KEY requires a DISTKEY", "42P16")
    if has_key and style not in {"", "KEY"}:
        raise Refused(f"DISTSTYLE {style} cannot be used with a DISTKEY", "42P16")
    if at < len(statement.tokens) and statement.upper(at) != "AS":
        raise syntax_error(statement.tokens[at].text)
    return at


def _skip_key(statement: Statement, at: int, columns: set[str] | None) -> int:
    if statement.upper(at) == "AUTO":
        return at + 1
    if statement.upper(at) != "(":
        raise syntax_error(statement.tokens[at].text if at < len(statement.tokens) else "")
    end = statement.close(at)
    for first, _ in statement.parts(at + 1, end):
        name = statement.tokens[first].name
        if columns is not None and name not in columns:
            raise Refused(f"column {literal(name)} named in key does not exist", "42703")
    return end + 1


def alter_table(statement: Statement) -> str | None:
    """Translate ALTER TABLE; None if it only concerns attributes that PostgreSQL lacks."""
    name, at = statement.qualified_name(2)
    word = statement.upper(at)
    if word == "ADD":
        at += 2 if statement.upper(at + 1) == "COLUMN" else 1
        if statement.upper(at) in {"PRIMARY", "UNIQUE", "FOREIGN", "CONSTRAINT"}:
            return None
        if statement.starts("IF", "NOT", "EXISTS", at=at):
            raise syntax_error("NOT")
        element = _column(statement, at, len(statement.tokens), name)
        return f"ALTER TABLE {name} ADD COLUMN {element.definition}"
    if word == "ALTER" and statement.upper(at + 1) in {
        "DISTSTYLE", "DISTKEY", "SORTKEY", "COMPOUND", "ENCODE",
    }:  # fmt: skip
        return None
    if statement.find("ENCODE", at=at) >= 0:
        return None
    if word == "ALTER" and statement.find("TYPE", at=at) >= 0:
        return _alter_type(statement, name, at)
    return statement.sql


def _alter_type(statement: Statement, table: str, at: int) -> str:
    """Change the length of a VARCHAR, the only change of a type that Redshift supports."""
    at += 2 if statement.upper(at + 1) == "COLUMN" else 1
    column = statement.tokens[at].name
    kind, _ = column_type(statement, at + 2, column)
    if kind.byte_limit is None:
        raise Refused(f'cannot alter type of column "{column}" to {kind.sql}', UNSUPPORTED)
    changed = (
        f"ALTER TABLE {table} ALTER COLUMN {quoted(column)} TYPE {kind.sql}, "
        f"ADD {_byte_check(column, kind.byte_limit)}"
    )
    return f"""DO $$ DECLARE old text; BEGIN
FOR old IN SELECT conname FROM pg_constraint
WHERE conrelid = '{table}'::regclass AND conname LIKE '{BYTES_CONSTRAINT}%{_name_hash(column)}' LOOP
EXECUTE format('ALTER TABLE {table} DROP CONSTRAINT %I', old);
END LOOP;
{changed};
END $$"""
