"""The city page's pictures: use by hour and weekday, day by day, and by station.

Belongs here: what a picture shows, and its words. Does not belong here: what is asked of the
data (`city`), or how pictures look (`charts`).
"""

from __future__ import annotations

from typing import Any

from charging_assets.dashboard.asked import Asked
from charging_assets.dashboard.blocks import Chart
from charging_assets.dashboard.charts.curves import heat, ranking, trend
from charging_assets.dashboard.drawing import svg
from charging_assets.dashboard.pages.period import Period
from charging_assets.dashboard.reader import Row

_TOP = 15


def heat_chart(asked: Asked, hours: list[Row], about: str) -> Chart:
    words = asked.words
    weekdays = words("weekdays").split()
    held = {(row["weekday"], row["local_hour"]): row for row in hours}
    cells: list[Row] = []
    for weekday in range(1, 8):
        for hour in range(24):
            row = held.get((weekday, hour))
            value = row["utilisation"] if row else None
            told = f"{weekdays[weekday - 1]} {hour:02}:00: {words.percent(value)}"
            cells.append({"weekday": weekday, "local_hour": hour, "value": value, "told": told})
    seen = [cell for cell in cells if cell["value"] is not None]
    most = max(seen, key=lambda cell: cell["value"], default=None)
    description = words("heat_description", most=most["told"] if most else "–")
    chart = heat(cells, weekdays, hour=words("local_hour"), legend=words("utilisation"))
    return Chart(
        "heat", words("heat_title"), svg(chart, asked.language, description), description,
        words("heat_caption", about=about), "utilisation", "hours",
    )  # fmt: skip


def trend_chart(asked: Asked, period: Period, by_day: dict[Any, Row], about: str) -> Chart:
    words = asked.words
    names = ("utilisation", "occupancy")
    series = {words(name): {day: row[name] for day, row in by_day.items()} for name in names}
    gaps = sum(by_day.get(day, {}).get("utilisation") is None for day in period.all_days)
    description = words("trend_description", about=about, gaps=words.number(gaps))
    chart = trend(period.all_days, series, unit=words("share_operable"), gap=words("gap"))
    return Chart(
        "trend", words("trend_title"), svg(chart, asked.language, description), description,
        words("trend_caption", about=about), "utilisation", "days",
    )  # fmt: skip


def ranking_chart(asked: Asked, stations: list[Row], name: str, about: str) -> Chart:
    words = asked.words
    ranked = sorted((row for row in stations if row[name] is not None), key=lambda row: -row[name])[
        :_TOP
    ]
    rows = [
        {
            "name": _label(row["station_name"] or words("unnamed"), row["city"]),
            "value": row[name],
            "told": f"{row['station_name']}, {row['city']}: {words.percent(row[name])}",
        }
        for row in ranked
    ]
    first = rows[0]["told"] if rows else "–"
    description = words.counting("ranking_description", len(rows), count=len(rows), first=first)
    return Chart(
        f"ranking-{name}", words(f"ranking_{name}"),
        svg(ranking(rows, unit=words(name)), asked.language, description), description,
        words("ranking_caption", about=about), name, "stations",
    )  # fmt: skip


def _label(station: str, city: str) -> str:
    """A station with its city, where its name does not say that already."""
    return station if city in station else f"{station} · {city}"
