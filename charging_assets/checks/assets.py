"""The asset checks, for each hour.

Belongs here: Dagster's side of the checks: what they look at, what they show, what to do. Does not
belong here: what must never be loaded (guards in `modelling`, the gate in `preprocessing`).
"""

import json
import warnings
from collections import Counter, defaultdict
from typing import Any

import dagster as dg

from charging_assets.modelling import plans
from charging_assets.partitions import Hour, hourly_partitions
from charging_assets.schemas.flat import FLAT_POLLS
from charging_assets.storage.flat_files import open_flat
from charging_assets.storage.lake import Lake
from charging_assets.storage.plan import window
from charging_assets.storage.sql_files import sql
from charging_assets.storage.warehouse import Warehouse

_SAMPLE = 20

# Partitioned checks are a preview in the Dagster release that the lock pins; its tests cover them.
warnings.filterwarnings("ignore", message="Specifying a partitions_def on an AssetCheckSpec")


@dg.asset_check(
    asset="flat_polls",
    name="flat_polls__every_place_answered",
    description="Each place that was asked gave a usable answer in every poll of the hour.",
    partitions_def=hourly_partitions(),
)
def every_place_answered(
    context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]
) -> dg.AssetCheckResult:
    polls = _polls(lake, context)
    failed: dict[str, Counter[str]] = defaultdict(Counter)
    for poll in polls:
        if poll["outcome"] != "ok":
            failed[f"{poll['feed']}/{poll['place']}"][poll["outcome"]] += 1
    return dg.AssetCheckResult(
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "answers": len(polls),
            "failed_places": dg.MetadataValue.json(dict(list(failed.items())[:_SAMPLE])),
            "what_to_do": "nothing, if it passes by itself; a place that fails for a day may have "
            "been renamed: look at its outcome, and at the feed's list of places",
        },
    )


@dg.asset_check(
    asset="flat_polls",
    name="flat_polls__no_schema_drift",
    description="The answers hold no field that this version does not know.",
    partitions_def=hourly_partitions(),
)
def no_schema_drift(
    context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]
) -> dg.AssetCheckResult:
    fields: Counter[str] = Counter()
    for poll in _polls(lake, context):
        fields.update(json.loads(poll["unknown_fields"] or "[]"))
    return dg.AssetCheckResult(
        passed=not fields,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "unknown_fields": dg.MetadataValue.json(dict(fields.most_common(_SAMPLE))),
            "what_to_do": "nothing is lost: fields of stations, EVSEs and connectors are kept in "
            "`extra`, all else in the raw archive; give them columns in the feed's kind",
        },
    )


@dg.asset_check(
    asset="staged_tables",
    name="staged_tables__rows_in_are_loaded_or_rejected",
    description="Every record in the hour's answers is a staged row or a reject.",
    partitions_def=hourly_partitions(),
)
def rows_balance(
    context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    return _no_rows(context, warehouse, "checks/staged_balance")


@dg.asset_check(
    asset="fact_status",
    name="fact_status__stands_for_every_row_polled",
    description="The runs' poll counts add up to the rows polled, place by place.",
    partitions_def=hourly_partitions(),
)
def runs_balance(
    context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    return _no_rows(context, warehouse, "checks/fact_status_balance")


def _versions_check(entity: plans.Entity) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=entity.dimension.name,
        name=f"{entity.dimension.name}__versions_follow_each_other",
        description="Each version ends where the next one begins, and only the last is current.",
        partitions_def=hourly_partitions(),
    )
    def check(
        context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.AssetCheckResult:
        return _no_rows(context, warehouse, "checks/version_overlaps", entity_type=entity.name)

    return check


CHECKS = [
    every_place_answered,
    no_schema_drift,
    rows_balance,
    runs_balance,
    *(_versions_check(entity) for entity in plans.ENTITIES),
]


def _polls(lake: Lake, context: dg.AssetCheckExecutionContext) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (
        open_flat(lake, FLAT_POLLS, Hour.parse(context.partition_key)).read().to_pylist()
    )
    return rows


def _no_rows(
    context: dg.AssetCheckExecutionContext, warehouse: Warehouse, name: str, **params: Any
) -> dg.AssetCheckResult:
    hour = Hour.parse(context.partition_key)
    found = warehouse.query(sql(name), {**window(hour), **params}).to_pylist()
    return dg.AssetCheckResult(
        passed=not found,
        metadata={
            "offending_rows": len(found),
            "sample": dg.MetadataValue.json(json.loads(json.dumps(found[:_SAMPLE], default=str))),
            "what_to_do": f"materialize the hour again from its raw objects ({hour}); if it stays, "
            "this is a bug",
        },
    )
