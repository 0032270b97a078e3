"""The IO managers of flat files and warehouse tables, and the metadata of what they store."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any, NoReturn

import dagster as dg
import pyarrow as pa

from charging_assets.frame_io_manager import FrameIOManager, Window, input_converter, time_windows
from charging_assets.hours import Hour, Span, format_spans, to_naive_utc
from charging_assets.lake.flat_files import FlatFile, flat_feeds, open_hour
from charging_assets.lake.store import Lake
from charging_assets.schemas.catalog import DATABASE_SCHEMAS, TABLES, table
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.schemas.render import column_schema
from charging_assets.schemas.table import Table
from charging_assets.text import count_noun
from charging_assets.warehouse import ledger
from charging_assets.warehouse.frames import USER_SCHEMA, FrameError
from charging_assets.warehouse.interface import Warehouse, WarehouseError
from charging_assets.warehouse.plan import (
    LoadResult,
    SpanLoad,
)
from charging_assets.warehouse.span_loads import SpanResult, apply_spans

# Metadata of a step that failed for some of its hours: why, by hour.
FAILED_HOURS = "failed_hours"
# Metadata of an hour that was loaded without some of its feeds: why, by feed.
FAILED_FEEDS = "failed_feeds"
# Called with an asset, its finished hours, and the seconds that they took together.
Progress = Callable[[str, Sequence[Hour], float], None]


class LakeIOManager(dg.IOManager):
    """Flat tables in the lake, one file per feed. Outputs are existing files by partition key.

    Inputs are the rows of all feeds and hours of a run, as Arrow or validated pandas, as the input
    is annotated. Without an annotation they are `HourFiles`; in a run of several hours, those by
    partition key.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._feeds_of_step: tuple[tuple[str, str], list[str]] | None = None

    def handle_output(
        self, context: dg.OutputContext, obj: Mapping[str, Sequence[FlatFile]]
    ) -> None:
        if not isinstance(obj, Mapping):
            raise FrameError(
                f"{context.asset_key.to_user_string()} returned {type(obj).__name__}, and "
                "lake_io_manager stores flat tables alone; name warehouse_io_manager for a frame"
            )
        for key, files in obj.items():
            context.step_context.add_asset_metadata(file_metadata(files), context.asset_key, key)

    def load_input(self, context: dg.InputContext) -> Any:
        flat_table, feeds = table(context.asset_key.path[-1]), self._feeds(context)
        files = {
            key: open_hour(self._lake, flat_table, Hour.parse(key), feeds)
            for key in context.asset_partition_keys
        }
        convert = _converter(context, flat_table)
        if convert is not None:
            return convert(pa.concat_tables(file.read() for file in files.values()))
        return next(iter(files.values())) if len(files) == 1 else files

    def _feeds(self, context: dg.InputContext) -> list[str]:
        """The feeds that have flat files, listed once for all inputs of a step.

        Files of the first table are written first and deleted last.
        """
        try:
            step = context.step_context.run_id, context.step_context.step.key
        except dg.DagsterInvariantViolationError:  # outside of a run
            return flat_feeds(self._lake, FLAT_TABLES[0])
        if self._feeds_of_step is None or self._feeds_of_step[0] != step:
            self._feeds_of_step = step, flat_feeds(self._lake, FLAT_TABLES[0])
        return self._feeds_of_step[1]


def file_metadata(files: Sequence[FlatFile]) -> dict[str, Any]:
    """Where the flat files of an hour are and what they hold; of several feeds, by feed."""
    metadata: dict[str, Any] = {
        "dagster/row_count": sum(file.row_count for file in files),
        "bytes": sum(file.byte_count for file in files),
    }
    if len(files) == 1:
        (file,) = files
        return metadata | {
            "path": dg.MetadataValue.path(file.uri),
            "archive_digest": file.archive_digest,
        }
    return metadata | {
        "paths": dg.MetadataValue.json({file.feed: file.uri for file in files}),
        "archive_digests": dg.MetadataValue.json({f.feed: f.archive_digest for f in files}),
    }


def failed_feeds_metadata(errors: Mapping[str, str]) -> dict[str, Any]:
    """Feeds of an hour that could not be loaded, each with the reason; empty if there are none."""
    return {FAILED_FEEDS: dg.MetadataValue.json(dict(errors))} if errors else {}


class WarehouseIOManager(dg.IOManager):
    """Warehouse tables: of this project, as a `SpanLoad`, and of users' own assets, as a frame.

    An asset that returns a pandas frame or an Arrow table has it stored as a table of its own, in
    the schema `user_tables` or the one that its metadata `schema` or its key prefix names
    (`FrameIOManager`); the column `slot_at` has the hour of a row.

    A `SpanLoad` is a plan, and so a transaction, for each span.

    If a span cannot be loaded, its halves are, down to single hours and to each feed of an hour.
    Hours of which nothing can be loaded fail the step, which names them; the others are recorded as
    materialized, with the feeds that failed in their metadata.

    Inputs are the rows of all hours of a run, as Arrow or validated pandas, as the input is
    annotated; of days and months, those that the hours lie in. Where an input is not annotated, its
    rows are Arrow; in a run of several hours, those by partition key.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        progress: Progress | None = None,
    ) -> None:
        self._warehouse, self._progress = warehouse, progress
        self._frames = FrameIOManager(
            warehouse, schema=USER_SCHEMA, time_column="slot_at", reserved=DATABASE_SCHEMAS
        )

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        name = context.asset_key.path[-1]
        if not isinstance(obj, SpanLoad):
            if _is_of_catalog(context):
                raise FrameError(
                    f"{name} is a table of this project, which its own asset loads; give yours "
                    "another name or a key prefix"
                )
            self._frames.handle_output(context, obj)
            return
        where = {"path": dg.MetadataValue.path(self._warehouse.describe())}
        context.add_output_metadata(where)
        metadata: dict[Hour, dict[str, Any]] = {}
        failed: dict[Hour, str] = dict(obj.failed)
        failed_feeds = {hour: dict(errors) for hour, errors in obj.failed_feeds.items()}
        try:
            for result in apply_spans(self._warehouse, obj):
                if result.loaded is not None:
                    metadata |= self._report(context, name, result, result.loaded)
                elif result.feed is not None:
                    errors = failed_feeds.setdefault(result.span.hours[0], {})
                    errors[result.feed] = result.error or "failed"
                else:
                    failed[result.span.hours[0]] = result.error or "failed"
        except Exception:
            # What was committed is loaded, whatever ended the step.
            record_hours(context, name, metadata)
            raise
        for hour, errors in failed_feeds.items():
            if hour in metadata:
                metadata[hour] |= failed_feeds_metadata(errors)
                context.log.error(f"{hour} is loaded without {', '.join(errors)}: {errors}")
            elif hour not in failed:
                failed[hour] = "; ".join(errors.values())
        if failed:
            recorded = {hour: {**where, **of_hour} for hour, of_hour in metadata.items()}
            raise_failed_hours(context, failed, {name: recorded})
        for hour, of_hour in metadata.items():
            context.step_context.add_asset_metadata(of_hour, context.asset_key, hour.key)

    def _report(
        self, context: dg.OutputContext, name: str, result: SpanResult, done: LoadResult
    ) -> dict[Hour, dict[str, Any]]:
        """The metadata of a span's hours."""
        span = result.span
        if self._progress:
            self._progress(name, span.hours, result.seconds)
        if len(span.hours) > 1:
            context.log.info(f"{span} loaded, {done.row_count:,} rows")
        return dict(self._metadata(context, name, span, done))

    def _metadata(
        self, context: dg.OutputContext, name: str, span: Hour | Span, done: LoadResult
    ) -> Iterator[tuple[Hour, dict[str, Any]]]:
        if len(span.hours) == 1 and not done.is_partial:
            counts = {span.hours[0]: Counter(done.row_counts)}
        else:
            params = {
                "asset": name,
                "start_at": to_naive_utc(span.start),
                "end_at": to_naive_utc(span.end),
            }
            try:
                rows = self._warehouse.query(ledger.READ_SPAN, params).to_pylist()
            except WarehouseError as error:
                context.log.warning(
                    f"{span} of {name} is loaded, its row count is unknown: {error}"
                )
                rows = []
            counts = {}
            for row in rows:
                hour = Hour.of(row["slot_at"].replace(tzinfo=UTC))
                of_hour = counts.setdefault(hour, Counter())
                of_hour.update(json.loads(row["row_counts"]))
        for hour in span.hours:
            of_hour = counts.get(hour, Counter())
            yield (
                hour,
                {
                    "dagster/row_count": _rows(name, of_hour, done),
                    "rows": dg.MetadataValue.json(dict(of_hour)),
                    "unchanged": done.skipped,
                },
            )

    def load_input(self, context: dg.InputContext) -> Any:
        if not _is_of_catalog(context):
            return self._frames.load_input(context)
        stored = table(context.asset_key.path[-1])
        convert = _converter(context, stored)
        if convert is None and context.has_asset_partitions:
            return self._rows_by_key(stored, list(context.asset_partition_keys))
        windows = time_windows(context) if context.has_asset_partitions else []
        rows = self._read(stored, windows)
        return rows if convert is None else convert(rows)

    def _read(self, stored: Table, windows: Sequence[Window]) -> pa.Table:
        return pa.concat_tables(self._warehouse.query_batches(*_select(stored, windows)))

    def _rows_by_key(self, stored: Table, keys: Sequence[str]) -> pa.Table | dict[str, pa.Table]:
        by_key = {}
        for hour in map(Hour.parse, keys):
            window = (to_naive_utc(hour.start), to_naive_utc(hour.end))
            by_key[hour.key] = self._read(stored, [window])
        return next(iter(by_key.values())) if len(by_key) == 1 else by_key


def _rows(name: str, of_hour: Mapping[str, int], done: LoadResult) -> int:
    """All rows of a dimension, the hour's rows of a fact, or the sum over several tables."""
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
    failed step: the process that launched the run requests the good hours again, and each failed
    hour alone.

    Raises:
        dagster.Failure: always; its metadata `FAILED_HOURS` has the reason of each failed hour.
    """
    for asset, hours in good.items():
        record_hours(context, asset, hours)
    (hour, reason), *_ = failed.items()
    count = max(map(len, good.values()), default=0)
    others = f"; {count_noun(count, 'other hour')} done" if count else ""
    raise dg.Failure(
        f"{count_noun(len(failed), 'hour')} failed: {format_spans(failed)}{others}. "
        f"{hour}: {reason}",
        metadata={FAILED_HOURS: {hour.key: reason for hour, reason in failed.items()}},
    )


def by_hour(context: dg.AssetExecutionContext, value: Any) -> dict[str, Any]:
    """An input by partition key, whether the run has one hour or several."""
    keys = list(context.partition_keys)
    return {keys[0]: value} if len(keys) == 1 else value


def _is_of_catalog(context: dg.OutputContext | dg.InputContext) -> bool:
    *folders, name = context.asset_key.path
    return not folders and any(each.name == name for each in TABLES)


def _select(stored: Table, windows: Sequence[Window]) -> tuple[str, dict[str, Any]]:
    """A table's rows of time windows: of its hours, or of the days and months that they lie in.

    All its rows where there is no window, or where rows are of no time.
    """
    select = f"SELECT {', '.join(stored.names)} FROM {stored.full_name}"
    if stored.hour_column is not None:
        predicate = f"({stored.hour_column} >= :from_{{0}} AND {stored.hour_column} < :to_{{0}})"
    elif {"slot_at", "ends_at"} <= set(stored.names):
        predicate = "(slot_at < :to_{0} AND ends_at > :from_{0})"
    else:
        return select, {}
    if not windows:
        return select, {}
    params: dict[str, Any] = {}
    for number, (start, end) in enumerate(windows):
        params |= {f"from_{number}": start, f"to_{number}": end}
    predicates = " OR ".join(predicate.format(number) for number in range(len(windows)))
    return f"{select} WHERE {predicates}", params


def table_metadata(stored: Table) -> dict[str, Any]:
    """Metadata of a table that is the same in every hour, for its asset's definition."""
    return {
        "dagster/column_schema": column_schema(stored),
        "dagster/table_name": stored.full_name,
        "key": ", ".join(stored.key),
    }


def _converter(context: dg.InputContext, stored: Table) -> Callable[[pa.Table], Any] | None:
    """As `input_converter`; a pandas frame is validated by the table's dagster-pandas type."""
    convert = input_converter(context)
    if convert is None or context.dagster_type.typing_type is pa.Table:
        return convert

    def validate(rows: pa.Table) -> Any:
        from charging_assets.schemas.pandas_types import pandas_type

        frame = convert(rows)
        checked = dg.check_dagster_type(pandas_type(stored), frame)
        if not checked.success:
            raise dg.Failure(
                f"rows of {stored.full_name} are not as declared: {checked.description}; load the "
                "hours again, and if it persists, report a bug",
                allow_retries=False,
            )
        return frame

    return validate
