"""The publication asset: dimensions and marts as Parquet files in the lake."""

import time
from typing import Any

import dagster as dg

from charging_assets.hours import Hour, backfill_policy, hourly_partitions
from charging_assets.lake.store import Lake
from charging_assets.modelling.plans import ENTITIES
from charging_assets.modelling.versions import code_version
from charging_assets.publication.publish import PUBLISHED, publish
from charging_assets.schemas.marts import CITY_HOUR, MART_STATION_HOUR
from charging_assets.schemas.render import column_schema
from charging_assets.warehouse.interface import Warehouse

_FILLED_WITH = {CITY_HOUR.name: MART_STATION_HOUR.name} | {
    bridge.name: entity.dimension.name for entity in ENTITIES for bridge in entity.bridges
}


def _columns() -> dg.TableSchema:
    """The columns of all published tables, as `table.column`."""
    return dg.TableSchema(
        [
            dg.TableColumn(f"{table.name}.{column.name}", column.type, column.description)
            for table in PUBLISHED
            for column in column_schema(table).columns
        ]
    )


@dg.asset(
    deps=sorted({dg.AssetKey(_FILLED_WITH.get(table.name, table.name)) for table in PUBLISHED}),
    partitions_def=hourly_partitions(),
    backfill_policy=backfill_policy(),
    group_name="publication",
    kinds={"parquet"},
    code_version=code_version([], PUBLISHED),
    metadata={"dagster/column_schema": _columns()},
)
def published_tables(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    warehouse: dg.ResourceParam[Warehouse],
    progress: dg.ResourceParam[Any],
) -> None:
    """Dimensions and marts as Parquet under `published/`; unchanged files are kept."""
    hours = [Hour.parse(key) for key in context.partition_keys]
    started = time.monotonic()
    written = publish(lake, warehouse, *hours)
    progress("published_tables", hours, time.monotonic() - started)
    files = "\n".join(f"{lake.uri(file)}: {count} rows" for file, count in written.items())
    metadata = {
        "path": dg.MetadataValue.path(lake.uri("published")),
        "files_written": len(written),
        "files": files or "none changed",
    }
    for key in context.partition_keys:
        context.add_asset_metadata(metadata, partition_key=key)


ASSETS = [published_tables]
