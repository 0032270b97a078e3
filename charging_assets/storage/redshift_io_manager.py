"""An IO manager for Redshift that loads by COPY, for assets of any project.

Belongs here: Arrow tables and pandas frames as outputs and inputs, one partition at a time. Does
not belong here: this project's own plans and ledger (`io_managers`, `warehouse_redshift`).

It needs these modules and no other of the project: `redshift_*`, `s3_*`, `lake`, `lake_s3`, `plan`,
`warehouse`, `schemas.table`, `schemas.render`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any

import dagster as dg
import pyarrow as pa

from charging_assets.schemas.render import sql_type
from charging_assets.schemas.table import Column, Table, Type
from charging_assets.storage.course import new_load_id
from charging_assets.storage.lake import Lake
from charging_assets.storage.plan import LoadError, Scope
from charging_assets.storage.redshift_connection import RedshiftResource, cannot_connect
from charging_assets.storage.redshift_copy import StagedRows, checked_role, remove, stage
from charging_assets.storage.redshift_errors import Kind, told
from charging_assets.storage.redshift_rows import arrow_rows
from charging_assets.storage.redshift_session import Link, RedshiftSession
from charging_assets.storage.redshift_tries import tried

_LONGEST = 65535
_WHOLE = Scope("TRUE")


class RedshiftIOManager(dg.IOManager):
    """Outputs replace their partition in one transaction; inputs are read from it.

    An asset `["sales", "orders"]` is the table `sales.orders`; a key of one part is in `schema`.
    Where an asset has partitions, its metadata `partition_expr` names the column that says which
    rows are of a partition: a timestamp for time windows, a text for all others. The table is made
    of the first output's columns if it is not there. Rows are staged in `lake`, which `iam_role`
    may read, and removed again.
    """

    def __init__(
        self, redshift: RedshiftResource, lake: Lake, iam_role: str, *, schema: str = "public"
    ) -> None:
        self._redshift, self._lake, self._schema = redshift, lake, schema
        self._iam_role = checked_role(iam_role)

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        rows = _as_loaded(
            obj if isinstance(obj, pa.Table) else pa.Table.from_pandas(obj, preserve_index=False)
        )
        table = _table(*self._name(context), rows.schema)
        scope = _scope(context)
        staged = stage(self._lake, new_load_id(), table, rows)
        try:
            self._in_session(
                f"loading {table.full_name}", lambda session: self._replace(session, staged, scope)
            )
        finally:
            remove(self._lake, staged)
        context.add_output_metadata(
            {"dagster/row_count": rows.num_rows, "dagster/table_name": table.full_name}
        )

    def load_input(self, context: dg.InputContext) -> Any:
        schema, name = self._name(context)
        scope = _scope(context)
        statement = f"SELECT * FROM {schema}.{name} WHERE {scope.predicate}"

        def read(session: RedshiftSession) -> pa.Table:
            cursor = session.cursor(statement, scope.params)
            return arrow_rows(cursor.description, cursor.fetchall())

        rows = self._in_session(f"reading {schema}.{name}", read)
        return rows if context.dagster_type.typing_type is pa.Table else rows.to_pandas()

    def _replace(self, session: RedshiftSession, staged: StagedRows, scope: Scope) -> None:
        table = staged.table
        columns = ", ".join(f"{column.name} {sql_type(column)}" for column in table.columns)
        session.execute(f"CREATE SCHEMA IF NOT EXISTS {table.schema}", {})
        session.execute(f"CREATE TABLE IF NOT EXISTS {table.full_name} ({columns})", {})
        session.take_in(staged, self._iam_role)
        with session.transaction(lock=table.full_name):
            session.execute(f"DELETE FROM {table.full_name} WHERE {scope.predicate}", scope.params)
            session.insert(table, pa.table({}))
        session.drop_temps()

    def _in_session(self, what: str, once: Callable[[RedshiftSession], Any]) -> Any:
        def failed(kind: Kind, error: Exception) -> Exception:
            if kind is Kind.LOST:
                return cannot_connect(self._redshift, error)
            return LoadError(f"{what} failed: {told(error)}")

        with Link(self._redshift.connect) as link:
            return tried(
                what, lambda: once(RedshiftSession(link)), after_error=link.cut, failed=failed
            )

    def _name(self, context: Any) -> tuple[str, str]:
        *folders, name = context.asset_key.path
        return (folders[-1] if folders else self._schema), name


def _scope(context: Any) -> Scope:
    """The rows that a partition stands for."""
    if not context.has_asset_partitions:
        return _WHOLE
    definition = getattr(context, "definition_metadata", None) or {}
    if isinstance(context, dg.InputContext):
        definition = context.upstream_output.definition_metadata if context.upstream_output else {}
    column = definition.get("partition_expr")
    if not column:
        raise dg.Failure(
            f"{context.asset_key.to_user_string()} has partitions; name the column that tells them "
            'apart: @asset(metadata={"partition_expr": "column"})'
        )
    try:
        window = context.asset_partitions_time_window
    except Exception:  # of other kinds than time
        keys = {f"key_{n}": key for n, key in enumerate(context.asset_partition_keys)}
        return Scope(f"{column} IN ({', '.join(':' + name for name in keys)})", keys)
    start, end = (at.astimezone(UTC).replace(tzinfo=None) for at in window)
    return Scope(
        f"{column} >= :start_at AND {column} < :end_at", {"start_at": start, "end_at": end}
    )


def _table(schema: str, name: str, rows: pa.Schema) -> Table:
    columns = tuple(_column(field) for field in rows)
    return Table(schema, name, "one row per row", (columns[0].name,), columns, hour_column=None)


def _column(field: pa.Field) -> Column:
    for is_it, kind in _KINDS:
        if is_it(field.type):
            length = _LONGEST if kind is Type.TEXT else 0
            return Column(field.name, kind, field.name, length=length)
    raise LoadError(f"the column {field.name} is {field.type}, which has no type here; cast it")


_KINDS: list[tuple[Callable[[pa.DataType], bool], Type]] = [
    (pa.types.is_boolean, Type.BOOLEAN),
    (pa.types.is_int16, Type.SMALLINT),
    (pa.types.is_int32, Type.INTEGER),
    (pa.types.is_int64, Type.BIGINT),
    (pa.types.is_float64, Type.DOUBLE),
    (pa.types.is_timestamp, Type.TIMESTAMP),
    (pa.types.is_string, Type.TEXT),
]


def _as_loaded(rows: pa.Table) -> pa.Table:
    """Columns in the types that COPY takes: microseconds of UTC, no dictionaries, whole numbers."""
    return rows.cast(pa.schema([(field.name, _loaded_as(field.type)) for field in rows.schema]))


def _loaded_as(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us")
    if pa.types.is_dictionary(kind):
        return _loaded_as(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_int8(kind) or pa.types.is_uint8(kind):
        return pa.int16()
    if pa.types.is_uint16(kind):
        return pa.int32()
    if pa.types.is_uint32(kind):
        return pa.int64()
    return pa.float64() if pa.types.is_float32(kind) else kind
