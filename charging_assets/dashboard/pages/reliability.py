"""Reliability: availability and reliability by operator, station and day."""

from __future__ import annotations

from typing import Any

from charging_assets.dashboard.blocks import Chart, Column, Figure, FormField, Note, Page, Table
from charging_assets.dashboard.pages import columns
from charging_assets.dashboard.pages.period import (
    Filters,
    Period,
    coverage_text,
    find_first_seen,
    form_fields,
    select_filters,
    select_period,
)
from charging_assets.dashboard.reader import Query, Reader, Row
from charging_assets.dashboard.request import PageRequest
from charging_assets.measures import compute_measures, sum_columns

UK_RULE, NEVI_RULE = 0.99, 0.97
# The 99 % of the UK regulations apply to charge points of at least this power.
RAPID_KW = 50


def build_page(request: PageRequest, reader: Reader) -> Page:
    """Availability and reliability by operator and day, and the stations below 99 %."""
    period = select_period(request, whole=False)
    with reader.session(period.start, period.end) as query:
        filters = select_filters(request, query, period)
        period = select_period(
            request, first_at=find_first_seen(request, query, filters.place, filters.operator)
        )
        operators, stations, days = _query_sums(request, query, filters, period)
    operators = [{**row, **compute_measures(row)} for row in operators]
    operators.sort(key=lambda row: (row["reliability"] is None, row["reliability"] or 0))
    stations = [{**row, **compute_measures(row)} for row in stations]
    stations.sort(key=lambda row: (row["reliability"] is None, row["reliability"] or 0))
    for row in stations:
        row["city"] = filters.cities.get(row["place"], row["place"])
    by_day: dict[Any, Row] = {}
    for day in sorted({row["local_date"] for row in days}):
        sums = sum_columns(row for row in days if row["local_date"] == day)
        by_day[day] = {**sums, **compute_measures(sums)}
    words = request.words
    about = "; ".join(
        [filters.describe(request), words.days(period.first, period.last), *_option_texts(request)]
    )
    page = Page("reliability", words("reliability_title"), words("reliability_lead"))
    page.notes = [Note(words("reliability_rule"), request.href("/definitions") + "#reliability",
                        words("definition"))]  # fmt: skip
    page.form_fields = [*form_fields(request, filters, period), *_option_fields(request)]
    page.options = [
        *(["opening-hours"] if _is_open_only(request) else []),
        *([f"{RAPID_KW}-kw"] if _is_rapid_only(request) else []),
    ]
    page.figures = _figures(request, period, operators, by_day)
    page.tables = [
        _operators_table(request, operators, about),
        _stations_table(request, stations, about),
        _days_table(request, period, by_day, about),
    ]
    if request.draws:
        page.charts = [
            _dots_chart(request, operators, about),
            _trend_chart(request, period, by_day, about),
        ]
    return page


def _is_open_only(request: PageRequest) -> bool:
    return request.option("access", "open")


def _is_rapid_only(request: PageRequest) -> bool:
    return request.option("power", str(RAPID_KW))


def _option_texts(request: PageRequest) -> list[str]:
    """The active options as texts for captions."""
    return [
        *([request.words("access_open_detail")] if _is_open_only(request) else []),
        *([request.words("power_rapid_detail")] if _is_rapid_only(request) else []),
    ]


def _option_fields(request: PageRequest) -> list[FormField]:
    words = request.words
    return [
        FormField(
            "access", words("access"), "open" if _is_open_only(request) else "",
            options=[("", words("access_all")), ("open", words("access_open"))],
        ),
        FormField(
            "power", words("power"), str(RAPID_KW) if _is_rapid_only(request) else "",
            options=[("", words("all_evses")), (str(RAPID_KW), words("power_rapid"))],
        ),
    ]  # fmt: skip


def _query_sums(
    request: PageRequest, query: Query, filters: Filters, period: Period
) -> tuple[list[Row], list[Row], list[Row]]:
    """Sums by operator, by station below 99 %, and by day."""
    scope = {**filters.query_params(request), **period.scope_params(request)}
    is_open_only, is_rapid_only = _is_open_only(request), _is_rapid_only(request)
    if not is_open_only and not is_rapid_only:
        return (
            query("dashboard/reliability_operators", **scope),
            query("dashboard/reliability_stations", **scope),
            query("dashboard/city_days", **scope),
        )
    page = query(
        "dashboard/reliability_hours", **scope, time_zone=request.feed.time_zone,
        is_open_only=int(is_open_only), min_power_kw=RAPID_KW if is_rapid_only else 0,
    )  # fmt: skip
    groups: dict[str, list[Row]] = {"operator": [], "station": [], "day": []}
    for row in page:
        groups[row["grouped_by"]].append(row)
    return groups["operator"], groups["station"], groups["day"]


def _figures(
    request: PageRequest, period: Period, operators: list[Row], by_day: dict[Any, Row]
) -> list[Figure]:
    words = request.words
    shares = compute_measures(sum_columns(operators))
    coverage = coverage_text(request, period, shares["coverage"], len(by_day))
    about = words.days(period.first, period.last)
    below = [row for row in operators if row["reliability"] is not None
             and row["reliability"] < UK_RULE]  # fmt: skip
    ranked = [row for row in operators if row["reliability"] is not None]
    return [
        *(
            Figure(name, words(name), words.percent(shares[name], 2), about, coverage,
                   "availability" if name == "unknown" else name, shares[name])
            for name in ("availability", "reliability", "unknown")
        ),
        Figure(
            "below", words("operators_below"),
            words("of", count=words.number(len(below)), all=words.number(len(ranked))),
            about, coverage, "reliability", len(below),
            # The regulation covers only rapid charge points and the hours in which they are open.
            "SI 2023/1168" if _is_open_only(request) and _is_rapid_only(request) else "",
        ),
    ]  # fmt: skip


def _dots_chart(request: PageRequest, operators: list[Row], about: str) -> Chart:
    from charging_assets.dashboard.charts.curves import dots
    from charging_assets.dashboard.drawing import svg

    words = request.words
    names = {name: words(name) for name in ("reliability", "availability")}
    rows = [
        {
            "name": row["operator_name"],
            "measure": label,
            "value": row[name],
            "tooltip": f"{row['operator_name']}, {label}: {words.percent(row[name], 2)}",
        }
        for row in operators[:40]
        for name, label in names.items()
        if row[name] is not None
    ]
    description = words.plural(
        "dots_description", len(operators), count=words.number(len(operators))
    )
    chart = dots(rows, list(names.values()), unit=words("share_observed"), rule=UK_RULE)
    return Chart(
        "operators", words("dots_title"), svg(chart, request.language, description), description,
        words("dots_caption", about=about), "reliability", "operators",
    )  # fmt: skip


def _trend_chart(request: PageRequest, period: Period, by_day: dict[Any, Row], about: str) -> Chart:
    from charging_assets.dashboard.charts.curves import trend
    from charging_assets.dashboard.drawing import svg

    words = request.words
    series = {
        words(name): {day: row[name] for day, row in by_day.items()}
        for name in ("reliability", "availability")
    }
    gaps = sum(by_day.get(day, {}).get("reliability") is None for day in period.all_days)
    description = words("trend_description", about=about, gaps=words.number(gaps))
    chart = trend(
        period.all_days, series, unit=words("share_observed"), gap=words("gap"), rule=UK_RULE,
        low=0.9, height=300,
    )  # fmt: skip
    return Chart(
        "trend", words("reliability_trend"), svg(chart, request.language, description), description,
        words("reliability_caption", about=about), "reliability", "days",
    )  # fmt: skip


def _operators_table(request: PageRequest, operators: list[Row], about: str) -> Table:
    words = request.words

    def rule(row: Row) -> str:
        if row["reliability"] is None:
            return ""
        return "below" if row["reliability"] < UK_RULE else ""

    return Table(
        "operators", words("reliability_operators"),
        [
            Column("operator_name", words("operator"),
                   link=lambda row: request.href("/city", operator=row["operator_name"])),
            columns.count(request, "station_count"),
            columns.count(request, "day_count"),
            columns.share(request, "availability", 2),
            Column("reliability", words("reliability"), lambda value: words.percent(value, 2),
                   is_number=True, definition="reliability", css=rule),
            columns.share(request, "unknown", 2),
            columns.hours(request, "inoperative_s"),
            columns.hours(request, "out_of_order_s"),
            columns.hours(request, "observed_s"),
            columns.share(request, "coverage"),
        ],
        operators, f"{about}. {words('below_marked')}",
    )  # fmt: skip


def _stations_table(request: PageRequest, stations: list[Row], about: str) -> Table:
    return Table(
        "stations", request.words("reliability_stations"),
        [
            columns.station(request),
            columns.text(request, "city", "city_name"),
            columns.text(request, "operator_name", "operator"),
            columns.count(request, "evse_count"),
            columns.share(request, "reliability", 2),
            columns.hours(request, "inoperative_s"),
            columns.hours(request, "out_of_order_s"),
            columns.hours(request, "observed_s"),
            columns.share(request, "coverage"),
            columns.key(request),
        ],
        stations, about,
    )  # fmt: skip


def _days_table(request: PageRequest, period: Period, by_day: dict[Any, Row], about: str) -> Table:
    missing = dict.fromkeys(("availability", "reliability", "unknown", "coverage"))
    rows = [
        {**missing, "local_date": day, **by_day.get(day, {})} for day in reversed(period.all_days)
    ]
    return Table(
        "days", request.words("city_days"),
        [columns.day(request), *(columns.share(request, name, 2) for name in missing)],
        rows, about,
    )  # fmt: skip
