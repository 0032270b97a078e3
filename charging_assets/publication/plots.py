"""Small plots of facts and marts, as metadata of their materializations.

Belongs here: which table has which plot, and of which span. Does not belong here: how a plot is
drawn (`column_plot`), or the tables (`modelling`).

A plot is of a fixed span that ends with the hour, so that it costs the same however long the
history is. It is drawn by hand into SVG: an hour's run is over sooner than a plotting library is
imported.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa

from charging_assets.partitions import Hour, naive
from charging_assets.publication.column_plot import Drawn, column_plot
from charging_assets.storage.io_managers import Plotter
from charging_assets.storage.plan import Params
from charging_assets.storage.sql_files import sql

# A plot a feed: more of them would make the event log grow faster than they are worth.
_MOST_FEEDS = 2


@dataclass(frozen=True)
class _Plot:
    title: str
    how: Drawn
    step: timedelta
    count: int


_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_PLOTS = {
    "fact_status": _Plot("EVSEs by status, by UTC hour", Drawn.STACKED, _HOUR, 24),
    "fact_charging_session": _Plot("Sessions that began, by UTC hour", Drawn.COUNT, _HOUR, 24),
    "mart_station_hour": _Plot("Occupancy, by UTC hour", Drawn.SHARE, _HOUR, 24),
    "mart_city_day": _Plot("Utilisation, by local day", Drawn.SHARE, _DAY, 14),
}


def asked(asset: str, hour: Hour) -> tuple[str, Params] | None:
    """The statement of a table's plot as of an hour; None of a table that has none."""
    plot = _PLOTS.get(asset)
    if plot is None:
        return None
    end = naive(hour.end)
    # A local day begins up to 14 hours before the UTC day does.
    margin = _DAY if plot.step == _DAY else timedelta()
    start = end - plot.count * plot.step - margin
    return sql(f"plots/{asset}"), {"window_start": start, "window_end": end}


def drawn(asset: str, hour: Hour, found: pa.Table) -> str | None:
    """The plot of these rows, as Markdown; None of none."""
    plot, rows = _PLOTS[asset], found.to_pylist()
    feeds = sorted({row["feed"] for row in rows})
    parts = []
    for feed in feeds[:_MOST_FEEDS]:
        own = [row for row in rows if row["feed"] == feed]
        by_day = plot.step == _DAY
        last = max(row["column_at"] for row in own) if by_day else naive(hour.end) - _HOUR
        spots = [last - n * plot.step for n in reversed(range(plot.count))]
        parts.append(_image(f"{plot.title}, {feed}", column_plot(plot.how, spots, own)))
    if more := feeds[_MOST_FEEDS:]:
        parts.append(f"Not drawn: {', '.join(more)}.")
    return "\n\n".join(parts) or None


PLOTTER = Plotter(asked, drawn)


def _image(title: str, svg: str) -> str:
    """Markdown of a title and an image; the UI shows none but those that are data."""
    body = base64.b64encode(svg.encode()).decode()
    return f"**{title}**\n\n![{title}](data:image/svg+xml;base64,{body})"
