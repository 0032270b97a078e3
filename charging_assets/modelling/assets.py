"""The modelling assets: staged tables, dimensions, facts and marts."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from charging_assets.hours import Hour, backfill_policy, format_spans, hourly_partitions
from charging_assets.io_managers import by_hour, table_metadata
from charging_assets.lake.store import Lake
from charging_assets.modelling import plans
from charging_assets.modelling.marts import mart_plan, mart_version, upstream_tables
from charging_assets.modelling.sessions import UPSTREAM as SESSIONS_UPSTREAM
from charging_assets.modelling.sessions import session_plan, session_version
from charging_assets.modelling.staged_hours import (
    add_failed_feeds,
    ensure_staged,
    spans_to_derive,
    staging_input,
    staging_load,
)
from charging_assets.modelling.staging import staging_version
from charging_assets.preprocessing.version import flat_version
from charging_assets.schemas import dimensions, facts, marts
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.schemas.render import column_schema
from charging_assets.schemas.table import Table
from charging_assets.text import count_noun
from charging_assets.warehouse.interface import Warehouse
from charging_assets.warehouse.plan import SpanLoad

WRITER_POOL = "warehouse_writer"


def _staged_columns() -> dg.TableSchema:
    """The columns of all staging tables, each under its table's name."""
    return dg.TableSchema(
        [
            dg.TableColumn(f"{table.full_name}.{column.name}", column.type, column.description)
            for table in FLAT_TABLES
            for column in column_schema(table).columns
        ]
    )


@dg.asset(
    ins={table.name: dg.AssetIn() for table in FLAT_TABLES},
    partitions_def=hourly_partitions(),
    backfill_policy=backfill_policy(),
    io_manager_key="warehouse_io_manager",
    group_name="modelling",
    kinds={"sql", "table"},
    pool=WRITER_POOL,
    code_version=staging_version(flat_version()),
    metadata={"dagster/column_schema": _staged_columns()},
)
def staged_tables(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], **flat_files: Any
) -> SpanLoad:
    """The hour's flat files in the warehouse's staging schema, all tables in one transaction.

    Several hours share a transaction by UTC day. The same files again are a no-op. Records in must
    be loaded or rejected, or nothing is loaded. A feed that cannot be loaded keeps the rows that it
    had, and does not keep others from being loaded: `failed_feeds` in the metadata has the reason.
    """
    tables_by_hour = {name: by_hour(context, files) for name, files in flat_files.items()}
    hours = [Hour.parse(key) for key in context.partition_keys]
    tables = {hour: [tables_by_hour[t.name][hour.key] for t in FLAT_TABLES] for hour in hours}
    for hour, of_hour in tables.items():
        uris = [file.uri for of_table in of_hour for file in of_table.files]
        context.add_asset_metadata({"made_from": "\n".join(uris)}, partition_key=hour.key)
    return staging_load(add_failed_feeds(lake, staging_input(tables)))


def _sql_asset(
    table: Table,
    version: str,
    make_plan: Any,
    description: str,
    upstream: Sequence[str] = ("staged_tables",),
    group: str = "modelling",
) -> dg.AssetsDefinition:
    @dg.asset(
        name=table.name,
        deps=list(upstream),
        partitions_def=hourly_partitions(),
        backfill_policy=backfill_policy(),
        io_manager_key="warehouse_io_manager",
        group_name=group,
        kinds={"sql", "table"},
        pool=WRITER_POOL,
        code_version=version,
        description=f"{description}\n\nGrain: {table.grain}.",
        metadata=table_metadata(table),
    )
    def load(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        warehouse: dg.ResourceParam[Warehouse],
    ) -> SpanLoad:
        hours = [Hour.parse(key) for key in context.partition_keys]
        failed: dict[Hour, str] = {}
        if "staged_tables" in upstream:
            restaged, failed = ensure_staged(warehouse, lake, hours)
            if restaged:
                context.log.info(
                    f"{count_noun(len(restaged), 'hour')} no longer in staging, staged again: "
                    f"{format_spans(restaged)}"
                )
        good = [hour for hour in hours if hour not in failed]
        return SpanLoad(spans_to_derive(warehouse, good), make_plan, failed)

    return load


def _dimension(entity: plans.Entity, description: str) -> dg.AssetsDefinition:
    return _sql_asset(
        entity.dimension,
        plans.dimension_version(entity),
        lambda hour: plans.dimension_plan(entity, hour),
        description,
    )


def _fact(table: Table, description: str) -> dg.AssetsDefinition:
    return _sql_asset(
        table, plans.fact_version(table), lambda hour: plans.fact_plan(table, hour), description
    )


def _mart(table: Table, description: str) -> dg.AssetsDefinition:
    return _sql_asset(
        table,
        mart_version(table),
        lambda hour: mart_plan(table, hour),
        description,
        upstream=upstream_tables(table),
        group="marts" if table.schema == "mart" else "modelling",
    )


dim_station = _dimension(plans.STATION, "Stations with their history.")
dim_evse = _dimension(plans.EVSE, "EVSEs (charging points) with their history.")
dim_connector = _dimension(plans.CONNECTOR, "Connectors with their history.")
fact_poll = _fact(facts.FACT_POLL, "Outcome and time of each place's answers.")
fact_status = _fact(facts.FACT_STATUS, "Status of each EVSE, as runs of equal status.")

dim_time = _mart(dimensions.DIM_TIME, "UTC hours with their local time.")
fact_charging_session = _sql_asset(
    facts.FACT_CHARGING_SESSION,
    session_version(),
    session_plan,
    "Charging sessions, inferred from runs of CHARGING, with bounds.",
    upstream=SESSIONS_UPSTREAM,
)
mart_evse_hour = _mart(marts.MART_EVSE_HOUR, "Observed seconds by status of each EVSE and hour.")
mart_station_hour = _mart(marts.MART_STATION_HOUR, "The same by station, and its saturation.")
mart_station_day = _mart(marts.MART_STATION_DAY, "Use and availability of a station, by local day.")
mart_city_day = _mart(
    marts.MART_CITY_DAY, "Use and availability of a city and power class, by day."
)
mart_operator_month = _mart(marts.MART_OPERATOR_MONTH, "The same by operator and local month.")

ASSETS = [
    staged_tables,
    dim_station,
    dim_evse,
    dim_connector,
    dim_time,
    fact_poll,
    fact_status,
    fact_charging_session,
    mart_evse_hour,
    mart_station_hour,
    mart_station_day,
    mart_city_day,
    mart_operator_month,
]
