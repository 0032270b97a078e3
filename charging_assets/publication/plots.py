"""Small plots of facts and marts, as metadata of their materializations.

Belongs here: which table has which plot, and of which span. Does not belong here: how a plot is
drawn (`column_plot`), or the tables (`modelling`).

A plot is of a fixed span that ends with the hour, so that it costs the same however long the
history is. It is drawn by hand into SVG: an hour's run is over sooner than a plotting library is
imported.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from charging_assets.partitions import Hour, naive
from charging_assets.publication.column_plot import Drawn, column_plot
from charging_assets.storage.sql_files import sql
from charging_assets.storage.warehouse import Warehouse
from charging_assets.storage.warehouse_duckdb import impatient

Plotter = Callable[[str, Hour], str | None]

_PATIENCE_S = 0.2
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


def plotter(warehouse: Warehouse) -> Plotter:
    """What draws a table as of an hour, as Markdown; None of a table that has no plot.

    Raises what reading the warehouse raises, soon: a plot is not worth waiting for.
    """
    reader = impatient(warehouse, _PATIENCE_S)

    def draw(asset: str, hour: Hour) -> str | None:
        plot = _PLOTS.get(asset)
        if plot is None:
            return None
        end = naive(hour.end)
        start = end - plot.count * plot.step
        # A local day begins up to 14 hours before the UTC day does.
        margin = _DAY if plot.step == _DAY else timedelta()
        rows = reader.query(
            sql(f"plots/{asset}"), {"window_start": start - margin, "window_end": end}
        ).to_pylist()
        feeds = sorted({row["feed"] for row in rows})
        drawn = []
        for feed in feeds[:_MOST_FEEDS]:
            own = [row for row in rows if row["feed"] == feed]
            last = max(row["column_at"] for row in own) if plot.step == _DAY else end - _HOUR
            spots = [last - n * plot.step for n in reversed(range(plot.count))]
            drawn.append(_image(f"{plot.title}, {feed}", column_plot(plot.how, spots, own)))
        if more := feeds[_MOST_FEEDS:]:
            drawn.append(f"Not drawn: {', '.join(more)}.")
        return "\n\n".join(drawn) or None

    return draw


def _image(title: str, svg: str) -> str:
    """Markdown of a title and an image; the UI shows none but those that are data."""
    body = base64.b64encode(svg.encode()).decode()
    return f"**{title}**\n\n![{title}](data:image/svg+xml;base64,{body})"
