"""The charts of the city page: utilisation by hour and weekday, by day, and by station."""

from __future__ import annotations

from typing import Any

from charging_assets.dashboard.blocks import Chart
from charging_assets.dashboard.charts.curves import heat, ranking, trend
from charging_assets.dashboard.drawing import svg
from charging_assets.dashboard.pages.period import Period
from charging_assets.dashboard.reader import Row
from charging_assets.dashboard.request import PageRequest

_TOP = 15


def heat_chart(request: PageRequest, hours: list[Row], about: str) -> Chart:
    words = request.words
    weekdays = words("weekdays").split()
    row_by_cell = {(row["weekday"], row["local_hour"]): row for row in hours}
    cells: list[Row] = []
    for weekday in range(1, 8):
        for hour in range(24):
            row = row_by_cell.get((weekday, hour))
            value = row["utilisation"] if row else None
            tooltip = f"{weekdays[weekday - 1]} {hour:02}:00: {words.percent(value)}"
            cells.append(
                {"weekday": weekday, "local_hour": hour, "value": value, "tooltip": tooltip}
            )
    seen = [cell for cell in cells if cell["value"] is not None]
    most = max(seen, key=lambda cell: cell["value"], default=None)
    description = words("heat_description", most=most["tooltip"] if most else "–")
    chart = heat(cells, weekdays, hour=words("local_hour"), legend=words("utilisation"))
    return Chart(
        "heat", words("heat_title"), svg(chart, request.language, description), description,
        words("heat_caption", about=about), "utilisation", "hours",
    )  # fmt: skip


def trend_chart(request: PageRequest, period: Period, by_day: dict[Any, Row], about: str) -> Chart:
    words = request.words
    names = ("utilisation", "occupancy")
    series = {words(name): {day: row[name] for day, row in by_day.items()} for name in names}
    gaps = sum(by_day.get(day, {}).get("utilisation") is None for day in period.all_days)
    description = words("trend_description", about=about, gaps=words.number(gaps))
    chart = trend(period.all_days, series, unit=words("share_operable"), gap=words("gap"))
    return Chart(
        "trend", words("trend_title"), svg(chart, request.language, description), description,
        words("trend_caption", about=about), "utilisation", "days",
    )  # fmt: skip


def ranking_chart(request: PageRequest, stations: list[Row], name: str, about: str) -> Chart:
    words = request.words
    ranked = sorted((row for row in stations if row[name] is not None), key=lambda row: -row[name])[
        :_TOP
    ]
    rows = [
        {
            "name": _label(row["station_name"] or words("unnamed"), row["city"]),
            "value": row[name],
            "tooltip": f"{row['station_name']}, {row['city']}: {words.percent(row[name])}",
        }
        for row in ranked
    ]
    first = rows[0]["tooltip"] if rows else "–"
    description = words.plural("ranking_description", len(rows), count=len(rows), first=first)
    return Chart(
        f"ranking-{name}", words(f"ranking_{name}"),
        svg(ranking(rows, unit=words(name)), request.language, description), description,
        words("ranking_caption", about=about), name, "stations",
    )  # fmt: skip


def _label(station: str, city: str) -> str:
    """A station with its city, unless the name contains it."""
    return station if city in station else f"{station} · {city}"
