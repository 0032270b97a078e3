"""The preprocessing assets: six flat tables from one parse of the raw answers."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from charging_assets.acquisition.poll_hour import HourArchive
from charging_assets.hours import Hour, backfill_policy, hourly_partitions
from charging_assets.io_managers import (
    failed_feeds_metadata,
    file_metadata,
    raise_failed_hours,
    table_metadata,
)
from charging_assets.lake.flat_files import FlatFile
from charging_assets.lake.store import Lake
from charging_assets.preprocessing.flatten_hours import flatten_hours
from charging_assets.preprocessing.version import flat_version
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.schemas.table import Table
from charging_assets.text import count_noun


class FlatConfig(dg.Config):
    """`workers` processes flatten the hours of a range (none set: one per CPU; 0: in-process)."""

    workers: int | None = None


def _out(table: Table) -> dg.AssetOut:
    return dg.AssetOut(
        io_manager_key="lake_io_manager",
        description=f"Grain: {table.grain}.",
        group_name="preprocessing",
        kinds={"python", "parquet"},
        code_version=flat_version(),
        is_required=False,
        metadata=table_metadata(table),
    )


@dg.multi_asset(
    name="flat_tables",
    outs={table.name: _out(table) for table in FLAT_TABLES},
    ins={"raw_api_snapshots": dg.AssetIn(key="raw_api_snapshots")},
    partitions_def=hourly_partitions(),
    backfill_policy=backfill_policy(),
    can_subset=True,
)
def flat_tables(
    context: dg.AssetExecutionContext,
    config: FlatConfig,
    raw_api_snapshots: dict[str, HourArchive],
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Any],
) -> Iterator[dg.Output[dict[str, list[FlatFile]]]]:
    """The hour's answers, cleaned into flat tables; bad records are rejected with a reason.

    Rows are checked against the schema before anything is written. Several hours are flattened one
    after the other, or by worker processes; an hour that cannot be fails alone. So does a feed: it
    keeps the flat files that it had, and `failed_feeds` in the metadata has the reason.
    """
    keys = {Hour.parse(key): archive.keys for key, archive in raw_api_snapshots.items()}
    selected = [t.name for t in FLAT_TABLES if dg.AssetKey(t.name) in context.selected_asset_keys]
    files: dict[str, dict[str, list[FlatFile]]] = {name: {} for name in selected}
    failed: dict[Hour, str] = {}
    failed_feeds: dict[str, dict[str, Any]] = {}
    workers = os.cpu_count() or 0 if config.workers is None else config.workers
    with flatten_hours(lake, keys, workers) as flattened:
        for number, hour in enumerate(flattened, 1):
            if hour.error is not None:
                failed[hour.hour] = hour.error
            elif hour.errors:
                failed_feeds[hour.hour.key] = failed_feeds_metadata(hour.errors)
                context.log.error(_report_failed_feeds(hour.hour, hour.errors))
            for file in hour.files:
                if file.table.name in files:
                    files[file.table.name].setdefault(hour.hour.key, []).append(file)
            progress("flat_tables", [hour.hour], hour.seconds)
            if len(keys) > 1:
                context.log.info(f"{hour.hour} is flat, {number} of {len(keys)} hours")
    if failed:
        raise_failed_hours(
            context,
            failed,
            {
                name: {
                    Hour.parse(key): file_metadata(of_hour) | failed_feeds.get(key, {})
                    for key, of_hour in of_table.items()
                }
                for name, of_table in files.items()
            },
        )
    for name, of_table in files.items():
        for key in of_table.keys() & failed_feeds.keys():
            context.add_asset_metadata(failed_feeds[key], name, key)
        if len(of_table) == 1:
            # Reads the rows again, so not in runs of many hours.
            ((key, of_hour),) = of_table.items()
            rows = pa.concat_tables([file.read() for file in of_hour])
            context.add_asset_metadata(_summary(name, rows), name, key)
        yield dg.Output(of_table, name)


def _report_failed_feeds(hour: Hour, errors: Mapping[str, str]) -> str:
    reasons = "; ".join(f"{feed}: {reason}" for feed, reason in errors.items())
    return (
        f"{hour}: {count_noun(len(errors), 'feed')} failed and kept their earlier flat "
        f"files, if any; the others are flat. {reasons}"
    )


def _summary(name: str, rows: pa.Table) -> dict[str, Any]:
    """A summary of the hour for the UI."""
    if name == "flat_polls":
        return {
            "outcomes": dg.MetadataValue.json(_count_values(rows, "outcome")),
            "schema_drift": dg.MetadataValue.json(_drift(rows)),
        }
    if name == "flat_status":
        by_status = rows.group_by("status").aggregate([("poll_count", "sum")]).to_pylist()
        statuses = {str(row["status"]): row["poll_count_sum"] for row in by_status}
        return {"statuses": dg.MetadataValue.json(statuses)}
    if name == "flat_rejects":
        by_code = rows.group_by("code").aggregate([("reject_count", "sum")]).to_pylist()
        counts = {row["code"]: row["reject_count_sum"] for row in by_code}
        return {"codes": dg.MetadataValue.json(counts)}
    key = name.removeprefix("flat_").removesuffix("s") + "_key"
    return {"entities": pc.count_distinct(rows.column(key)).as_py()}


def _count_values(rows: Any, column: str) -> dict[str, int]:
    counts = pc.value_counts(rows.column(column)).to_pylist()
    return {str(count["values"]): count["counts"] for count in counts}


def _drift(polls: Any) -> dict[str, int]:
    """Unknown fields, with the number of answers that have them."""
    answers = polls.column("unknown_fields").drop_null().to_pylist()
    return dict(Counter(field for answer in answers for field in json.loads(answer)))
