"""Data quality: polls, missed polls, rejects and schema drift."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from charging_assets.dashboard.blocks import Chart, Figure, Page, Table, total
from charging_assets.dashboard.pages import columns
from charging_assets.dashboard.pages.period import Period, date_fields, select_period
from charging_assets.dashboard.reader import Reader, Row
from charging_assets.dashboard.request import PageRequest, utc
from charging_assets.measures import coverage as coverage_of
from charging_assets.measures import sum_columns, use_period_windows


def build_page(request: PageRequest, reader: Reader) -> Page:
    """Coverage by place and day, polls, rejects, and schema drift of the source."""
    period = select_period(request, whole=False)  # the newest polls matter most here
    feed = {"feed": request.feed.name}
    with reader.session(period.start, period.end) as query:
        cities = {
            row["place"]: row["city"]
            for row in query("dashboard/places", **feed, **period.date_params())
        }
        days = query("dashboard/quality_days", **feed, **period.scope_params(request))
        polls = query(
            "dashboard/quality_polls",
            **feed,
            **period.window_params(),
            time_zone=request.feed.time_zone,
        )
        outcomes = query("dashboard/quality_outcomes", **feed, **period.window_params())
        rejects = query("dashboard/quality_rejects", **feed, **period.window_params())
        drift = query("dashboard/quality_drift", **feed, **period.window_params())
    words = request.words
    for row in days:
        row["coverage"] = coverage_of(row)
    for row in (*days, *outcomes):
        row["city"] = cities.get(row["place"], row["place"])
    polls = _add_missed_polls(request, period, polls)
    about = words.days(period.first, period.last)
    page = Page("quality", words("quality_title"), words("quality_lead"))
    page.form_fields = date_fields(request, period)
    page.figures = _figures(request, period, days, polls, rejects, drift)
    page.tables = [
        _polls_table(request, polls, about),
        _outcomes_table(request, outcomes, about),
        _rejects_table(request, rejects, about),
        _drift_table(request, drift, about),
        _coverage_table(request, days, about),
    ]
    if request.draws:
        page.charts = [_calendar_chart(request, period, days, cities, about)]
    return page


def _add_missed_polls(request: PageRequest, period: Period, polls: list[Row]) -> list[Row]:
    """All days of the period, newest first, with the number of expected and missed polls."""
    row_by_day = {row["local_date"]: row for row in polls}
    zone, newest = request.feed.time_zone, request.feed.newest_at + request.feed.cadence
    rows = []
    for day in reversed(period.all_days):
        start, end = utc(day, zone), utc(day + timedelta(days=1), zone)
        row = row_by_day.get(
            day, {"poll_count": 0, "answer_count": 0, "ok_count": 0, "failed_count": 0}
        )
        if start <= request.feed.first_at < end and day in row_by_day:
            start = row["first_at"]  # polling began on this day
        length = min(end, newest) - max(start, request.feed.first_at)
        expected = max(0, round(length / request.feed.cadence))
        missed = max(0, expected - row["poll_count"])
        rows.append({**row, "local_date": day, "expected_count": expected, "missed_count": missed})
    return rows


def _figures(
    request: PageRequest,
    period: Period,
    days: list[Row],
    polls: list[Row],
    rejects: list[Row],
    drift: list[Row],
) -> list[Figure]:
    words = request.words
    seen = coverage_of(sum_columns(use_period_windows(days), ("observed_s", "window_s")))
    observed_days = len({row["local_date"] for row in days})
    coverage = words.plural(
        "days_with_data",
        period.started_day_count(request),
        days=words.number(observed_days),
        all=words.number(period.started_day_count(request)),
    )
    about = words.days(period.first, period.last)
    expected, missed = total(polls, "expected_count"), total(polls, "missed_count")
    answers, failed = total(polls, "answer_count"), total(polls, "failed_count")

    def of(name: str, part: int, whole: int, definition: str) -> Figure:
        value = words("of", count=words.number(part), all=words.number(whole))
        return Figure(name, words(f"quality_{name}"), value, about, coverage, definition, part)

    return [
        Figure("coverage", words("coverage"), words.percent(seen), about, coverage, "coverage",
               seen),
        of("missed", missed, expected, "coverage"),
        of("failed", failed, answers, "coverage"),
        Figure("rejects", words("quality_rejects"), words.number(total(rejects, "reject_count")),
               about, coverage, "rejects", total(rejects, "reject_count")),
        Figure("drift", words("quality_drift"), words.number(len(drift)), about, coverage,
               "drift", len(drift)),
    ]  # fmt: skip


def _calendar_chart(
    request: PageRequest, period: Period, days: list[Row], cities: dict[str, str], about: str
) -> Chart:
    from charging_assets.dashboard.charts.bands import calendar
    from charging_assets.dashboard.drawing import svg

    words = request.words
    row_by_day = {(row["place"], row["local_date"]): row["coverage"] for row in days}
    cells: list[dict[str, Any]] = []
    for place, city in cities.items():
        for day in period.all_days:
            value = row_by_day.get((place, day))
            seen = words("gap") if value is None else words.percent(value)
            cells.append(
                {
                    "city": city if len(set(cities.values())) == len(cities) else place,
                    "day": f"{day:%Y-%m-%d}T00:00:00",
                    "value": value,
                    "tooltip": f"{city}, {words.date(day)}: {seen}",
                }
            )
    gaps = sum(cell["value"] is None for cell in cells)
    description = words(
        "calendar_description", cells=words.number(len(cells)), gaps=words.number(gaps)
    )
    names = list(dict.fromkeys(cell["city"] for cell in cells))
    return Chart(
        "calendar", words("calendar_title"),
        svg(calendar(cells, names, words("coverage")), request.language, description), description,
        words("calendar_caption", about=about), "coverage", "coverage", is_wide=True,
    )  # fmt: skip


def _polls_table(request: PageRequest, polls: list[Row], about: str) -> Table:
    names = ("expected_count", "poll_count", "missed_count", "answer_count", "ok_count",
             "failed_count")  # fmt: skip
    labels = {"failed_count": "failed_answers"}
    return Table(
        "polls", request.words("polls_title"),
        [
            columns.day(request),
            *(columns.count(request, name, labels.get(name, name)) for name in names),
        ],
        polls, f"{about}. {request.words('polls_caption')}",
    )  # fmt: skip


def _outcomes_table(request: PageRequest, outcomes: list[Row], about: str) -> Table:
    return Table(
        "outcomes", request.words("outcomes_title"),
        [
            columns.text(request, "city", "city_name"),
            columns.text(request, "place"),
            columns.text(request, "outcome"),
            columns.count(request, "answer_count"),
            columns.time(request, "first_at"),
            columns.time(request, "last_at"),
        ],
        outcomes, about,
    )  # fmt: skip


def _rejects_table(request: PageRequest, rejects: list[Row], about: str) -> Table:
    return Table(
        "rejects", request.words("rejects_title"),
        [
            columns.text(request, "code"),
            columns.text(request, "severity"),
            columns.text(request, "entity"),
            columns.count(request, "reject_count"),
            columns.count(request, "place_count"),
            columns.time(request, "first_at"),
            columns.time(request, "last_at"),
            columns.text(request, "one_pointer"),
            columns.text(request, "one_fragment"),
        ],
        rejects, about,
    )  # fmt: skip


def _drift_table(request: PageRequest, drift: list[Row], about: str) -> Table:
    return Table(
        "drift", request.words("drift_title"),
        [
            columns.text(request, "schema_fingerprint"),
            columns.count(request, "answer_count"),
            columns.count(request, "place_count"),
            columns.time(request, "first_at"),
            columns.time(request, "last_at"),
            columns.text(request, "unknown_fields"),
        ],
        drift, f"{about}. {request.words('drift_caption')}",
    )  # fmt: skip


def _coverage_table(request: PageRequest, days: list[Row], about: str) -> Table:
    return Table(
        "coverage", request.words("coverage_title"),
        [
            columns.text(request, "city", "city_name"),
            columns.text(request, "place"),
            columns.day(request),
            columns.count(request, "evse_count"),
            columns.share(request, "coverage"),
        ],
        days, about,
    )  # fmt: skip
