"""The utilisation report: the dashboard's figures for a day or a month, in one file.

Its content is that of the dashboard's pages; `reports.report` is the asset that writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import jinja2

from charging_assets.dashboard.blocks import Figure, Page
from charging_assets.dashboard.feeds import loaded_feeds, select_feed
from charging_assets.dashboard.pages import city, quality, reliability
from charging_assets.dashboard.reader import Reader
from charging_assets.dashboard.request import PageRequest
from charging_assets.dashboard.wording import Wording
from charging_assets.warehouse.interface import NoWarehouse

_HERE = Path(__file__).parent
_PARTS = (city.build_page, reliability.build_page, quality.build_page)
_ROWS = 10


@dataclass(frozen=True)
class Report:
    """A self-contained HTML page, its charts as SVG by name, and the figures of its first part."""

    feed: str
    html: str
    charts: dict[str, str]
    figures: list[Figure]


def build_report(
    reader: Reader, first: datetime, last: datetime, *, feed: str = "", language: str = "en"
) -> Report:
    """Build the report of local days, both included.

    Raises:
        NoWarehouse: nothing is loaded for these days.
    """
    names = loaded_feeds(reader)
    selected_feed = select_feed(reader, feed, names)
    # Days are local, and the feed's times are UTC.
    margin = timedelta(days=1)
    if selected_feed.first_at > last + margin or selected_feed.newest_at < first - margin:
        days = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
        raise NoWarehouse(
            f"nothing of {selected_feed.name} is loaded from {days}; load these hours first"
        )
    # Days after the newest poll are not gaps.
    newest = Wording(language, selected_feed.time_zone).local(selected_feed.newest_at)
    last = max(first, min(last, newest.replace(hour=0, minute=0, second=0, microsecond=0)))
    query = {"from": f"{first:%Y-%m-%d}", "to": f"{last:%Y-%m-%d}", "feed": selected_feed.name}
    request = PageRequest(
        "/city", query, language, list(names), selected_feed, selected_feed.newest_at
    )
    parts = [part(request, reader) for part in _PARTS]
    return Report(
        selected_feed.name,
        _html(request, parts, first, last),
        {f"{page.name}-{chart.id}": chart.svg for page in parts for chart in page.charts},
        parts[0].figures,
    )


def _html(request: PageRequest, parts: list[Page], first: datetime, last: datetime) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        words=request.words,
        feed=request.feed,
        days=request.words.days(first, last),
        parts=parts,
        rows=_ROWS,
        style=(_HERE / "static/style.css").read_text(encoding="utf-8"),
    )
