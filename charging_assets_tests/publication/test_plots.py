"""Plots of facts and marts show the values of the tables, and are small."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import dagster as dg
import pytest

from charging_assets import deployments
from charging_assets.hours import Hour
from charging_assets.io_managers import Plotter, WarehouseIOManager
from charging_assets.lake.memory import MemoryLake
from charging_assets.modelling.assets import ASSETS
from charging_assets.publication.column_plot import ColumnStyle, column_plot
from charging_assets.publication.plots import plot_query, render_plot
from charging_assets.schemas.palette import GAP, STATUS
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.modelling import hours

# Free for three hours, charging from then on; the fifth hour was not polled.
POLLED = (0, 1, 2, 3, 5)
PLOTTED = ("fact_status", "fact_charging_session", "mart_station_hour", "mart_city_day")
LARGEST_BYTES = 10_000
# The squares of the legend are narrower.
COLUMN = re.compile(r"M([\d.]+) [\d.]+h\d\d\.\dv([\d.]+)h-\d\d\.\dz")


@pytest.fixture(scope="module")
def lake() -> MemoryLake:
    return hours.lake_of(
        {
            60 * hour + minute: hours.stand("AVAILABLE" if hour < 3 else "CHARGING")
            for hour in POLLED
            for minute in range(0, 60, 10)
        }
    )


@pytest.fixture(scope="module")
def warehouse(lake: MemoryLake) -> DuckDBWarehouse:
    filled = DuckDBWarehouse(None)
    for hour in POLLED:
        hours.load(filled, lake, hours.hour_after(hour))
    return filled


def plot_of(warehouse: DuckDBWarehouse, table: str, hour: Hour) -> str | None:
    """What the UI shows of a table as of an hour."""
    statement = plot_query(table, hour)
    assert statement
    return render_plot(table, hour, warehouse.query(*statement))


def svg_of(markdown: str | None) -> ElementTree.Element:
    """The picture in a plot's Markdown."""
    assert markdown
    (body,) = re.findall(r"\(data:image/svg\+xml;base64,([\w+/=]+)\)", markdown)
    return ElementTree.fromstring(base64.b64decode(body))


def columns_of(svg: ElementTree.Element, colour: str) -> list[tuple[float, float]]:
    """Left end and height of each column of a colour."""
    columns = []
    for path in svg.iter("{http://www.w3.org/2000/svg}path"):
        if path.get("fill") == colour:
            columns += re.findall(
                r"M([\d.]+) [\d.]+h\d\d\.\dv([\d.]+)h-\d\d\.\dz", path.get("d") or ""
            )
    return [(float(left), float(height)) for left, height in columns]


def test_plot__covers_the_last_day_with_its_gap(warehouse: DuckDBWarehouse) -> None:
    svg = svg_of(plot_of(warehouse, "fact_status", hours.hour_after(5)))
    free, charging = (columns_of(svg, STATUS[name]) for name in ("AVAILABLE", "CHARGING"))
    assert [height for _, height in free] == [90, 90, 90]
    assert [height for _, height in charging] == [90, 90]
    # 24 columns end with the hour; all but those that were polled are gaps.
    gaps = {left for left, _ in columns_of(svg, GAP)}
    assert len(gaps) == 24 - len(POLLED)
    assert charging[0][0] < min(left for left in gaps if left > free[-1][0]) < charging[1][0]


def test_plot__of_sessions_counts_them_at_their_hour(warehouse: DuckDBWarehouse) -> None:
    svg = svg_of(plot_of(warehouse, "fact_charging_session", hours.hour_after(5)))
    # One began in the fourth hour, and the scale ends with 1; hours with none are no gaps.
    assert [height for _, height in columns_of(svg, STATUS["CHARGING"])] == [90]
    assert len(columns_of(svg, GAP)) == 24 - len(POLLED)


def test_plot__of_a_mart_has_its_values(warehouse: DuckDBWarehouse) -> None:
    svg = svg_of(plot_of(warehouse, "mart_station_hour", hours.hour_after(3)))
    assert [height for _, height in columns_of(svg, STATUS["CHARGING"])] == [90]
    assert len(columns_of(svg, GAP)) == 24 - 4  # three hours of 0 are none


def test_plot__of_days_has_gaps_for_low_coverage(warehouse: DuckDBWarehouse) -> None:
    days = warehouse.query("SELECT coverage, utilisation FROM mart.mart_city_day").to_pylist()
    assert [day["utilisation"] for day in days] == [None, None]
    svg = svg_of(plot_of(warehouse, "mart_city_day", hours.hour_after(5)))
    assert len(columns_of(svg, GAP)) == 14


def test_load__stands_without_a_plot(lake: MemoryLake) -> None:
    storage = deployments.Storage(lake, DuckDBWarehouse(None))
    hours.load(storage.warehouse, lake, only="none")
    broken = Plotter(lambda asset, hour: ("SELECT nothing FROM warehouse.nowhere", {}), render_plot)
    manager = WarehouseIOManager(storage.warehouse, broken)
    (asset,) = (asset for asset in ASSETS if asset.key.path[-1] == "fact_status")
    resources = {**deployments.resources(storage, {}), "warehouse_io_manager": manager}
    done = dg.materialize([asset], partition_key=hours.HOUR.key, resources=resources)
    (event,) = done.asset_materializations_for_node("fact_status")
    assert (event.metadata["dagster/row_count"].value, "plot" in event.metadata) == (1, False)


@pytest.mark.parametrize("table", PLOTTED)
def test_asset__of_one_hour_has_its_plot_and_of_two_none(lake: MemoryLake, table: str) -> None:
    storage = deployments.Storage(lake, DuckDBWarehouse(None))
    for hour in (2, 3):
        hours.load(storage.warehouse, lake, hours.hour_after(hour))
    keys = [hours.hour_after(hour).key for hour in (2, 3)]
    span = {
        "dagster/asset_partition_range_start": keys[0],
        "dagster/asset_partition_range_end": keys[1],
    }
    (asset,) = (asset for asset in ASSETS if asset.key.path[-1] == table)
    with dg.DagsterInstance.ephemeral() as instance:
        given: dict[str, Any] = {
            "resources": deployments.resources(storage, {}), "instance": instance,
        }  # fmt: skip
        one = dg.materialize([asset], partition_key=keys[1], **given)
        two = dg.materialize([asset], tags=span, **given)
    (event,) = one.asset_materializations_for_node(table)
    markdown = event.metadata["plot"]
    assert isinstance(markdown, dg.MarkdownMetadataValue)
    svg_of(markdown.value)
    events = two.asset_materializations_for_node(table)
    assert len(events) == 2
    assert all("plot" not in event.metadata for event in events)


def test_plot__of_other_tables_is_none() -> None:
    assert plot_query("dim_station", hours.hour_after(3)) is None


@pytest.mark.parametrize("style", ColumnStyle)
def test_plot__with_every_status_in_every_hour_is_small(style: ColumnStyle) -> None:
    times = [datetime(2026, 1, 1) + timedelta(hours=n) for n in range(24)]
    rows = [
        {"column_at": time, "series": status, "amount": 1 + n * time.hour}
        for time in times
        for n, status in enumerate(STATUS)
    ]
    svg = column_plot(style, times, rows)
    assert len(base64.b64encode(svg.encode())) < LARGEST_BYTES
    ElementTree.fromstring(svg)
