"""City and operator: utilisation of charging points by time, place and station."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from charging_assets.dashboard.blocks import Figure, FormField, Page
from charging_assets.dashboard.pages import city_tables as tables
from charging_assets.dashboard.pages.period import (
    Period,
    coverage_text,
    find_first_seen,
    form_fields,
    select_filters,
    select_period,
)  # fmt: skip
from charging_assets.dashboard.reader import Reader, Row
from charging_assets.dashboard.request import PageRequest
from charging_assets.measures import (
    CERTAINLY_FULL,
    POSSIBLY_FULL,
    SECONDS,
    SESSIONS,
    add_gaps,
    compute_measures,
    sum_columns,
    use_period_windows,
)  # fmt: skip

_SUMS = (*SECONDS, *SESSIONS, "station_operable_s", CERTAINLY_FULL, POSSIBLY_FULL)


def build_page(request: PageRequest, reader: Reader) -> Page:
    """Utilisation by hour and weekday, trend, rankings and saturation."""
    period = select_period(request, whole=False)
    with reader.session(period.start, period.end) as query:
        filters = select_filters(request, query, period)
        period = select_period(
            request, first_at=find_first_seen(request, query, filters.place, filters.operator)
        )
        params = filters.query_params(request)
        scope = {**params, **period.scope_params(request)}
        clock = {**params, **period.window_params(), "now_at": request.feed.observed_until}
        days = query("dashboard/city_days", **scope)
        stations = query("dashboard/city_stations", **scope)
        hours = query("dashboard/city_hours", **clock, time_zone=request.feed.time_zone)
        gaps = query("dashboard/city_hour_gaps", **clock)
        classes = [] if filters.operator else query(
            "dashboard/city_classes", feed=request.feed.name, place=filters.place,
            **period.scope_params(request),
        )  # fmt: skip
        dwell = query(
            "dashboard/dwell", **params, **period.date_params(), **period.window_params(),
            time_zone=request.feed.time_zone, station_key=0, evse_key=0,
        )  # fmt: skip
    full = POSSIBLY_FULL if request.option("unknown", "ignored") else CERTAINLY_FULL
    means = {(row["grouped_by"], row.get(row["grouped_by"])): row["dwell_mean_s"] for row in dwell}
    by_day = _group_by(days, "local_date", full, means)
    by_place = _group_by(use_period_windows(days), "place", full, means)
    total: Row = {
        **sum_columns(use_period_windows(days), _SUMS),
        "dwell_mean_s": means.get(("total", None)),
    }
    hours = add_gaps(hours, gaps, lambda at: _cell(request, at))
    stations = [{**row, **compute_measures(row, full)} for row in stations]
    for row in stations:
        row["city"] = filters.cities.get(row["place"], row["place"])
    for row in classes:
        row["dwell_mean_s"] = means.get(("power_class", row["power_class"]))
        row.update(compute_measures(row, full))
    for row in hours:
        row.update(compute_measures(row))
    page = Page("city", request.words("city_title"), request.words("city_lead"))
    page.form_fields = [*form_fields(request, filters, period), _saturation_field(request, full)]
    page.figures = _figures(request, period, compute_measures(total, full), total["session_count"],
                             len(by_day), full)  # fmt: skip
    about = f"{filters.describe(request)}; {request.words.days(period.first, period.last)}"
    if full == POSSIBLY_FULL:
        about = f"{about}; {request.words('possibly_full')}"
        page.options = ["possibly-full"]
    page.tables = [
        *([tables.places_table(request, filters, by_place, about)] if not filters.place else []),
        tables.stations_table(request, stations, about),
        *([tables.classes_table(request, classes, about)] if not filters.operator else []),
        tables.days_table(request, period, by_day, about),
        tables.hours_table(request, hours, about),
    ]
    if request.draws:
        from charging_assets.dashboard.pages import city_charts as charts

        page.charts = [
            charts.heat_chart(request, hours, about),
            charts.trend_chart(request, period, by_day, about),
            charts.ranking_chart(request, stations, "utilisation", about),
            charts.ranking_chart(request, stations, "saturation", about),
        ]
    return page


def _saturation_field(request: PageRequest, full: str) -> FormField:
    """The choice whether EVSEs of unknown status keep a station from counting as full."""
    words = request.words
    return FormField(
        "unknown", words("full_choice"), "ignored" if full == POSSIBLY_FULL else "",
        options=[("", words("certainly_full")), ("ignored", words("possibly_full"))],
    )  # fmt: skip


def _cell(request: PageRequest, at: datetime) -> dict[str, int]:
    """Local weekday (1 Monday) and hour of a naive UTC time."""
    local = request.words.local(at)
    return {"weekday": local.isoweekday(), "local_hour": local.hour}


def _group_by(
    days: list[Row], name: str, full: str, means: dict[tuple[str, Any], float | None]
) -> dict[Any, Row]:
    """Sums and shares, by a column."""
    groups: dict[Any, list[Row]] = {}
    for row in days:
        groups.setdefault(row[name], []).append(row)
    page = {}
    for value, rows in sorted(groups.items()):
        totals: Row = {**sum_columns(rows, _SUMS), "dwell_mean_s": means.get((name, value))}
        per_day: dict[datetime, int] = {}
        for row in rows:
            per_day[row["local_date"]] = per_day.get(row["local_date"], 0) + row["evse_count"]
        page[value] = {
            name: value,
            **totals,
            **compute_measures(totals, full),
            "evse_count": max(per_day.values()),
        }
    return page


def _figures(
    request: PageRequest,
    period: Period,
    shares: dict[str, float | None],
    session_count: int,
    observed_days: int,
    full: str,
) -> list[Figure]:
    words = request.words
    about = words.days(period.first, period.last)
    coverage = coverage_text(request, period, shares["coverage"], observed_days)
    rate = words("sessions_detail", rate=words.number(shares["sessions_per_evse"], 2))
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
