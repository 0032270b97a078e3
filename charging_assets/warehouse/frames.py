"""Frames as tables: which columns and types a pandas frame or Arrow table is stored with.

Belongs here: what can be stored, and a table that is made of a frame or has to fit it. Does not
belong here: Dagster's side (`frame_io_manager`), or how an engine replaces rows
(`warehouse_duckdb`, `redshift_frames`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

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


def arrow_of(frame: Any, asset: str) -> pa.Table:
    """A frame as Arrow, in the types that both engines store; timestamps are UTC.

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
    stored = [_stored(rows.column(name), name, asset) for name in rows.column_names]
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


def _stored(values: pa.ChunkedArray, name: str, asset: str) -> pa.ChunkedArray:
    wanted = _stored_type(values.type)
    if wanted is None:
        raise FrameError(
            f"the column {name} of {asset} is {values.type}, which has no type here; cast it, for "
            f"a table holds {_SUPPORTED}"
        )
    try:
        stored = values.cast(wanted)
    except pa.ArrowInvalid as error:
        raise FrameError(f"the column {name} of {asset} does not fit {wanted}: {error}") from error
    if pa.types.is_string(wanted):
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
    columns = tuple(_column(quoted(field.name), field.type) for field in rows)
    return Table(
        quoted(schema), quoted(name), "a row of the frame", (columns[0].name,), columns,
        hour_column=None,
    )  # fmt: skip


def _column(name: str, of_type: pa.DataType) -> Column:
    kind = next(kind for kind in Type if arrow_type(kind) == of_type)
    return Column(name, kind, "", length=_TEXT_BYTES if kind is Type.TEXT else 0)


def unquoted(table: Table) -> Table:
    """The table of a frame by its plain names, for people."""
    columns = tuple(replace(column, name=plain(column.name)) for column in table.columns)
    return Table(
        plain(table.schema), plain(table.name), table.grain, (columns[0].name,), columns,
        hour_column=None,
    )  # fmt: skip


def quoted(name: str) -> str:
    """A name as an SQL identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def plain(name: str) -> str:
    """What a quoted identifier names."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def make_or_fit(session: _Session, table: Table, rows: pa.Table) -> pa.Table:
    """Make the table where it is absent; the rows, in the types of its columns.

    Raises:
        FrameError: the table has other columns, or a value does not fit its column.
    """
    held = _stored_columns(session, table)
    if not held:
        columns = ", ".join(f"{column.name} {sql_type(column)}" for column in table.columns)
        session.execute(f"CREATE SCHEMA IF NOT EXISTS {table.schema}", {})
        session.execute(f"CREATE TABLE IF NOT EXISTS {table.full_name} ({columns})", {})
        return rows
    shown = f"{plain(table.schema)}.{plain(table.name)}"
    remedy = f"change the frame, or DROP TABLE {shown} and materialize all its partitions again"
    if set(held) != set(rows.column_names):
        problems = [
            f"the {whose} no column {', '.join(sorted(missing))}"
            for whose, missing in (
                ("table has", set(rows.column_names) - set(held)),
                ("frame has", set(held) - set(rows.column_names)),
            )
            if missing
        ]
        raise FrameError(
            f"storing {shown} failed: {'; '.join(problems)}. Nothing was changed; {remedy}"
        )
    fitted = []
    for name in rows.column_names:
        values, wanted = rows.column(name), arrow_type(held[name])
        try:
            if not _may_become(values, wanted):
                raise pa.ArrowInvalid(f"it is {values.type} in the frame")
            fitted.append(values.cast(wanted))
        except pa.ArrowInvalid as error:
            raise FrameError(
                f"storing {shown} failed: the column {name} is {held[name].value} in the table, "
                f"which the frame's does not fit: {error}. Nothing was changed; {remedy}"
            ) from error
    return pa.table(fitted, names=rows.column_names)


def _may_become(values: pa.ChunkedArray, wanted: pa.DataType) -> bool:
    """Whether values may be meant as another type, as whole numbers with nulls are floats."""
    given = values.type
    if given == wanted or values.null_count == len(values):
        return True
    numbers = [pa.types.is_integer(each) or pa.types.is_floating(each) for each in (given, wanted)]
    return all(numbers)


def _stored_columns(session: _Session, table: Table) -> dict[str, Type]:
    """The columns of the table that is there, in any order; none where there is no table."""
    rows = session.fetch(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = :held_schema AND table_name = :held_name",
        {"held_schema": plain(table.schema), "held_name": plain(table.name)},
    )
    return {str(name): _type_of(str(name), str(spelled), table) for name, spelled in rows}


_SPELLED = {
    "varchar": Type.TEXT, "character varying": Type.TEXT, "text": Type.TEXT,
    "boolean": Type.BOOLEAN, "smallint": Type.SMALLINT, "integer": Type.INTEGER,
    "bigint": Type.BIGINT, "double": Type.DOUBLE, "double precision": Type.DOUBLE,
    "timestamp": Type.TIMESTAMP, "timestamp without time zone": Type.TIMESTAMP, "date": Type.DATE,
}  # fmt: skip


def _type_of(name: str, spelled: str, table: Table) -> Type:
    found = _SPELLED.get(spelled.lower())
    if found is None:
        raise FrameError(
            f"{plain(table.schema)}.{plain(table.name)} has a column {name} of the type {spelled}, "
            "which frames are not stored as; name another table for the asset"
        )
    return found


def replace_in_transaction(session: Any, table: Table, scope: Scope, rows: pa.Table) -> None:
    """Delete a scope's rows and insert the new ones; the caller begins and commits."""
    session.execute(f"DELETE FROM {table.full_name} WHERE {scope.predicate}", scope.params)
    session.insert_arrow(table, rows)
