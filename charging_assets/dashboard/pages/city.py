"""City and operator: how much the charging points are used, when, and where most."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from charging_assets.dashboard.asked import Asked
from charging_assets.dashboard.blocks import Choice, Figure, Page
from charging_assets.dashboard.pages import city_tables as tables
from charging_assets.dashboard.pages.period import (
    Period,
    choices,
    coverage_text,
    first_seen,
    narrowed,
    period_of,
)  # fmt: skip
from charging_assets.dashboard.reader import Reader, Row
from charging_assets.measures import (
    CERTAINLY_FULL,
    POSSIBLY_FULL,
    SECONDS,
    SESSIONS,
    add_gaps,
    in_period,
    measured,
    summed,
)  # fmt: skip

_SUMS = (*SECONDS, *SESSIONS, "station_operable_s", CERTAINLY_FULL, POSSIBLY_FULL)


def page(asked: Asked, reader: Reader) -> Page:
    """Utilisation by hour and weekday, its trend, rankings, saturation."""
    period = period_of(asked, whole=False)
    with reader.reading(period.start, period.end) as rows:
        chosen = narrowed(asked, rows, period)
        period = period_of(asked, first_at=first_seen(asked, rows, chosen.place, chosen.operator))
        params = chosen.params(asked)
        scope = {**params, **period.scope(asked)}
        clock = {**params, **period.window(), "now_at": asked.feed.observed_until}
        days = rows("dashboard/city_days", **scope)
        stations = rows("dashboard/city_stations", **scope)
        hours = rows("dashboard/city_hours", **clock, time_zone=asked.feed.time_zone)
        gaps = rows("dashboard/city_hour_gaps", **clock)
        classes = [] if chosen.operator else rows(
            "dashboard/city_classes", feed=asked.feed.name, place=chosen.place,
            **period.scope(asked),
        )  # fmt: skip
        dwell = rows(
            "dashboard/dwell", **params, **period.dates(), **period.window(),
            time_zone=asked.feed.time_zone, station_key=0, evse_key=0,
        )  # fmt: skip
    full = POSSIBLY_FULL if asked.option("unknown", "ignored") else CERTAINLY_FULL
    means = {(row["grouped_by"], row.get(row["grouped_by"])): row["dwell_mean_s"] for row in dwell}
    by_day = _grouped(days, "local_date", full, means)
    by_place = _grouped(in_period(days), "place", full, means)
    total: Row = {**summed(in_period(days), _SUMS), "dwell_mean_s": means.get(("total", None))}
    hours = add_gaps(hours, gaps, lambda at: _cell(asked, at))
    stations = [{**row, **measured(row, full)} for row in stations]
    for row in stations:
        row["city"] = chosen.cities.get(row["place"], row["place"])
    for row in classes:
        row["dwell_mean_s"] = means.get(("power_class", row["power_class"]))
        row.update(measured(row, full))
    for row in hours:
        row.update(measured(row))
    found = Page("city", asked.words("city_title"), asked.words("city_lead"))
    found.choices = [*choices(asked, chosen, period), _full_choice(asked, full)]
    found.figures = _figures(asked, period, measured(total, full), total["session_count"],
                             len(by_day), full)  # fmt: skip
    about = f"{chosen.told(asked)}; {asked.words.days(period.first, period.last)}"
    if full == POSSIBLY_FULL:
        about = f"{about}; {asked.words('possibly_full')}"
        found.options = ["possibly-full"]
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


def _full_choice(asked: Asked, full: str) -> Choice:
    """Whether stations count as full while the status of an EVSE is unknown."""
    words = asked.words
    return Choice(
        "unknown", words("full_choice"), "ignored" if full == POSSIBLY_FULL else "",
        options=[("", words("certainly_full")), ("ignored", words("possibly_full"))],
    )  # fmt: skip


def _cell(asked: Asked, at: datetime) -> dict[str, int]:
    """Weekday (1 Monday) and hour of a naive UTC time by the feed's clock."""
    local = asked.words.local(at)
    return {"weekday": local.isoweekday(), "local_hour": local.hour}


def _grouped(
    days: list[Row], name: str, full: str, means: dict[tuple[str, Any], float | None]
) -> dict[Any, Row]:
    """Sums by a column, with their shares."""
    groups: dict[Any, list[Row]] = {}
    for row in days:
        groups.setdefault(row[name], []).append(row)
    found = {}
    for value, rows in sorted(groups.items()):
        totals: Row = {**summed(rows, _SUMS), "dwell_mean_s": means.get((name, value))}
        per_day: dict[datetime, int] = {}
        for row in rows:
            per_day[row["local_date"]] = per_day.get(row["local_date"], 0) + row["evse_count"]
        found[value] = {
            name: value,
            **totals,
            **measured(totals, full),
            "evse_count": max(per_day.values()),
        }
    return found


def _figures(
    asked: Asked,
    period: Period,
    shares: dict[str, float | None],
    session_count: int,
    observed_days: int,
    full: str,
) -> list[Figure]:
    words = asked.words
    about = words.days(period.first, period.last)
    coverage = coverage_text(asked, period, shares["coverage"], observed_days)
    rate = words("sessions_told", rate=words.number(shares["sessions_per_evse"], 2))
    possibly = words("possibly_full_unit") if full == POSSIBLY_FULL else ""

    def of_time(name: str, unit: str = "") -> Figure:
        return Figure(name, words(name), words.percent(shares[name]), about, coverage, name,
                      shares[name], unit)  # fmt: skip

    dwell = shares["dwell_mean_s"]
    return [
        of_time("utilisation"),
        of_time("occupancy"),
        of_time("availability"),
        of_time("saturation", possibly),
        Figure("sessions", words("sessions"), words.number(session_count), about, coverage,
               "sessions", session_count, rate),
        Figure("dwell", words("dwell"), words.duration(dwell), about, coverage, "dwell", dwell),
    ]  # fmt: skip
