"""The preprocessing assets: the six flat tables, from one parse.

Belongs here: what Dagster runs and shows of preprocessing. Does not belong here: how answers are
flattened (`flatten`) or files written (`storage`).
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pyarrow.compute as pc

from charging_assets.acquisition.archive import feeds_of, read_places
from charging_assets.acquisition.hour import HourArchive
from charging_assets.acquisition.identities import effective_identities, record_identities
from charging_assets.partitions import backfill_policy, hourly_partitions
from charging_assets.preprocessing.flatten import FlatHour, flatten
from charging_assets.preprocessing.gate import violations
from charging_assets.preprocessing.version import flat_version
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.schemas.table import Table
from charging_assets.storage.io_managers import FlatRows, described
from charging_assets.storage.lake import Lake


def gate_type(table: Table) -> dg.DagsterType:
    """The Dagster type of a flat table: checked before the IO manager writes anything."""

    def check(_context: dg.TypeCheckContext, value: object) -> dg.TypeCheck:
        if not isinstance(value, dict):
            told = f"expected rows by hour, got {type(value).__name__}"
            return dg.TypeCheck(False, description=told)
        broken = [
            f"{hour}: {violation}"
            for hour, flat_rows in value.items()
            for violation in violations(table, flat_rows.rows)
        ]
        return dg.TypeCheck(not broken, description="; ".join(broken) or None)

    return dg.DagsterType(
        type_check_fn=check,
        name=f"{''.join(part.title() for part in table.name.split('_'))}Rows",
        typing_type=dict,
        description=f"{table.grain}; columns, nulls, lengths and key as the schema declares.",
    )


def _out(table: Table) -> dg.AssetOut:
    return dg.AssetOut(
        io_manager_key="lake_io_manager",
        dagster_type=gate_type(table),
        description=f"Grain: {table.grain}.",
        group_name="preprocessing",
        kinds={"python", "parquet"},
        code_version=flat_version(),
        is_required=False,
        metadata=described(table),
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
    raw_api_snapshots: dict[str, HourArchive],
    lake: dg.ResourceParam[Lake],
) -> Iterator[dg.Output[dict[str, FlatRows]]]:
    """The hour's answers, cleaned into flat tables; what is bad is set aside with its reason."""
    flat_hours, identities = {}, effective_identities(lake)
    archived = feeds_of(key for found in raw_api_snapshots.values() for key in found.keys)
    record_identities(lake, archived, identities)
    for number, (key, found) in enumerate(raw_api_snapshots.items(), 1):
        flat_hours[key] = flatten(read_places(lake, found.keys), identities)
        if len(raw_api_snapshots) > 1:
            context.log.info(f"{key} is flat, {number} of {len(raw_api_snapshots)} hours")
    for table in FLAT_TABLES:
        if dg.AssetKey(table.name) in context.selected_asset_keys:
            for key, flat_hour in flat_hours.items():
                context.add_asset_metadata(_summary(table.name, flat_hour), table.name, key)
            rows = {
                key: FlatRows(
                    flat_hour[table.name],
                    flat_hour.archive_digest(raw_api_snapshots[key].keys, identities),
                    flat_version(),
                )
                for key, flat_hour in flat_hours.items()
            }
            yield dg.Output(rows, table.name)


def _summary(name: str, flat_hour: FlatHour) -> dict[str, Any]:
    """What a person wants to know of the hour at a glance."""
    rows = flat_hour[name]
    if name == "flat_polls":
        return {
            "outcomes": dg.MetadataValue.json(_counted(rows, "outcome")),
            "schema_drift": dg.MetadataValue.json(_drift(rows)),
        }
    if name == "flat_status":
        return {"statuses": dg.MetadataValue.json(_counted(rows, "status"))}
    if name == "flat_rejects":
        by_code = rows.group_by("code").aggregate([("reject_count", "sum")]).to_pylist()
        counts = {row["code"]: row["reject_count_sum"] for row in by_code}
        return {"codes": dg.MetadataValue.json(counts)}
    key = name.removeprefix("flat_").removesuffix("s") + "_key"
    return {"entities": pc.count_distinct(rows.column(key)).as_py()}


def _counted(rows: Any, column: str) -> dict[str, int]:
    counts = pc.value_counts(rows.column(column)).to_pylist()
    return {str(found["values"]): found["counts"] for found in counts}


def _drift(polls: Any) -> dict[str, int]:
    """Fields that this version does not know, with the number of answers that had them."""
    told = polls.column("unknown_fields").drop_null().to_pylist()
    return dict(Counter(field for answer in told for field in json.loads(answer)))
