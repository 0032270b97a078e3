"""Small plots of facts and marts, as metadata of their materializations.

A plot covers a fixed period that ends with the hour, so that its cost does not grow with the
history. `column_plot` draws it without a plotting library, whose import would take longer than the
load of an hour.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa

from charging_assets.hours import Hour, to_naive_utc
from charging_assets.io_managers import Plotter
from charging_assets.publication.column_plot import ColumnStyle, column_plot
from charging_assets.warehouse.plan import Params
from charging_assets.warehouse.sql_files import sql

# One plot per feed; more plots would make the event log too large.
_MOST_FEEDS = 2


@dataclass(frozen=True)
class _Plot:
    title: str
    style: ColumnStyle
    step: timedelta
    count: int


_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_PLOTS = {
    "fact_status": _Plot("EVSEs by status, by UTC hour", ColumnStyle.STACKED, _HOUR, 24),
    "fact_charging_session": _Plot(
        "Sessions that began, by UTC hour", ColumnStyle.COUNT, _HOUR, 24
    ),
    "mart_station_hour": _Plot("Occupancy, by UTC hour", ColumnStyle.SHARE, _HOUR, 24),
    "mart_city_day": _Plot("Utilisation, by local day", ColumnStyle.SHARE, _DAY, 14),
}


def plot_query(asset: str, hour: Hour) -> tuple[str, Params] | None:
    """The query for the plot of a table up to an hour; None if the table has no plot."""
    plot = _PLOTS.get(asset)
    if plot is None:
        return None
    end = to_naive_utc(hour.end)
    # A local day begins up to 14 hours before the UTC day.
    margin = _DAY if plot.step == _DAY else timedelta()
    start = end - plot.count * plot.step - margin
    return sql(f"plots/{asset}"), {"window_start": start, "window_end": end}


def render_plot(asset: str, hour: Hour, result: pa.Table) -> str | None:
    """The plot of the rows as Markdown; None if there are no rows."""
    plot, rows = _PLOTS[asset], result.to_pylist()
    feeds = sorted({row["feed"] for row in rows})
    parts = []
    for feed in feeds[:_MOST_FEEDS]:
        feed_rows = [row for row in rows if row["feed"] == feed]
        by_day = plot.step == _DAY
        last = (
            max(row["column_at"] for row in feed_rows) if by_day else to_naive_utc(hour.end) - _HOUR
        )
        times = [last - n * plot.step for n in reversed(range(plot.count))]
        parts.append(_image(f"{plot.title}, {feed}", column_plot(plot.style, times, feed_rows)))
    if more := feeds[_MOST_FEEDS:]:
        parts.append(f"Not drawn: {', '.join(more)}.")
    return "\n\n".join(parts) or None


PLOTTER = Plotter(plot_query, render_plot)


def _image(title: str, svg: str) -> str:
    """A title and an image as Markdown; the UI shows images only as data URLs."""
    body = base64.b64encode(svg.encode()).decode()
    return f"**{title}**\n\n![{title}](data:image/svg+xml;base64,{body})"
