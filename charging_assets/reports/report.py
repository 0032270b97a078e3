"""The report asset: utilisation of a day or a month as an HTML page and PNG charts in the lake.

`dashboard.report` builds its content. It needs the extra `dashboard`, and is imported only when a
report is materialized.
"""

import base64
from datetime import datetime, timedelta
from typing import Literal

import dagster as dg

from charging_assets.extras import MissingExtra, require_extra
from charging_assets.hours import FIRST_HOUR
from charging_assets.lake.store import Lake
from charging_assets.publication.assets import published_tables
from charging_assets.warehouse.interface import Warehouse

_PREVIEW = "city-heat"


class ReportConfig(dg.Config):
    """Configuration: the period is the partition's day, or its month."""

    length: Literal["day", "month"] = "day"
    language: Literal["en", "de"] = "en"
    feed: str = ""


@dg.asset(
    deps=[published_tables],
    partitions_def=dg.DailyPartitionsDefinition(FIRST_HOUR.strftime("%Y-%m-%d"), end_offset=1),
    group_name="reports",
    kinds={"html"},
    code_version="2",
)
def utilisation_report(
    context: dg.AssetExecutionContext,
    config: ReportConfig,
    lake: dg.ResourceParam[Lake],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.MaterializeResult[None]:
    """A self-contained HTML page about utilisation and reliability, and its charts as PNG.

    The partition is a local day; with `length: month` in the configuration, the report covers the
    month of that day. Materialize it again to include hours that are loaded later.
    """
    try:
        require_extra("dashboard", "the report")
    except MissingExtra as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    from charging_assets.dashboard.drawing import png
    from charging_assets.dashboard.reader import make_reader
    from charging_assets.dashboard.report import build_report
    from charging_assets.deployments import Storage

    first, last = _span(datetime.fromisoformat(context.partition_key), config.length)
    built = build_report(
        make_reader(Storage(lake, warehouse)), first, last,
        feed=config.feed, language=config.language,
    )  # fmt: skip
    name = f"{first:%Y-%m-%d}" if config.length == "day" else f"{first:%Y-%m}"
    folder = f"reports/utilisation_report/{built.feed}/{name}-{config.language}"
    page = f"{folder}/utilisation_report.html"
    lake.put(page, built.html.encode())
    for chart, svg in built.charts.items():
        lake.put(f"{folder}/{chart}.png", png(svg))
    figures = "\n".join(
        f"| {each.label} | {each.value} {each.unit} | {each.coverage} |" for each in built.figures
    )
    return dg.MaterializeResult(
        metadata={
            "page": dg.MetadataValue.path(lake.uri(page)),
            "link": dg.MetadataValue.url(f"file://{lake.uri(page)}"),
            "preview": dg.MetadataValue.md(
                f"| | {name} | |\n|---|---|---|\n{figures}\n\n{_image(built.charts[_PREVIEW])}"
            ),
            "pictures": len(built.charts),
            "bytes": len(built.html),
        }
    )


def _span(day: datetime, length: str) -> tuple[datetime, datetime]:
    """The first and the last local day of the report."""
    if length == "day":
        return day, day
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def _image(svg: str) -> str:
    # A seventh of the size of the PNG, which counts in the event log.
    return f"![{_PREVIEW}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


REPORTS = [utilisation_report]
