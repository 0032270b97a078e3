"""The charts of network now: stations on a map, EVSEs by city."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from charging_assets.dashboard.blocks import Chart
from charging_assets.dashboard.charts.places import city_states, station_map
from charging_assets.dashboard.drawing import svg
from charging_assets.dashboard.pages.states import COUNTS, STATES
from charging_assets.dashboard.reader import Row
from charging_assets.dashboard.request import PageRequest
from charging_assets.measures import count_share


def map_chart(request: PageRequest, stations: list[Row], at: datetime) -> Chart:
    words = request.words
    names = {state: words(f"state_{state}") for state in STATES}
    counts = {state: sum(row["state"] == state for row in stations) for state in STATES}
    description = (
        words.plural("map_description", len(stations), count=words.number(len(stations)))
        + " "
        + ", ".join(
            f"{words.number(counts[state])} {names[state]}" for state in STATES if counts[state]
        )
    )
    points = [
        {**row, "tooltip": f"{row['name']}: {names[row['state']]}, {_free_of(request, row)}"}
        for row in stations
    ]
    return Chart(
        id="map", title=words("map_title"),
        svg=svg(station_map(points, names, words("state")), request.language, description),
        description=description, caption=words("map_caption", time=words.time(at)),
        definition="status", table="stations",
    )  # fmt: skip


def cities_chart(request: PageRequest, rows: Sequence[Row], at: datetime) -> Chart:
    words = request.words
    names = {name: words(f"figure_{name}") for name in COUNTS}
    bars = [
        {
            "name": row["city"],
            "state": name,
            "value": count_share(
                row[column], row["evse_count"] - row["absent_count"], row["evse_count"]
            ),
            "is_old": not row["is_fresh"],
            "tooltip": f"{row['city']}, {names[name]}: {row[column]}",
        }
        for row in rows
        for name, column in COUNTS.items()
    ]
    description = words.plural("cities_chart_description", len(rows), count=len(rows))
    chart = city_states(bars, names, words("share_evses"))
    return Chart(
        id="cities", title=words("cities_chart_title"),
        svg=svg(chart, request.language, description), description=description,
        caption=words("cities_chart_caption", time=words.time(at)), definition="status",
        table="places",
    )  # fmt: skip


def _free_of(request: PageRequest, row: Row) -> str:
    return request.words("free_of", free=row["available_count"], all=row["evse_count"])
