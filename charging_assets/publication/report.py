"""The report asset: a day's or a month's utilisation as a page and pictures in the lake.

Belongs here: what Dagster runs and shows of it. Does not belong here: what it says
(`dashboard.report`, which needs the extra `dashboard` and is imported when a report is made).
"""

import base64
from datetime import datetime, timedelta
from typing import Literal

import dagster as dg

from charging_assets.extras import MissingExtra, require_extra
from charging_assets.partitions import FIRST_HOUR
from charging_assets.publication.assets import published_tables
from charging_assets.storage.lake import Lake
from charging_assets.storage.warehouse import Warehouse

_PREVIEW = "city-heat"


class ReportConfig(dg.Config):
    """Which report: of the partition's day, or of the month that it lies in."""

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
    """A self-contained HTML page of use and reliability, and its charts as PNG.

    The partition is a local day; the configuration's `length: month` makes it the day's month.
    Hours that are loaded later are in it only when it is made again.
    """
    try:
        require_extra("dashboard", "the report")
    except MissingExtra as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    from charging_assets.dashboard.reader import make_reader
    from charging_assets.dashboard.report import build_report
    from charging_assets.deployments import Storage

    first, last = _span(datetime.fromisoformat(context.partition_key), config.length)
    made = build_report(
        make_reader(Storage(lake, warehouse)), first, last,
        feed=config.feed, language=config.language,
    )  # fmt: skip
    name = f"{first:%Y-%m-%d}" if config.length == "day" else f"{first:%Y-%m}"
    folder = f"reports/utilisation_report/{made.feed}/{name}-{config.language}"
    page = f"{folder}/utilisation_report.html"
    lake.put(page, made.html.encode())
    for picture, body in made.pictures.items():
        lake.put(f"{folder}/{picture}.png", body)
    figures = "\n".join(
        f"| {each.label} | {each.value} {each.unit} | {each.coverage} |" for each in made.figures
    )
    return dg.MaterializeResult(
        metadata={
            "page": dg.MetadataValue.path(lake.uri(page)),
            "link": dg.MetadataValue.url(f"file://{lake.uri(page)}"),
            "preview": dg.MetadataValue.md(
                f"| | {name} | |\n|---|---|---|\n{figures}\n\n{_image(made.pictures[_PREVIEW])}"
            ),
            "pictures": len(made.pictures),
            "bytes": len(made.html),
        }
    )


def _span(day: datetime, length: str) -> tuple[datetime, datetime]:
    """The first and the last local day of the report."""
    if length == "day":
        return day, day
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def _image(body: bytes) -> str:
    return f"![{_PREVIEW}](data:image/png;base64,{base64.b64encode(body).decode()})"


REPORTS = [utilisation_report]
