"""Bind `:name` parameters in Redshift SQL, or inline them where Redshift cannot bind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from charging_assets.warehouse.transpile import TOKEN, parameter_names

_PLAIN = re.compile(r"[^'\\\x00-\x1f]*")


def pick_params(sql: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """Select the parameters that a statement names; raises KeyError if one is missing."""
    return {name: params[name] for name in parameter_names(sql)} or None


def inline_params(sql: str, params: Mapping[str, Any]) -> str:
    """Replace parameters by literals: CREATE TABLE AS does not accept bound parameters."""

    def literal(match: re.Match[str]) -> str:
        return _literal(match["name"], params[match["name"]]) if match["name"] else match[0]

    return TOKEN.sub(literal, sql)


def quote_text(text: str) -> str:
    """A text as a literal; ValueError if it has a backslash, which may escape."""
    if "\\" in text:
        raise ValueError("a text with a backslash cannot be written into SQL")
    return "'" + text.replace("'", "''") + "'"


def _literal(name: str, value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
    # Whether a backslash escapes depends on the server; none of the values has one.
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return f"'{value}'"
    raise ValueError(f"the parameter {name} cannot be written into SQL: {value!r}")
