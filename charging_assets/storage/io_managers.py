"""The IO managers: between an asset's value and where it lives.

Belongs here: what Dagster hands over and wants back, and the metadata of what was stored. Does not
belong here: how objects or rows are stored (`lake`, `flat_files`, `warehouse`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any, NoReturn

import dagster as dg
import pyarrow as pa

from charging_assets.partitions import Hour, Span, naive
from charging_assets.partitions import spans as words_of
from charging_assets.plurals import counted
from charging_assets.schemas.catalog import table
from charging_assets.schemas.render import column_schema
from charging_assets.schemas.table import Table
from charging_assets.storage import ledger
from charging_assets.storage.flat_files import FlatFile, open_flat, write_flat
from charging_assets.storage.lake import Lake
from charging_assets.storage.plan import (
    Loaded,
    Params,
    Plan,
    SpanLoad,
    hour_scope,
)
from charging_assets.storage.span_loads import SpanResult, apply_spans
from charging_assets.storage.warehouse import Warehouse, WarehouseError

# Metadata of a step that failed for some of its hours: why, by hour.
FAILED_HOURS = "failed_hours"
# Hears of hours that an asset is done with, and how many seconds they took together.
Progress = Callable[[str, Sequence[Hour], float], None]


@dataclass(frozen=True)
class FlatRows:
    """An hour of a flat table on its way to the lake."""

    rows: pa.Table
    archive_digest: str
    code_version: str


class LakeIOManager(dg.IOManager):
    """Flat tables in the lake. Outputs are rows by partition key, or files that are there already.

    Inputs are a `FlatFile`, or its rows as Arrow or pandas, as the input is annotated; for a run of
    several hours, those by partition key.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def handle_output(
        self, context: dg.OutputContext, obj: Mapping[str, FlatRows | FlatFile]
    ) -> None:
        for key, output in obj.items():
            file = self._write(context, key, output) if isinstance(output, FlatRows) else output
            context.step_context.add_asset_metadata(file_metadata(file), context.asset_key, key)

    def _write(self, context: dg.OutputContext, key: str, output: FlatRows) -> FlatFile:
        return write_flat(
            self._lake,
            table(context.asset_key.path[-1]),
            Hour.parse(key),
            output.rows,
            archive_digest=output.archive_digest,
            code_version=output.code_version,
        )

    def load_input(self, context: dg.InputContext) -> Any:
        flat_table, wanted = table(context.asset_key.path[-1]), _form(context)

        def load(key: str) -> Any:
            found = open_flat(self._lake, flat_table, Hour.parse(key))
            return found if wanted is None else wanted(found.read())

        return _for_hours(context, load)


def file_metadata(file: FlatFile) -> dict[str, Any]:
    """Where a flat file is and what it holds."""
    return {
        "dagster/row_count": file.row_count,
        "path": dg.MetadataValue.path(file.uri),
        "bytes": file.byte_count,
        "archive_digest": file.archive_digest,
    }


@dataclass(frozen=True)
class Plotter:
    """What is read of a table as of an hour, None of one without a plot, and drawn as Markdown."""

    asked: Callable[[str, Hour], tuple[str, Params] | None]
    drawn: Callable[[str, Hour, pa.Table], str | None]


class WarehouseIOManager(dg.IOManager):
    """Warehouse tables. Outputs are a `SpanLoad`: a plan, and so a transaction, for each span.

    Where a span cannot be loaded, its halves are, down to single hours. Hours that cannot be loaded
    fail the step, which names them; the others are loaded and recorded as materialized.

    Inputs are the hour's rows, as Arrow or pandas; for a run of several hours by partition key.
    Runs of one hour have a plot: nobody looks at each hour of a backfill.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        plotter: Plotter | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._warehouse, self._plotter, self._progress = warehouse, plotter, progress

    def handle_output(self, context: dg.OutputContext, obj: SpanLoad) -> None:
        name = context.asset_key.path[-1]
        where = {"path": dg.MetadataValue.path(self._warehouse.describe())}
        context.add_output_metadata(where)
        load = replace(obj, plan_of=lambda span: self._with_plot(name, obj.plan_of(span)))
        metadata: dict[Hour, dict[str, Any]] = {}
        failed: dict[Hour, str] = dict(obj.failed)
        try:
            for result in apply_spans(self._warehouse, load):
                if result.loaded is None:
                    failed[result.span.hours[0]] = result.error or "failed"
                else:
                    metadata |= self._report(context, name, result, result.loaded)
        except Exception:
            # What was committed is loaded, whatever ended the step.
            record_hours(context, name, metadata)
            raise
        if failed:
            recorded = {hour: {**where, **of_hour} for hour, of_hour in metadata.items()}
            raise_failed_hours(context, failed, {name: recorded})
        for hour, of_hour in metadata.items():
            context.step_context.add_asset_metadata(of_hour, context.asset_key, hour.key)

    def _report(
        self, context: dg.OutputContext, name: str, result: SpanResult, done: Loaded
    ) -> dict[Hour, dict[str, Any]]:
        """The metadata of a span's hours."""
        span = result.span
        if self._progress:
            self._progress(name, span.hours, result.seconds)
        if len(span.hours) > 1:
            context.log.info(f"{span} loaded, {done.row_count:,} rows")
        return dict(self._metadata(context, name, span, done))

    def _with_plot(self, name: str, plan: Plan) -> Plan:
        if self._plotter is None or len(plan.hour.hours) > 1:
            return plan
        return replace(plan, shows=self._plotter.asked(name, plan.hour.hours[0]))

    def _metadata(
        self, context: dg.OutputContext, name: str, span: Hour | Span, done: Loaded
    ) -> Iterator[tuple[Hour, dict[str, Any]]]:
        if len(span.hours) == 1:
            counts = {span.hours[0]: done.row_counts}
        else:
            asked = {"asset": name, "start_at": naive(span.start), "end_at": naive(span.end)}
            try:
                rows = self._warehouse.query(ledger.READ_SPAN, asked).to_pylist()
            except WarehouseError as error:
                context.log.warning(f"{span} of {name} is loaded, its rows are not known: {error}")
                rows = []
            counts = {
                Hour.of(row["slot_at"].replace(tzinfo=UTC)): json.loads(row["row_counts"])
                for row in rows
            }
        for hour in span.hours:
            of_hour = counts.get(hour, {})
            yield (
                hour,
                {
                    "dagster/row_count": _rows(name, of_hour, done),
                    "rows": dg.MetadataValue.json(dict(of_hour)),
                    "unchanged": done.skipped,
                    **self._plotted(context, name, hour.key, done.shown),
                },
            )

    def _plotted(
        self, context: dg.OutputContext, name: str, key: str, shown: pa.Table | str | None
    ) -> dict[str, Any]:
        """The plot, where there is one; rows that are loaded are not undone for want of it."""
        if isinstance(shown, str):
            context.log.warning(f"{name} of {key} is loaded, but has no plot: {shown}")
        if self._plotter is None or not isinstance(shown, pa.Table):
            return {}
        drawn = self._plotter.drawn(name, Hour.parse(key), shown)
        return {"plot": dg.MetadataValue.md(drawn)} if drawn else {}

    def load_input(self, context: dg.InputContext) -> Any:
        asked, wanted = table(context.asset_key.path[-1]), _form(context)

        def load(key: str) -> Any:
            rows = self._warehouse.query(*_select(asked, Hour.parse(key)))
            return rows if wanted is None else wanted(rows)

        return _for_hours(context, load)


def _rows(name: str, of_hour: Mapping[str, int], done: Loaded) -> int:
    """A dimension's rows in all, a fact's of the hour, all of them for several tables."""
    if done.dimension_rows is not None:
        return done.dimension_rows
    return of_hour.get(name, sum(of_hour.values()))


def record_hours(
    context: dg.OutputContext | dg.AssetExecutionContext,
    asset: str,
    hours: Mapping[Hour, Mapping[str, Any]],
) -> None:
    """Record hours of an asset as materialized, with their metadata, in a step that will fail."""
    for hour, metadata in hours.items():
        context.log_event(
            dg.AssetMaterialization(asset, partition=hour.key, metadata=dict(metadata))
        )


def raise_failed_hours(
    context: dg.OutputContext | dg.AssetExecutionContext,
    failed: Mapping[Hour, str],
    good: Mapping[str, Mapping[Hour, Mapping[str, Any]]],
) -> NoReturn:
    """Record good hours of assets as materialized, with metadata, and fail for those that failed.

    A returned output would mark the failed hours as materialized too. Dagster skips what follows a
    failed step: whoever launched the run requests the good hours again, and each failed one alone.

    Raises:
        dagster.Failure: always; its metadata `FAILED_HOURS` has the reason of each failed hour.
    """
    for asset, hours in good.items():
        record_hours(context, asset, hours)
    (hour, reason), *_ = failed.items()
    count = max(map(len, good.values()), default=0)
    others = f"; {counted(count, 'other hour')} done" if count else ""
    raise dg.Failure(
        f"{counted(len(failed), 'hour')} failed: {words_of(failed)}{others}. {hour}: {reason}",
        metadata={FAILED_HOURS: {hour.key: reason for hour, reason in failed.items()}},
    )


def by_hour(context: dg.AssetExecutionContext, value: Any) -> dict[str, Any]:
    """An input by partition key, whether the run has one hour or several."""
    keys = list(context.partition_keys)
    return {keys[0]: value} if len(keys) == 1 else value


def _for_hours(context: dg.InputContext, load: Callable[[str], Any]) -> Any:
    keys = list(context.asset_partition_keys)
    return load(keys[0]) if len(keys) == 1 else {key: load(key) for key in keys}


def _select(asked: Table, hour: Hour) -> tuple[str, dict[str, Any]]:
    names = ", ".join(asked.names)
    if asked.hour_column is None:
        return f"SELECT {names} FROM {asked.full_name}", {}
    scope = hour_scope(asked, hour)
    return f"SELECT {names} FROM {asked.full_name} WHERE {scope.predicate}", dict(scope.params)


def described(stored: Table) -> dict[str, Any]:
    """What is true of a table in every hour, for its asset's definition."""
    return {
        "dagster/column_schema": column_schema(stored),
        "dagster/table_name": stored.full_name,
        "key": ", ".join(stored.key),
    }


def _form(context: dg.InputContext) -> Callable[[pa.Table], Any] | None:
    """What makes of rows the form that the input is annotated with; None where it says no form."""
    wanted = context.dagster_type.typing_type
    if wanted is pa.Table:
        return lambda rows: rows
    if getattr(wanted, "__module__", "").startswith("pandas"):
        return lambda rows: rows.to_pandas()
    return None
