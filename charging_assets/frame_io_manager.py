"""The IO manager of frames: pandas frames and Arrow tables, stored and loaded by partition.

`warehouse.frames` has the columns and types of their tables; `io_managers` stores tables of this
project.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from charging_assets.schemas.render import column_schema
from charging_assets.schemas.table import Table
from charging_assets.warehouse.frames import FrameError, frame_table, quote, to_arrow, unquote_table
from charging_assets.warehouse.plan import LoadError, Params, Scope

Window: TypeAlias = tuple[datetime, datetime]


class FrameStore(Protocol):
    """An engine that stores frames."""

    def replace_rows(self, table: Table, scope: Scope, rows: pa.Table) -> None:
        """Replace the rows of a scope in one transaction; create the table if it is absent."""

    def query(self, sql: str, params: Params | None = None) -> pa.Table:
        """Rows of a SELECT."""


class FrameIOManager(dg.IOManager):
    """Stores what an asset returns as a table, and loads it for assets downstream.

    The table's schema is the asset's metadata `schema`, else the last part of its key prefix, else
    `schema`. A partitioned asset's output replaces the rows of its partitions, by the column
    named in its metadata `partition_expr` (else `time_column`, for time windows); any
    other output replaces all rows. A column is matched by name. `reserved` schemas are refused.
    """

    def __init__(
        self,
        store: FrameStore,
        *,
        schema: str,
        time_column: str | None = None,
        reserved: Collection[str] = (),
    ) -> None:
        self._store, self._schema = store, schema
        self._time_column, self._reserved = time_column, frozenset(reserved)

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        rows = to_arrow(obj, context.asset_key.to_user_string())
        schema, name = self._name(context)
        if schema in self._reserved:
            raise FrameError(
                f"{context.asset_key.to_user_string()} cannot be stored in the schema {schema}, "
                "which is replaced by loads; give the asset another key prefix or another `schema` "
                "in its metadata"
            )
        table = frame_table(schema, name, rows.schema)
        partition = self._partition(context)
        if partition is not None:
            partition.require_within(rows, f"{schema}.{name}")
        self._store.replace_rows(table, partition.scope if partition else Scope("TRUE"), rows)
        counts = partition.row_counts(context, rows) if partition else {}
        if len(counts) > 1:
            for key, count in counts.items():
                metadata = {"dagster/row_count": count}
                context.step_context.add_asset_metadata(metadata, context.asset_key, key)
        else:
            context.add_output_metadata({"dagster/row_count": rows.num_rows})
        context.add_output_metadata(
            {
                "dagster/table_name": f"{schema}.{name}",
                "dagster/column_schema": column_schema(unquote_table(table)),
            }
        )

    def load_input(self, context: dg.InputContext) -> Any:
        schema, name = self._name(context)
        partition = self._partition(context)
        scope = partition.scope if partition else Scope("TRUE")
        statement = f"SELECT * FROM {quote(schema)}.{quote(name)} WHERE {scope.predicate}"
        try:
            rows = self._store.query(statement, scope.params)
        except Exception as error:
            raise LoadError(
                f"{schema}.{name} cannot be read; materialize "
                f"{context.asset_key.to_user_string()} first, if it was not: {error}"
            ) from error
        as_annotated = input_converter(context)
        return rows.to_pandas() if as_annotated is None else as_annotated(rows)

    def _name(self, context: dg.OutputContext | dg.InputContext) -> tuple[str, str]:
        *folders, name = context.asset_key.path
        chosen = _definition_metadata(context).get("schema")
        schema = str(chosen) if chosen else (folders[-1] if folders else self._schema)
        # Redshift folds names, DuckDB compares them without case.
        return schema.lower(), name.lower()

    def _partition(self, context: dg.OutputContext | dg.InputContext) -> _Partition | None:
        if not context.has_asset_partitions:
            return None
        return _partition(context, _definition_metadata(context), self._time_column)


@dataclass(frozen=True)
class _Partition:
    """The partitions of an output or input: which rows are theirs, by which column."""

    column: str
    scope: Scope
    windows: Sequence[Window] = ()
    keys: Sequence[str] = ()

    def require_within(self, rows: pa.Table, table: str) -> None:
        """Refuse rows of no partition of the run: nothing would ever replace them."""
        if "(" in self.column:  # an expression, which only the engine can evaluate
            return
        if self.column not in rows.column_names:
            raise FrameError(
                f"the frame for {table} has no column {self.column}, which has the partition "
                'of a row; add it, or name another: @asset(metadata={"partition_expr": "column"})'
            )
        values = rows.column(self.column)
        if self.keys:
            is_within = pc.is_in(values.cast(pa.string()), pa.array(self.keys, pa.string()))
        elif pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
            is_within = _any_of(_is_between(values, *window) for window in self.windows)
        else:
            raise FrameError(
                f"the column {self.column} of the frame for {table} is {values.type}, not a "
                "timestamp, so the partition of a row is unknown; convert it, for example by "
                "pandas.to_datetime"
            )
        others = rows.num_rows - int(pc.sum(pc.fill_null(is_within, False)).as_py() or 0)
        if others:
            raise FrameError(
                f"{others} of {rows.num_rows} rows of the frame for {table} are of no partition of "
                f"this run by their {self.column} ({self._describe()}); return only rows of the "
                "requested partitions"
            )

    def row_counts(self, context: dg.OutputContext, rows: pa.Table) -> dict[str, int]:
        """The rows of each partition of the run; empty if only the engine can evaluate it."""
        keys, partitions = list(context.asset_partition_keys), context.asset_partitions_def
        if self.column not in rows.column_names:
            return {}
        values = rows.column(self.column)
        if not isinstance(partitions, dg.TimeWindowPartitionsDefinition):
            counts = Counter(values.cast(pa.string()).to_pylist())
            return {key: counts[key] for key in keys}
        starts = [_in_utc(*partitions.time_window_for_partition_key(key)[:2])[0] for key in keys]
        instants = values.cast(pa.timestamp("us")).to_pandas().to_numpy()
        places = np.searchsorted(np.array(starts, "datetime64[us]"), instants, side="right") - 1
        return dict(zip(keys, np.bincount(places, minlength=len(keys)).tolist(), strict=True))

    def _describe(self) -> str:
        if self.keys:
            return f"not {', '.join(self.keys[:3])}{', …' if len(self.keys) > 3 else ''}"
        return f"not in [{self.windows[0][0]}, {self.windows[-1][1]}) UTC"


def _is_between(values: pa.ChunkedArray, start: datetime, end: datetime) -> Any:
    instants = values.cast(pa.timestamp("us"))
    first, last = (pa.scalar(limit, pa.timestamp("us")) for limit in (start, end))
    return pc.and_(pc.greater_equal(instants, first), pc.less(instants, last))


def _any_of(conditions: Iterable[Any]) -> Any:
    first, *rest = conditions
    for each in rest:
        first = pc.or_(first, each)
    return first


def _partition(
    context: dg.OutputContext | dg.InputContext,
    definition: Mapping[str, Any],
    time_column: str | None,
) -> _Partition:
    asset, partitions = context.asset_key.to_user_string(), context.asset_partitions_def
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        raise dg.Failure(
            f"{asset} has partitions of several dimensions, which are not supported; use one",
            allow_retries=False,
        )
    is_time = isinstance(partitions, dg.TimeWindowPartitionsDefinition)
    column = definition.get("partition_expr") or (time_column if is_time else None)
    if not column:
        raise dg.Failure(
            f"{asset} has partitions; name the column that has the partition of a row: "
            '@asset(metadata={"partition_expr": "column"})',
            allow_retries=False,
        )
    column = str(column)
    expression = column if "(" in column else quote(column)
    if not isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        keys = list(context.asset_partition_keys)
        names = ", ".join(f":key_{number}" for number in range(len(keys)))
        by_name = {f"key_{number}": key for number, key in enumerate(keys)}
        return _Partition(column, Scope(f"{expression} IN ({names})", by_name), keys=keys)
    windows = time_windows(context)
    params: dict[str, datetime] = {}
    for number, (start, end) in enumerate(windows):
        params |= {f"start_{number}": start, f"end_{number}": end}
    predicate = " OR ".join(
        f"({expression} >= :start_{number} AND {expression} < :end_{number})"
        for number in range(len(windows))
    )
    return _Partition(column, Scope(f"({predicate})", params), windows=windows)


def time_windows(context: dg.OutputContext | dg.InputContext) -> list[Window]:
    """The windows of an asset's partitions, naive in UTC, neighbours as one."""
    partitions = context.asset_partitions_def
    if not isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        raise FrameError(
            f"{context.asset_key.to_user_string()} is declared with other partitions than hours; "
            "declare it with charging_assets.hours.hourly_partitions()"
        )
    try:
        # All at once, where they are neighbours: one by one, years of hours take seconds.
        return [_in_utc(*context.asset_partitions_time_window)]
    except Exception:
        keys = context.asset_partition_keys
    merged: list[Window] = []
    for window in (_in_utc(*partitions.time_window_for_partition_key(key)[:2]) for key in keys):
        if merged and merged[-1][1] == window[0]:
            merged[-1] = (merged[-1][0], window[1])
        else:
            merged.append(window)
    return merged


def _in_utc(start: datetime, end: datetime) -> Window:
    return start.astimezone(UTC).replace(tzinfo=None), end.astimezone(UTC).replace(tzinfo=None)


def _definition_metadata(context: dg.OutputContext | dg.InputContext) -> Mapping[str, Any]:
    if isinstance(context, dg.InputContext):
        upstream = context.upstream_output
        return (upstream.definition_metadata if upstream else None) or {}
    return context.definition_metadata or {}


def input_converter(context: dg.InputContext) -> Callable[[pa.Table], Any] | None:
    """The function that converts rows to the input's annotated type; None without annotation."""
    annotated = context.dagster_type.typing_type
    if annotated is pa.Table:
        return lambda rows: rows
    if getattr(annotated, "__module__", "").startswith("pandas"):
        return lambda rows: rows.to_pandas()
    return None
