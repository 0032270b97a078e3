"""The IO managers: between an asset's value and where it lives.

Belongs here: what Dagster hands over and wants back, and the metadata of what was stored. Does not
belong here: how objects or rows are stored (`lake`, `flat_files`, `warehouse`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dagster as dg
import pyarrow as pa

from charging_assets.partitions import Hour
from charging_assets.schemas.catalog import table
from charging_assets.schemas.render import column_schema
from charging_assets.schemas.table import Table
from charging_assets.storage.flat_files import FlatFile, open_flat, write_flat
from charging_assets.storage.lake import Lake
from charging_assets.storage.plan import Plan, hour_scope
from charging_assets.storage.warehouse import Warehouse


@dataclass(frozen=True)
class FlatRows:
    """An hour of a flat table on its way to the lake."""

    rows: pa.Table
    archive_digest: str
    code_version: str


class LakeIOManager(dg.IOManager):
    """Flat tables in the lake. Inputs are a `FlatFile`, or its rows as Arrow or pandas."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def handle_output(self, context: dg.OutputContext, obj: FlatRows) -> None:
        flat_table, hour = table(context.asset_key.path[-1]), Hour.parse(context.partition_key)
        written = write_flat(
            self._lake,
            flat_table,
            hour,
            obj.rows,
            archive_digest=obj.archive_digest,
            code_version=obj.code_version,
        )
        context.add_output_metadata(
            {
                "dagster/row_count": written.row_count,
                "dagster/column_schema": column_schema(flat_table),
                "path": dg.MetadataValue.path(written.uri),
                "bytes": written.byte_count,
                "archive_digest": obj.archive_digest,
            }
        )

    def load_input(self, context: dg.InputContext) -> Any:
        flat_table = table(context.asset_key.path[-1])
        found = open_flat(self._lake, flat_table, Hour.parse(context.partition_key))
        return _as(context.dagster_type.typing_type, found.read) or found


class WarehouseIOManager(dg.IOManager):
    """Warehouse tables. Outputs are a `Plan`, run in one transaction; inputs the hour's rows."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def handle_output(self, context: dg.OutputContext, obj: Plan) -> None:
        done = self._warehouse.apply(obj)
        name = context.asset_key.path[-1]
        context.add_output_metadata(
            {
                "dagster/row_count": done.row_counts.get(name, done.row_count),
                "rows": dg.MetadataValue.json(dict(done.row_counts)),
                "unchanged": done.skipped,
                "warehouse": self._warehouse.describe(),
                **_described(name),
            }
        )

    def load_input(self, context: dg.InputContext) -> Any:
        asked = table(context.asset_key.path[-1])

        def read() -> pa.Table:
            return self._warehouse.query(*_select(asked, context))

        return _as(context.dagster_type.typing_type, read) or read()


def _select(asked: Table, context: dg.InputContext) -> tuple[str, dict[str, Any]]:
    names = ", ".join(asked.names)
    if asked.hour_column is None:
        return f"SELECT {names} FROM {asked.full_name}", {}
    scope = hour_scope(asked, Hour.parse(context.partition_key))
    return f"SELECT {names} FROM {asked.full_name} WHERE {scope.predicate}", dict(scope.params)


def _described(name: str) -> dict[str, Any]:
    try:
        loaded = table(name)
    except KeyError:
        return {}
    return {
        "dagster/column_schema": column_schema(loaded),
        "dagster/table_name": loaded.full_name,
    }


def _as(wanted: Any, read: Any) -> Any:
    """The rows in the form that the input is annotated with, or None for any other annotation."""
    if wanted is FlatFile:
        return None
    if wanted is pa.Table:
        return read()
    if getattr(wanted, "__module__", "").startswith("pandas"):
        return read().to_pandas()
    return None
