"""The utilisation report: the dashboard's figures for a day or a month, in one file.

Belongs here: what the report holds, and its pictures. Does not belong here: the pages that it is
put together from, or when it is made (`publication.report`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import jinja2

from charging_assets.dashboard.asked import PageRequest
from charging_assets.dashboard.blocks import Figure, Page
from charging_assets.dashboard.drawing import png
from charging_assets.dashboard.feeds import loaded_feeds, select_feed
from charging_assets.dashboard.pages import city, quality, reliability
from charging_assets.dashboard.reader import Reader
from charging_assets.dashboard.wording import Wording
from charging_assets.storage.warehouse import NoWarehouse

_HERE = Path(__file__).parent
_PARTS = (city.build_page, reliability.build_page, quality.build_page)
_ROWS = 10


@dataclass(frozen=True)
class Report:
    """A report: one HTML page that needs no other file, its pictures as PNG, its first figures."""

    feed: str
    html: str
    pictures: dict[str, bytes]
    figures: list[Figure]


def build_report(
    reader: Reader, first: datetime, last: datetime, *, feed: str = "", language: str = "en"
) -> Report:
    """The report of local days, both included; NoWarehouse where nothing of them is loaded."""
    names = loaded_feeds(reader)
    selected_feed = select_feed(reader, feed, names)
    # A day has 23 to 25 hours, and what begins it is told as an instant.
    margin = timedelta(days=1)
    if selected_feed.first_at > last + margin or selected_feed.newest_at < first - margin:
        days = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
        raise NoWarehouse(
            f"nothing of {selected_feed.name} is loaded from {days}; load these hours first"
        )
    # Days that are still to come are no gaps.
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
        _chart_images(parts),
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


def _chart_images(parts: list[Page]) -> dict[str, bytes]:
    return {f"{page.name}-{chart.id}": png(chart.svg) for page in parts for chart in page.charts}
