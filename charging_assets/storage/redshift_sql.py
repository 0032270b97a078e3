"""SQL for Redshift: parameters that are bound, and those that cannot be.

Belongs here: `:name` parameters. Does not belong here: what statements say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

# Strings, quoted names, comments and casts are passed over; a parameter is the last.
_TOKEN = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|::|:(?P<name>[A-Za-z_]\w*)", re.DOTALL
)
_PLAIN = re.compile(r"[^'\\\x00-\x1f]*")


def parameters(sql: str) -> set[str]:
    """The names that a statement has parameters for."""
    return {match["name"] for match in _TOKEN.finditer(sql) if match["name"]}


def bound(sql: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """Just the parameters that a statement names; KeyError if one is missing."""
    return {name: params[name] for name in parameters(sql)} or None


def inlined(sql: str, params: Mapping[str, Any]) -> str:
    """A statement with its parameters as literals: CREATE TABLE AS takes none that are bound."""

    def literal(match: re.Match[str]) -> str:
        return _literal(match["name"], params[match["name"]]) if match["name"] else match[0]

    return _TOKEN.sub(literal, sql)


def _literal(name: str, value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
    # Whether a backslash escapes depends on the server; no name of ours has one.
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return f"'{value}'"
    raise ValueError(f"the parameter {name} cannot be written into SQL: {value!r}")
