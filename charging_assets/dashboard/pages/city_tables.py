"""The tables of the city page: by city, station, power class, day and hour."""

from __future__ import annotations

from typing import Any

from charging_assets.dashboard.blocks import Column, Table
from charging_assets.dashboard.pages import columns
from charging_assets.dashboard.pages.period import Filters, Period
from charging_assets.dashboard.reader import Row
from charging_assets.dashboard.request import PageRequest


def places_table(
    request: PageRequest, filters: Filters, by_place: dict[Any, Row], about: str
) -> Table:
    rows = [{**row, "city": filters.cities.get(place, place)} for place, row in by_place.items()]
    rows.sort(key=lambda row: -(row["utilisation"] if row["utilisation"] is not None else -1))
    return Table(
        "places", request.words("city_places"),
        [
            Column("city", request.words("city_name"),
                   link=lambda row: request.href(place=row["place"])),
            columns.key(request, "place"),
            *_measure_columns(request),
        ],
        rows, about,
    )  # fmt: skip


def _measure_columns(request: PageRequest) -> list[Any]:
    return [
        columns.count(request, "evse_count"),
        columns.share(request, "utilisation"),
        columns.share(request, "occupancy"),
        columns.share(request, "availability"),
        columns.share(request, "saturation"),
        columns.count(request, "session_count"),
        columns.decimal(request, "sessions_per_evse", 2),
        columns.duration(request, "dwell_mean_s"),
        columns.share(request, "coverage"),
    ]


def stations_table(request: PageRequest, stations: list[Row], about: str) -> Table:
    return Table(
        "stations", request.words("city_stations"),
        [
            columns.station(request),
            columns.text(request, "city", "city_name"),
            columns.text(request, "operator_name", "operator"),
            columns.count(request, "evse_count"),
            columns.share(request, "utilisation"),
            columns.share(request, "saturation"),
            columns.count(request, "session_count"),
            columns.share(request, "coverage"),
            columns.key(request),
        ],
        stations, f"{about}. {request.words('most_used')}",
    )  # fmt: skip


def classes_table(request: PageRequest, classes: list[Row], about: str) -> Table:
    return Table(
        "classes", request.words("city_classes"),
        [
            Column("power_class", request.words("power_class"),
                   lambda name: request.words(f"power_{name}"), definition="power_class"),
            columns.count(request, "evse_count"),
            columns.share(request, "utilisation"),
            columns.share(request, "occupancy"),
            columns.share(request, "availability"),
            columns.count(request, "session_count"),
            columns.decimal(request, "sessions_per_evse", 2),
            columns.duration(request, "dwell_mean_s"),
            columns.share(request, "coverage"),
        ],
        classes, about,
    )  # fmt: skip


def days_table(request: PageRequest, period: Period, by_day: dict[Any, Row], about: str) -> Table:
    missing = dict.fromkeys(
        ("evse_count", "utilisation", "occupancy", "availability", "saturation", "session_count",
         "sessions_per_evse", "dwell_mean_s", "coverage")
    )  # fmt: skip
    rows = [
        {**missing, "local_date": day, **by_day.get(day, {})} for day in reversed(period.all_days)
    ]
    return Table(
        "days",
        request.words("city_days"),
        [columns.day(request), *_measure_columns(request)],
        rows,
        about,
    )


def hours_table(request: PageRequest, hours: list[Row], about: str) -> Table:
    weekdays = request.words("weekdays").split()
    return Table(
        "hours", request.words("city_hours"),
        [
            Column("weekday", request.words("weekday"), lambda number: weekdays[number - 1]),
            Column("local_hour", request.words("local_hour"), lambda hour: f"{hour:02}:00"),
            columns.count(request, "hour_count"),
            columns.share(request, "utilisation"),
            columns.share(request, "coverage"),
        ],
        hours, about,
    )  # fmt: skip
