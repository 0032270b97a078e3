"""City and operator: how much the charging points are used, when, and where most."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from charging_assets.dashboard.asked import Asked
from charging_assets.dashboard.blocks import Figure, Page, share
from charging_assets.dashboard.measures import SECONDS, enough, measured, summed
from charging_assets.dashboard.pages import city_tables as tables
from charging_assets.dashboard.pages.period import (
    Narrowed,
    Period,
    choices,
    first_seen,
    narrowed,
    period_of,
)  # fmt: skip
from charging_assets.dashboard.reader import Reader, Row

_SUMS = (*SECONDS, "station_operable_s", "saturated_s", "session_count", "ended_session_count",
         "dwell_s")  # fmt: skip


def page(asked: Asked, reader: Reader) -> Page:
    """Utilisation by hour and weekday, its trend, rankings, saturation."""
    period = period_of(asked, whole=False)
    with reader.reading(period.start, period.end) as rows:
        chosen = narrowed(asked, rows)
        period = period_of(asked, first_at=first_seen(asked, rows, chosen.place, chosen.operator))
        params = chosen.params(asked)
        days = rows("dashboard/city_days", **params, **period.dates())
        stations = rows("dashboard/city_stations", **params, **period.dates())
        hours = rows(
            "dashboard/city_hours",
            **params,
            **period.window(),
            time_zone=asked.feed.time_zone,
        )
        classes = rows(
            "dashboard/city_classes", feed=asked.feed.name, place=chosen.place, **period.dates()
        )
    by_day = _grouped(days, "local_date")
    by_place = _grouped(days, "place")
    found = Page("city", asked.words("city_title"), asked.words("city_lead"))
    found.choices = choices(asked, chosen, period)
    found.figures = _figures(asked, chosen, period, summed(days, _SUMS), by_day)
    about = f"{chosen.told(asked)}; {asked.words.days(period.first, period.last)}"
    for row in stations:
        row["city"] = chosen.cities.get(row["place"], row["place"])
    found.tables = [
        *([tables.places_table(asked, chosen, by_place, about)] if not chosen.place else []),
        tables.stations_table(asked, stations, about),
        *([tables.classes_table(asked, classes, about)] if not chosen.operator else []),
        tables.days_table(asked, period, by_day, about),
        tables.hours_table(asked, hours, about),
    ]
    if asked.draws:
        from charging_assets.dashboard.pages import city_charts as charts

        found.charts = [
            charts.heat_chart(asked, hours, about),
            charts.trend_chart(asked, period, by_day, about),
            charts.ranking_chart(asked, stations, "utilisation", about),
            charts.ranking_chart(asked, stations, "saturation", about),
        ]
    return found


def _grouped(days: list[Row], name: str) -> dict[Any, Row]:
    """Sums by a column, with their shares."""
    groups: dict[Any, list[Row]] = {}
    for row in days:
        groups.setdefault(row[name], []).append(row)
    found = {}
    for value, rows in sorted(groups.items()):
        totals = summed(rows, _SUMS)
        per_day: dict[datetime, int] = {}
        for row in rows:
            per_day[row["local_date"]] = per_day.get(row["local_date"], 0) + row["evse_count"]
        found[value] = {
            name: value,
            **totals,
            **measured(totals),
            "saturation": share(totals["saturated_s"], totals["station_operable_s"]),
            "dwell_mean_s": share(totals["dwell_s"], totals["ended_session_count"]),
            "sessions_per_evse": share(totals["session_count"], sum(per_day.values())),
            "evse_count": max(per_day.values()),
        }
    return found


def _figures(
    asked: Asked, chosen: Narrowed, period: Period, totals: Row, by_day: dict[Any, Row]
) -> list[Figure]:
    words = asked.words
    shares = measured(totals)
    evse_days = sum(row["evse_count"] for row in by_day.values())
    about = words.days(period.first, period.last)
    coverage = words.counting(
        "coverage_told",
        period.day_count,
        share=words.percent(shares["coverage"]),
        days=words.number(len(by_day)),
        all=words.number(period.day_count),
    )
    saturation = share(totals["saturated_s"], totals["station_operable_s"])
    if not enough(totals):
        saturation = None
    told = [
        *(
            (name, words.percent(shares[name]), shares[name])
            for name in ("utilisation", "occupancy", "availability")
        ),
        ("saturation", words.percent(saturation), saturation),
        (
            "sessions",
            words.number(totals["session_count"]),
            totals["session_count"],
        ),
        (
            "dwell",
            words.duration(share(totals["dwell_s"], totals["ended_session_count"])),
            share(totals["dwell_s"], totals["ended_session_count"]),
        ),
    ]
    rate = words.number(share(totals["session_count"], evse_days), 2)
    units = {"sessions": words("sessions_told", rate=rate)}
    return [
        Figure(name, words(name), value, about, coverage, name, raw, units.get(name, ""))
        for name, value, raw in told
    ]
