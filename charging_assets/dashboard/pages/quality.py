"""Data quality: what was polled, what was missed, what was set aside, what changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from charging_assets.dashboard.asked import Asked, utc
from charging_assets.dashboard.blocks import Chart, Figure, Page, Table, total
from charging_assets.dashboard.pages import columns
from charging_assets.dashboard.pages.period import Period, dates, period_of
from charging_assets.dashboard.reader import Reader, Row
from charging_assets.measures import coverage as coverage_of
from charging_assets.measures import in_period, summed


def page(asked: Asked, reader: Reader) -> Page:
    """Coverage by place and day, polls, rejects, drift of the source's fields."""
    period = period_of(asked, whole=False)  # the newest polls matter most here
    feed = {"feed": asked.feed.name}
    with reader.reading(period.start, period.end) as rows:
        cities = {
            row["place"]: row["city"] for row in rows("dashboard/places", **feed, **period.dates())
        }
        days = rows("dashboard/quality_days", **feed, **period.scope(asked))
        polls = rows(
            "dashboard/quality_polls", **feed, **period.window(), time_zone=asked.feed.time_zone
        )
        outcomes = rows("dashboard/quality_outcomes", **feed, **period.window())
        rejects = rows("dashboard/quality_rejects", **feed, **period.window())
        drift = rows("dashboard/quality_drift", **feed, **period.window())
    words = asked.words
    for row in days:
        row["coverage"] = coverage_of(row)
    for row in (*days, *outcomes):
        row["city"] = cities.get(row["place"], row["place"])
    polls = _with_missed(asked, period, polls)
    about = words.days(period.first, period.last)
    found = Page("quality", words("quality_title"), words("quality_lead"))
    found.choices = dates(asked, period)
    found.figures = _figures(asked, period, days, polls, rejects, drift)
    found.tables = [
        _polls(asked, polls, about),
        _outcomes(asked, outcomes, about),
        _rejects(asked, rejects, about),
        _drift(asked, drift, about),
        _coverage(asked, days, about),
    ]
    if asked.draws:
        found.charts = [_calendar(asked, period, days, cities, about)]
    return found


def _with_missed(asked: Asked, period: Period, polls: list[Row]) -> list[Row]:
    """Every day of the period, newest first, with the polls that should have been."""
    held = {row["local_date"]: row for row in polls}
    zone, newest = asked.feed.time_zone, asked.feed.newest_at + asked.feed.cadence
    rows = []
    for day in reversed(period.all_days):
        start, end = utc(day, zone), utc(day + timedelta(days=1), zone)
        row = held.get(day, {"poll_count": 0, "answer_count": 0, "ok_count": 0, "failed_count": 0})
        if start <= asked.feed.first_at < end and day in held:
            start = row["first_at"]  # polling began on this day
        length = min(end, newest) - max(start, asked.feed.first_at)
        expected = max(0, round(length / asked.feed.cadence))
        missed = max(0, expected - row["poll_count"])
        rows.append({**row, "local_date": day, "expected_count": expected, "missed_count": missed})
    return rows


def _figures(
    asked: Asked,
    period: Period,
    days: list[Row],
    polls: list[Row],
    rejects: list[Row],
    drift: list[Row],
) -> list[Figure]:
    words = asked.words
    seen = coverage_of(summed(in_period(days), ("observed_s", "window_s")))
    told_days = len({row["local_date"] for row in days})
    coverage = words.counting(
        "days_told",
        period.begun_day_count(asked),
        days=words.number(told_days),
        all=words.number(period.begun_day_count(asked)),
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


def _calendar(
    asked: Asked, period: Period, days: list[Row], cities: dict[str, str], about: str
) -> Chart:
    from charging_assets.dashboard.charts.bands import calendar
    from charging_assets.dashboard.drawing import svg

    words = asked.words
    held = {(row["place"], row["local_date"]): row["coverage"] for row in days}
    cells: list[dict[str, Any]] = []
    for place, city in cities.items():
        for day in period.all_days:
            value = held.get((place, day))
            seen = words("gap") if value is None else words.percent(value)
            cells.append(
                {
                    "city": city if len(set(cities.values())) == len(cities) else place,
                    "day": f"{day:%Y-%m-%d}T00:00:00",
                    "value": value,
                    "told": f"{city}, {words.date(day)}: {seen}",
                }
            )
    gaps = sum(cell["value"] is None for cell in cells)
    description = words(
        "calendar_description", cells=words.number(len(cells)), gaps=words.number(gaps)
    )
    names = list(dict.fromkeys(cell["city"] for cell in cells))
    return Chart(
        "calendar", words("calendar_title"),
        svg(calendar(cells, names, words("coverage")), asked.language, description), description,
        words("calendar_caption", about=about), "coverage", "coverage", is_wide=True,
    )  # fmt: skip


def _polls(asked: Asked, polls: list[Row], about: str) -> Table:
    names = ("expected_count", "poll_count", "missed_count", "answer_count", "ok_count",
             "failed_count")  # fmt: skip
    told = {"failed_count": "failed_answers"}
    return Table(
        "polls", asked.words("polls_title"),
        [
            columns.day(asked),
            *(columns.count(asked, name, told.get(name, name)) for name in names),
        ],
        polls, f"{about}. {asked.words('polls_caption')}",
    )  # fmt: skip


def _outcomes(asked: Asked, outcomes: list[Row], about: str) -> Table:
    return Table(
        "outcomes", asked.words("outcomes_title"),
        [
            columns.text(asked, "city", "city_name"),
            columns.text(asked, "place"),
            columns.text(asked, "outcome"),
            columns.count(asked, "answer_count"),
            columns.time(asked, "first_at"),
            columns.time(asked, "last_at"),
        ],
        outcomes, about,
    )  # fmt: skip


def _rejects(asked: Asked, rejects: list[Row], about: str) -> Table:
    return Table(
        "rejects", asked.words("rejects_title"),
        [
            columns.text(asked, "code"),
            columns.text(asked, "severity"),
            columns.text(asked, "entity"),
            columns.count(asked, "reject_count"),
            columns.count(asked, "place_count"),
            columns.time(asked, "first_at"),
            columns.time(asked, "last_at"),
            columns.text(asked, "one_pointer"),
            columns.text(asked, "one_fragment"),
        ],
        rejects, about,
    )  # fmt: skip


def _drift(asked: Asked, drift: list[Row], about: str) -> Table:
    return Table(
        "drift", asked.words("drift_title"),
        [
            columns.text(asked, "schema_fingerprint"),
            columns.count(asked, "answer_count"),
            columns.count(asked, "place_count"),
            columns.time(asked, "first_at"),
            columns.time(asked, "last_at"),
            columns.text(asked, "unknown_fields"),
        ],
        drift, f"{about}. {asked.words('drift_caption')}",
    )  # fmt: skip


def _coverage(asked: Asked, days: list[Row], about: str) -> Table:
    return Table(
        "coverage", asked.words("coverage_title"),
        [
            columns.text(asked, "city", "city_name"),
            columns.text(asked, "place"),
            columns.day(asked),
            columns.count(asked, "evse_count"),
            columns.share(asked, "coverage"),
        ],
        days, about,
    )  # fmt: skip
