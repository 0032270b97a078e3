"""SQLAlchemy's types by the names that DuckDB and Redshift give theirs."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import NullType, TypeEngine

_TYPE = re.compile(r"(?P<name>[a-z ]+?)\s*(?:\((?P<sizes>[\d, ]+)\))?")
_TYPES: dict[str, type[TypeEngine[Any]]] = {
    "boolean": sa.BOOLEAN,
    "smallint": sa.SMALLINT,
    "integer": sa.INTEGER,
    "bigint": sa.BIGINT,
    "real": sa.REAL,
    "double": sa.DOUBLE,
    "double precision": sa.DOUBLE_PRECISION,
    "decimal": sa.DECIMAL,
    "numeric": sa.NUMERIC,
    "varchar": sa.VARCHAR,
    "character varying": sa.VARCHAR,
    "date": sa.DATE,
    "timestamp": sa.TIMESTAMP,
    "timestamp without time zone": sa.TIMESTAMP,
}


def reflect_type(name: str) -> TypeEngine[Any]:
    """The type of a column that the catalog describes as `name`, such as `character varying(64)`.

    NullType, which passes values as they are, for types that no table of the warehouse has.
    """
    match = _TYPE.fullmatch(name.lower())
    if match is None or match["name"] not in _TYPES:
        return NullType()
    return _TYPES[match["name"]](*(int(size) for size in (match["sizes"] or "").split(",") if size))
