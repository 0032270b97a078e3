"""Frames as tables: which columns and types a pandas frame or Arrow table is stored with.

`charging_assets.frame_io_manager` is Dagster's side of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import pyarrow as pa

from charging_assets.schemas.render import arrow_type, sql_type
from charging_assets.schemas.table import Column, Table, Type
from charging_assets.warehouse.plan import LoadError, Params, Scope

USER_SCHEMA = "user_tables"
_TEXT_BYTES = 65535
_SUPPORTED = "texts, whole numbers, floats, booleans, timestamps and dates"


class FrameError(LoadError):
    """A frame cannot be stored as it is; nothing was changed. The message names what to change."""


class _Session(Protocol):
    def execute(self, sql: str, params: Params) -> None: ...

    def fetch(self, sql: str, params: Params) -> Sequence[tuple[Any, ...]]: ...


def to_arrow(frame: Any, asset: str) -> pa.Table:
    """Convert a frame to Arrow, in types that both engines store; timestamps are UTC.

    Takes a pandas frame, an Arrow table, or anything else that has Arrow's C stream.

    Raises:
        FrameError: it is no frame, or a column cannot be stored; the message names it.
    """
    if isinstance(frame, pa.Table):
        rows = frame
    elif type(frame).__module__.startswith("pandas") and hasattr(frame, "columns"):
        rows = _of_pandas(frame, asset)
    elif hasattr(frame, "__arrow_c_stream__"):
        rows = pa.table(frame)
    else:
        raise FrameError(
            f"{asset} returned {type(frame).__name__}; return a pandas DataFrame or an Arrow "
            "table, or None with the return annotation None"
        )
    names = [name.lower() for name in rows.column_names]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled or not names or "" in names:
        problem = f"columns {', '.join(doubled)} twice" if doubled else "no column, or one unnamed"
        raise FrameError(f"the frame of {asset} has {problem}; name each column once")
    stored = [_cast_column(rows.column(name), name, asset) for name in rows.column_names]
    return pa.table(stored, names=rows.column_names)


def _of_pandas(frame: Any, asset: str) -> pa.Table:
    if named := [str(name) for name in frame.index.names if name is not None]:
        raise FrameError(
            f"the frame of {asset} has an index ({', '.join(named)}), which a table does not have; "
            "return frame.reset_index()"
        )
    if wrong := [name for name in frame.columns if not isinstance(name, str)]:
        raise FrameError(
            f"the frame of {asset} has a column named {wrong[0]!r}, which is no text; rename it"
        )
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise FrameError(
            f"the frame of {asset} has values that make no column: "
            f"{' '.join(str(part) for part in error.args)}; give each column one type"
        ) from error


def _cast_column(values: pa.ChunkedArray, name: str, asset: str) -> pa.ChunkedArray:
    wanted = _stored_type(values.type)
    if wanted is None:
        raise FrameError(
            f"the column {name} of {asset} is {values.type}, which cannot be stored; cast it: "
            f"tables hold {_SUPPORTED}"
        )
    try:
        stored = values.cast(wanted)
    except pa.ArrowInvalid as error:
        raise FrameError(f"the column {name} of {asset} does not fit {wanted}: {error}") from error
    if pa.types.is_string(wanted):
        # Late, as in `schema_check`: it costs a tenth of the start of a command.
        import pyarrow.compute as pc

        longest = pc.max(pc.binary_length(stored)).as_py() or 0
        if longest > _TEXT_BYTES:
            raise FrameError(
                f"the column {name} of {asset} has a text of {longest:,} bytes; a table holds "
                f"texts of up to {_TEXT_BYTES:,} (UTF-8)"
            )
    return stored


def _stored_type(given: pa.DataType) -> pa.DataType | None:
    """The type in which a column is stored; None where there is none."""
    kinds = pa.types
    if kinds.is_dictionary(given):
        return _stored_type(given.value_type)
    for is_kind, stored in (
        (kinds.is_timestamp, pa.timestamp("us")),
        (kinds.is_date, pa.date32()),
        (kinds.is_boolean, pa.bool_()),
        (kinds.is_floating, pa.float64()),
        # A column without any value has no type of its own.
        (kinds.is_null, pa.string()),
    ):
        if is_kind(given):
            return stored
    if kinds.is_string(given) or kinds.is_large_string(given) or kinds.is_string_view(given):
        return pa.string()
    if kinds.is_integer(given):
        # The next wider one that is signed, for those that are not.
        bits = given.bit_width * (2 if kinds.is_unsigned_integer(given) else 1)
        return pa.int16() if bits <= 16 else pa.int32() if bits <= 32 else pa.int64()
    return None


def frame_table(schema: str, name: str, rows: pa.Schema) -> Table:
    """The table of a frame; its names are quoted as SQL identifiers."""
    columns = tuple(_column(quote(field.name), field.type) for field in rows)
    return Table(
        quote(schema), quote(name), "a row of the frame", (columns[0].name,), columns,
        hour_column=None,
    )  # fmt: skip


def _column(name: str, of_type: pa.DataType) -> Column:
    kind = next(kind for kind in Type if arrow_type(kind) == of_type)
    return Column(name, kind, "", length=_TEXT_BYTES if kind is Type.TEXT else 0)


def unquote_table(table: Table) -> Table:
    """The table of a frame with unquote_table names, for display."""
    columns = tuple(replace(column, name=plain(column.name)) for column in table.columns)
    return Table(
        plain(table.schema), plain(table.name), table.grain, (columns[0].name,), columns,
        hour_column=None,
    )  # fmt: skip


def quote(name: str) -> str:
    """Quote a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def plain(name: str) -> str:
    """Remove the quotes of an SQL identifier."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def create_or_cast(session: _Session, table: Table, rows: pa.Table) -> pa.Table:
    """Create the table if it is absent; return the rows, cast to the types of its columns.

    Raises:
        FrameError: the table has other columns, or a value does not fit its column.
    """
    stored_columns = _stored_columns(session, table)
    if not stored_columns:
        columns = ", ".join(f"{column.name} {sql_type(column)}" for column in table.columns)
        if not _has_schema(
            session, table
        ):  # needs CREATE on the database, even for one that exists
            session.execute(f"CREATE SCHEMA IF NOT EXISTS {table.schema}", {})
        session.execute(f"CREATE TABLE IF NOT EXISTS {table.full_name} ({columns})", {})
        return rows
    table_name = f"{plain(table.schema)}.{plain(table.name)}"
    remedy = (
        f"change the frame, or DROP TABLE {table_name} and materialize all its partitions again"
    )
    if set(stored_columns) != set(rows.column_names):
        problems = [
            f"the {owner} no column {', '.join(sorted(missing))}"
            for owner, missing in (
                ("table has", set(rows.column_names) - set(stored_columns)),
                ("frame has", set(stored_columns) - set(rows.column_names)),
            )
            if missing
        ]
        raise FrameError(
            f"storing {table_name} failed: {'; '.join(problems)}. Nothing was changed; {remedy}"
        )
    fitted = []
    for name in rows.column_names:
        values, wanted = rows.column(name), arrow_type(stored_columns[name])
        try:
            if not _may_become(values, wanted):
                raise pa.ArrowInvalid(f"it is {values.type} in the frame")
            fitted.append(values.cast(wanted))
        except pa.ArrowInvalid as error:
            raise FrameError(
                f"storing {table_name} failed: the column {name} is "
                f"{stored_columns[name].value} in the table, which the frame's does not fit: "
                f"{error}. Nothing was changed; {remedy}"
            ) from error
    return pa.table(fitted, names=rows.column_names)


def _may_become(values: pa.ChunkedArray, wanted: pa.DataType) -> bool:
    """Whether values may be cast to another type: pandas makes integers with nulls floats."""
    given = values.type
    if given == wanted or values.null_count == len(values):
        return True
    numbers = [pa.types.is_integer(each) or pa.types.is_floating(each) for each in (given, wanted)]
    return all(numbers)


def _has_schema(session: _Session, table: Table) -> bool:
    select = "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname = :schema_name"
    return bool(session.fetch(select, {"schema_name": plain(table.schema)}))


def _stored_columns(session: _Session, table: Table) -> dict[str, Type]:
    """The columns of the existing table, in any order; empty without a table."""
    rows = session.fetch(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = :schema_name AND table_name = :table_name",
        {"schema_name": plain(table.schema), "table_name": plain(table.name)},
    )
    return {str(name): _type_of(str(name), str(type_name), table) for name, type_name in rows}


_TYPE_NAMES = {
    "varchar": Type.TEXT, "character varying": Type.TEXT, "text": Type.TEXT,
    "boolean": Type.BOOLEAN, "smallint": Type.SMALLINT, "integer": Type.INTEGER,
    "bigint": Type.BIGINT, "double": Type.DOUBLE, "double precision": Type.DOUBLE,
    "timestamp": Type.TIMESTAMP, "timestamp without time zone": Type.TIMESTAMP, "date": Type.DATE,
}  # fmt: skip


def _type_of(name: str, type_name: str, table: Table) -> Type:
    column_type = _TYPE_NAMES.get(type_name.lower())
    if column_type is None:
        raise FrameError(
            f"{plain(table.schema)}.{plain(table.name)} has a column {name} of the type "
            f"{type_name}, which frames are not stored as; name another table for the asset"
        )
    return column_type


def replace_in_transaction(session: Any, table: Table, scope: Scope, rows: pa.Table) -> None:
    """Delete a scope's rows and insert the new ones; the caller begins and commits."""
    session.execute(f"DELETE FROM {table.full_name} WHERE {scope.predicate}", scope.params)
    session.insert_arrow(table, rows)
