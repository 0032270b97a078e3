"""City and operator: how much the charging points are used, when, and where most."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from charging_assets.dashboard.asked import Asked
from charging_assets.dashboard.blocks import Chart, Figure, Page, Table, share
from charging_assets.dashboard.measures import SECONDS, measured, summed
from charging_assets.dashboard.pages import columns
from charging_assets.dashboard.pages.period import (
    Narrowed,
    Period,
    choices,
    narrowed,
    period_of,
)  # fmt: skip
from charging_assets.dashboard.reader import Reader, Row

_SUMS = (*SECONDS, "station_operable_s", "saturated_s", "session_count", "ended_session_count",
         "dwell_s")  # fmt: skip
_TOP = 15


def page(asked: Asked, reader: Reader) -> Page:
    """Utilisation by hour and weekday, its trend, rankings, saturation."""
    period = period_of(asked)
    with reader.reading(period.start, period.end) as rows:
        chosen = narrowed(asked, rows)
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
        *([_places(asked, chosen, by_place, about)] if not chosen.place else []),
        _stations(asked, stations, about),
        *([_classes(asked, classes, about)] if not chosen.operator else []),
        _days(asked, period, by_day, about),
        _hours(asked, hours, about),
    ]
    if asked.draws:
        found.charts = [
            _heat(asked, hours, about),
            _trend(asked, period, by_day, about),
            _ranking(asked, stations, "utilisation", about),
            _ranking(asked, stations, "saturation", about),
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
    coverage = words(
        "coverage_told",
        share=words.percent(shares["coverage"]),
        days=words.number(len(by_day)),
        all=words.number(period.day_count),
    )
    enough = (shares["coverage"] or 0) >= 0.8
    saturation = share(totals["saturated_s"], totals["station_operable_s"]) if enough else None
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


def _heat(asked: Asked, hours: list[Row], about: str) -> Chart:
    from charging_assets.dashboard.charts.curves import heat
    from charging_assets.dashboard.drawing import svg

    words = asked.words
    weekdays = words("weekdays").split()
    held = {(row["weekday"], row["local_hour"]): row for row in hours}
    cells: list[Row] = []
    for weekday in range(1, 8):
        for hour in range(24):
            row = held.get((weekday, hour))
            value = _utilisation(row)
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


def _utilisation(row: Row | None) -> float | None:
    if row is None or row["observed_s"] * 5 < row["window_s"] * 4:
        return None
    return share(row["charging_s"], row["operable_s"])


def _trend(asked: Asked, period: Period, by_day: dict[Any, Row], about: str) -> Chart:
    from charging_assets.dashboard.charts.curves import trend
    from charging_assets.dashboard.drawing import svg

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


def _ranking(asked: Asked, stations: list[Row], name: str, about: str) -> Chart:
    from charging_assets.dashboard.charts.curves import ranking
    from charging_assets.dashboard.drawing import svg

    words = asked.words
    ranked = sorted((row for row in stations if row[name] is not None), key=lambda row: -row[name])[
        :_TOP
    ]
    rows = [
        {
            "name": f"{row['station_name'] or words('unnamed')} · {row['city']}",
            "value": row[name],
            "told": f"{row['station_name']}, {row['city']}: {words.percent(row[name])}",
        }
        for row in ranked
    ]
    description = words(
        "ranking_description", count=len(rows), first=rows[0]["told"] if rows else "–"
    )
    return Chart(
        f"ranking-{name}", words(f"ranking_{name}"),
        svg(ranking(rows, unit=words(name)), asked.language, description), description,
        words("ranking_caption", about=about), name, "stations",
    )  # fmt: skip


def _places(asked: Asked, chosen: Narrowed, by_place: dict[Any, Row], about: str) -> Table:
    from charging_assets.dashboard.blocks import Column

    rows = [{**row, "city": chosen.cities.get(place, place)} for place, row in by_place.items()]
    rows.sort(key=lambda row: -(row["utilisation"] if row["utilisation"] is not None else -1))
    return Table(
        "places", asked.words("city_places"),
        [
            Column("city", asked.words("city_name"),
                   link=lambda row: asked.href(place=row["place"])),
            columns.text(asked, "place"),
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


def _stations(asked: Asked, stations: list[Row], about: str) -> Table:
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
            columns.text(asked, "station_key"),
        ],
        stations, f"{about}. {asked.words('most_used')}",
    )  # fmt: skip


def _classes(asked: Asked, classes: list[Row], about: str) -> Table:
    from charging_assets.dashboard.blocks import Column

    rows = [
        {
            **row,
            **measured(row),
            "dwell_mean_s": share(row["dwell_s"], row["ended_session_count"]),
        }
        for row in classes
    ]
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
            columns.duration(asked, "dwell_mean_s"),
            columns.share(asked, "coverage"),
        ],
        rows, about,
    )  # fmt: skip


def _days(asked: Asked, period: Period, by_day: dict[Any, Row], about: str) -> Table:
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


def _hours(asked: Asked, hours: list[Row], about: str) -> Table:
    from charging_assets.dashboard.blocks import Column

    weekdays = asked.words("weekdays").split()
    rows = [
        {
            **row,
            "utilisation": _utilisation(row),
            "coverage": share(row["observed_s"], row["window_s"]),
        }
        for row in hours
    ]
    return Table(
        "hours", asked.words("city_hours"),
        [
            Column("weekday", asked.words("weekday"), lambda number: weekdays[number - 1]),
            Column("local_hour", asked.words("local_hour"), lambda hour: f"{hour:02}:00"),
            columns.count(asked, "hour_count"),
            columns.share(asked, "utilisation"),
            columns.share(asked, "coverage"),
        ],
        rows, about,
    )  # fmt: skip
