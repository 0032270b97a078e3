"""The IO managers: between an asset's value and where it lives.

Belongs here: what Dagster hands over and wants back, and the metadata of what was stored. Does not
belong here: how objects or rows are stored (`lake`, `flat_files`, `warehouse`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
import pyarrow as pa

from charging_assets.partitions import Hour
from charging_assets.schemas.catalog import table
from charging_assets.schemas.render import column_schema
from charging_assets.schemas.table import Table
from charging_assets.storage.flat_files import open_flat, write_flat
from charging_assets.storage.lake import Lake
from charging_assets.storage.plan import Loaded, Params, Plan, hour_scope
from charging_assets.storage.warehouse import Warehouse


@dataclass(frozen=True)
class FlatRows:
    """An hour of a flat table on its way to the lake."""

    rows: pa.Table
    archive_digest: str
    code_version: str


class LakeIOManager(dg.IOManager):
    """Flat tables in the lake. Outputs are rows by partition key.

    Inputs are a `FlatFile`, or its rows as Arrow or pandas, as the input is annotated; for a run of
    several hours, those by partition key.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def handle_output(self, context: dg.OutputContext, obj: Mapping[str, FlatRows]) -> None:
        flat_table = table(context.asset_key.path[-1])
        for key, flat_rows in obj.items():
            written = write_flat(
                self._lake,
                flat_table,
                Hour.parse(key),
                flat_rows.rows,
                archive_digest=flat_rows.archive_digest,
                code_version=flat_rows.code_version,
            )
            told = {
                "dagster/row_count": written.row_count,
                "path": dg.MetadataValue.path(written.uri),
                "bytes": written.byte_count,
                "archive_digest": flat_rows.archive_digest,
            }
            context.step_context.add_asset_metadata(told, context.asset_key, key)

    def load_input(self, context: dg.InputContext) -> Any:
        flat_table, wanted = table(context.asset_key.path[-1]), _form(context)

        def load(key: str) -> Any:
            found = open_flat(self._lake, flat_table, Hour.parse(key))
            return found if wanted is None else wanted(found.read())

        return _for_hours(context, load)


@dataclass(frozen=True)
class Plotter:
    """What is read of a table as of an hour, None of one without a plot, and drawn as Markdown."""

    asked: Callable[[str, Hour], tuple[str, Params] | None]
    drawn: Callable[[str, Hour, pa.Table], str | None]


class WarehouseIOManager(dg.IOManager):
    """Warehouse tables. Outputs are a `Plan` by partition key, each run in one transaction.

    Inputs are the hour's rows, as Arrow or pandas; for a run of several hours by partition key.
    Runs of one hour have a plot: nobody looks at each hour of a backfill.
    """

    def __init__(self, warehouse: Warehouse, plotter: Plotter | None = None) -> None:
        self._warehouse, self._plotter = warehouse, plotter

    def handle_output(self, context: dg.OutputContext, obj: Mapping[str, Plan]) -> None:
        name = context.asset_key.path[-1]
        context.add_output_metadata({"path": dg.MetadataValue.path(self._warehouse.describe())})
        plans = list(obj.values())
        if self._plotter and len(obj) == 1:
            (key,) = obj
            plans = [replace(plans[0], shows=self._plotter.asked(name, Hour.parse(key)))]
        loads = self._warehouse.apply_all(plans)
        for key, done in zip(obj, loads, strict=True):
            told = {
                "dagster/row_count": _rows(name, done),
                "rows": dg.MetadataValue.json(dict(done.row_counts)),
                "unchanged": done.skipped,
                **self._plotted(context, name, key, done.shown),
            }
            context.step_context.add_asset_metadata(told, context.asset_key, key)

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


def _rows(name: str, done: Loaded) -> int:
    """A dimension's rows in all, a fact's of the hour, all of them for several tables."""
    if done.dimension_rows is not None:
        return done.dimension_rows
    return done.row_counts.get(name, done.row_count)


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
