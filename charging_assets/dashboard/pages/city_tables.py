"""The city page's tables: by city, station, power class, day and hour.

Belongs here: which columns each has. Does not belong here: what is asked of the data (`city`).
"""

from __future__ import annotations

from typing import Any

from charging_assets.dashboard.asked import Asked
from charging_assets.dashboard.blocks import Column, Table
from charging_assets.dashboard.pages import columns
from charging_assets.dashboard.pages.period import Narrowed, Period
from charging_assets.dashboard.reader import Row


def places_table(asked: Asked, chosen: Narrowed, by_place: dict[Any, Row], about: str) -> Table:
    rows = [{**row, "city": chosen.cities.get(place, place)} for place, row in by_place.items()]
    rows.sort(key=lambda row: -(row["utilisation"] if row["utilisation"] is not None else -1))
    return Table(
        "places", asked.words("city_places"),
        [
            Column("city", asked.words("city_name"),
                   link=lambda row: asked.href(place=row["place"])),
            columns.key(asked, "place"),
            *_measures(asked),
        ],
        rows, about,
    )  # fmt: skip


def _measures(asked: Asked) -> list[Any]:
    return [
        columns.count(asked, "evse_count"),
        columns.share(asked, "utilisation"),
        columns.share(asked, "occupancy"),
        columns.share(asked, "availability"),
        columns.share(asked, "saturation"),
        columns.count(asked, "session_count"),
        columns.decimal(asked, "sessions_per_evse", 2),
        columns.duration(asked, "dwell_mean_s"),
        columns.share(asked, "coverage"),
    ]


def stations_table(asked: Asked, stations: list[Row], about: str) -> Table:
    return Table(
        "stations", asked.words("city_stations"),
        [
            columns.station(asked),
            columns.text(asked, "city", "city_name"),
            columns.text(asked, "operator_name", "operator"),
            columns.count(asked, "evse_count"),
            columns.share(asked, "utilisation"),
            columns.share(asked, "saturation"),
            columns.count(asked, "session_count"),
            columns.share(asked, "coverage"),
            columns.key(asked),
        ],
        stations, f"{about}. {asked.words('most_used')}",
    )  # fmt: skip


def classes_table(asked: Asked, classes: list[Row], about: str) -> Table:
    return Table(
        "classes", asked.words("city_classes"),
        [
            Column("power_class", asked.words("power_class"),
                   lambda name: asked.words(f"power_{name}"), definition="power_class"),
            columns.count(asked, "evse_count"),
            columns.share(asked, "utilisation"),
            columns.share(asked, "occupancy"),
            columns.share(asked, "availability"),
            columns.count(asked, "session_count"),
            columns.decimal(asked, "sessions_per_evse", 2),
            columns.duration(asked, "dwell_mean_s"),
            columns.share(asked, "coverage"),
        ],
        classes, about,
    )  # fmt: skip


def days_table(asked: Asked, period: Period, by_day: dict[Any, Row], about: str) -> Table:
    missing = dict.fromkeys(
        ("evse_count", "utilisation", "occupancy", "availability", "saturation", "session_count",
         "sessions_per_evse", "dwell_mean_s", "coverage")
    )  # fmt: skip
    rows = [
        {**missing, "local_date": day, **by_day.get(day, {})} for day in reversed(period.all_days)
    ]
    return Table(
        "days", asked.words("city_days"), [columns.day(asked), *_measures(asked)], rows, about
    )


def hours_table(asked: Asked, hours: list[Row], about: str) -> Table:
    weekdays = asked.words("weekdays").split()
    return Table(
        "hours", asked.words("city_hours"),
        [
            Column("weekday", asked.words("weekday"), lambda number: weekdays[number - 1]),
            Column("local_hour", asked.words("local_hour"), lambda hour: f"{hour:02}:00"),
            columns.count(asked, "hour_count"),
            columns.share(asked, "utilisation"),
            columns.share(asked, "coverage"),
        ],
        hours, about,
    )  # fmt: skip
