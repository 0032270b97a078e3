"""The map of stations, and bars of EVSEs by city and state.

The base map is the outline of Germany by Natural Earth (public domain, see `germany.geojson`);
there are no map tiles and no network access.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from charging_assets.schemas.palette import INK, QUIET, STATION, STATUS

_OUTLINE = Path(__file__).resolve().parent.parent / "germany.geojson"
# Below this extent (one city) the outline of the country is left out.
_COUNTRY_DEGREES = 1.5
WIDTH, HEIGHT = 460, 560
# The status whose colour each state has.
_STATUS_OF_STATE = {
    "free": "AVAILABLE",
    "charging": "CHARGING",
    "reserved_or_blocked": "RESERVED",
    "failed": "OUTOFORDER",
    "unknown": "UNKNOWN",
}


@cache
def _germany() -> dict[str, Any]:
    outline: dict[str, Any] = json.loads(_OUTLINE.read_text(encoding="utf-8"))
    return outline


def station_map(rows: Sequence[dict[str, Any]], names: dict[str, str], legend: str) -> Any:
    """Stations as points: `longitude`, `latitude`, `state` (of `palette.STATION`), `tooltip`."""
    import altair as alt

    labels = [names[state] for state in STATION]
    points_with_position = [
        {
            "longitude": row["longitude"],
            "latitude": row["latitude"],
            "state": names[row["state"]],
            "tooltip": row["tooltip"],
        }
        for row in rows
        if row["longitude"] is not None and row["latitude"] is not None
    ]
    scale = alt.Scale(domain=labels, range=[colour for colour, _ in STATION.values()])
    shapes = alt.Scale(domain=labels, range=[shape for _, shape in STATION.values()])
    # The map is scaled down on small screens, so its text is larger.
    key = alt.Legend(labelFontSize=14, titleFontSize=14, columns=3)
    points = (
        alt.Chart(alt.Data(values=points_with_position))
        .mark_point(filled=True, size=34, opacity=0.85, stroke="white", strokeWidth=0.4)
        .encode(
            longitude="longitude:Q",
            latitude="latitude:Q",
            color=alt.Color("state:N", scale=scale, title=legend, legend=key),
            shape=alt.Shape("state:N", scale=shapes, title=legend, legend=key),
            description="tooltip:N",
        )
    )
    layers = [points]
    if _spread(points_with_position) > _COUNTRY_DEGREES:
        outline = alt.Chart(alt.Data(values=[_germany()])).mark_geoshape(
            fill="#f1f4f6", stroke=QUIET, strokeWidth=0.8
        )
        layers.insert(0, outline)
    return alt.layer(*layers, width=WIDTH, height=HEIGHT).project("mercator")


def city_states(rows: Sequence[dict[str, Any]], names: dict[str, str], unit: str) -> Any:
    """EVSEs by state as stacked bars: `name`, `state`, `value` (of 1), `is_old`, `tooltip`."""
    import altair as alt

    order = list(names)
    cities = list(dict.fromkeys(row["name"] for row in rows))
    values = [
        {**row, "state": names[row["state"]], "rank": order.index(row["state"])} for row in rows
    ]
    colours = [STATUS[_STATUS_OF_STATE[name]] for name in order]
    colour = alt.Color("state:N", title=None, sort=list(names.values()),
                       scale=alt.Scale(domain=list(names.values()), range=colours),
                       legend=alt.Legend(columns=3))  # fmt: skip
    base = alt.Chart(alt.InlineData(values=values)).encode(
        y=alt.Y("name:N", sort=cities, title=None,
                axis=alt.Axis(domain=False, ticks=False, labelColor=INK)),
        x=alt.X("value:Q", stack="zero", title=unit, scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", tickCount=5, grid=False)),
        color=colour, order="rank:Q", description="tooltip:N",
        opacity=alt.condition("datum.is_old", alt.value(0.25), alt.value(1)),
    )  # fmt: skip
    bars = base.mark_bar(stroke="white", strokeWidth=0.4)
    return bars.properties(width=WIDTH - 60, height=max(60, 13 * len(cities)))


def _spread(points_with_position: Sequence[dict[str, Any]]) -> float:
    """The extent of stations from north to south, in degrees."""
    if not points_with_position:
        return 90.0
    north = [row["latitude"] for row in points_with_position]
    return float(max(north) - min(north))
