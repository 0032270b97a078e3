"""The publication asset: dimensions and marts as Parquet in the lake.

Belongs here: what Dagster runs and shows of publishing. Does not belong here: which files there
are (`storage.publish`).
"""

import dagster as dg

from charging_assets.partitions import Hour, backfill_policy, hourly_partitions
from charging_assets.storage.lake import Lake
from charging_assets.storage.publish import PUBLISHED, publish
from charging_assets.storage.warehouse import Warehouse


@dg.asset(
    deps=[dg.AssetKey(table.name) for table in PUBLISHED],
    partitions_def=hourly_partitions(),
    backfill_policy=backfill_policy(),
    group_name="publication",
    kinds={"parquet"},
)
def published_tables(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    warehouse: dg.ResourceParam[Warehouse],
) -> None:
    """Dimensions and marts as Parquet under `published/`; files that did not change stay."""
    for key in context.partition_keys:
        written = publish(lake, warehouse, Hour.parse(key))
        files = "\n".join(f"{lake.uri(file)}: {count} rows" for file, count in written.items())
        context.add_asset_metadata(
            {"files_written": len(written), "files": files or "none changed"}, partition_key=key
        )


ASSETS = [published_tables]
