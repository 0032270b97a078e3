"""Reliability: which operators' charging points worked, by which rule."""

from __future__ import annotations

from typing import Any

from charging_assets.dashboard.asked import Asked
from charging_assets.dashboard.blocks import Chart, Choice, Column, Figure, Note, Page, Table
from charging_assets.dashboard.pages import columns
from charging_assets.dashboard.pages.period import (
    Narrowed,
    Period,
    choices,
    coverage_text,
    first_seen,
    narrowed,
    period_of,
)
from charging_assets.dashboard.reader import Reader, Row, Rows
from charging_assets.measures import measured, summed

UK_RULE, NEVI_RULE = 0.99, 0.97
# The 99 % of the UK's regulations hold for charge points from this power on.
RAPID_KW = 50


def page(asked: Asked, reader: Reader) -> Page:
    """Availability and reliability by operator and day, and the stations below the rule."""
    period = period_of(asked, whole=False)
    with reader.reading(period.start, period.end) as rows:
        chosen = narrowed(asked, rows, period)
        period = period_of(asked, first_at=first_seen(asked, rows, chosen.place, chosen.operator))
        operators, stations, days = _read(asked, rows, chosen, period)
    operators = [{**row, **measured(row)} for row in operators]
    operators.sort(key=lambda row: (row["reliability"] is None, row["reliability"] or 0))
    stations = [{**row, **measured(row)} for row in stations]
    stations.sort(key=lambda row: (row["reliability"] is None, row["reliability"] or 0))
    for row in stations:
        row["city"] = chosen.cities.get(row["place"], row["place"])
    by_day: dict[Any, Row] = {}
    for day in sorted({row["local_date"] for row in days}):
        sums = summed(row for row in days if row["local_date"] == day)
        by_day[day] = {**sums, **measured(sums)}
    words = asked.words
    about = "; ".join(
        [chosen.told(asked), words.days(period.first, period.last), *_option_texts(asked)]
    )
    found = Page("reliability", words("reliability_title"), words("reliability_lead"))
    found.notes = [Note(words("reliability_rule"), asked.href("/definitions") + "#reliability",
                        words("definition"))]  # fmt: skip
    found.choices = [*choices(asked, chosen, period), *_option_choices(asked)]
    found.options = [
        *(["opening-hours"] if _is_open_only(asked) else []),
        *([f"{RAPID_KW}-kw"] if _is_rapid_only(asked) else []),
    ]
    found.figures = _figures(asked, period, operators, by_day)
    found.tables = [
        _operators(asked, operators, about),
        _stations(asked, stations, about),
        _days(asked, period, by_day, about),
    ]
    if asked.draws:
        found.charts = [
            _dots(asked, operators, about),
            _trend(asked, period, by_day, about),
        ]
    return found


def _is_open_only(asked: Asked) -> bool:
    return asked.option("access", "open")


def _is_rapid_only(asked: Asked) -> bool:
    return asked.option("power", str(RAPID_KW))


def _option_texts(asked: Asked) -> list[str]:
    """The options that are set, in words, for captions."""
    return [
        *([asked.words("access_open_told")] if _is_open_only(asked) else []),
        *([asked.words("power_rapid_told")] if _is_rapid_only(asked) else []),
    ]


def _option_choices(asked: Asked) -> list[Choice]:
    words = asked.words
    return [
        Choice(
            "access", words("access"), "open" if _is_open_only(asked) else "",
            options=[("", words("access_all")), ("open", words("access_open"))],
        ),
        Choice(
            "power", words("power"), str(RAPID_KW) if _is_rapid_only(asked) else "",
            options=[("", words("all_evses")), (str(RAPID_KW), words("power_rapid"))],
        ),
    ]  # fmt: skip


def _read(
    asked: Asked, rows: Rows, chosen: Narrowed, period: Period
) -> tuple[list[Row], list[Row], list[Row]]:
    """Sums by operator, by station below the rule, and by day."""
    scope = {**chosen.params(asked), **period.scope(asked)}
    is_open_only, is_rapid_only = _is_open_only(asked), _is_rapid_only(asked)
    if not is_open_only and not is_rapid_only:
        return (
            rows("dashboard/reliability_operators", **scope),
            rows("dashboard/reliability_stations", **scope),
            rows("dashboard/city_days", **scope),
        )
    found = rows(
        "dashboard/reliability_hours", **scope, time_zone=asked.feed.time_zone,
        is_open_only=int(is_open_only), min_power_kw=RAPID_KW if is_rapid_only else 0,
    )  # fmt: skip
    groups: dict[str, list[Row]] = {"operator": [], "station": [], "day": []}
    for row in found:
        groups[row["grouped_by"]].append(row)
    return groups["operator"], groups["station"], groups["day"]


def _figures(
    asked: Asked, period: Period, operators: list[Row], by_day: dict[Any, Row]
) -> list[Figure]:
    words = asked.words
    shares = measured(summed(operators))
    coverage = coverage_text(asked, period, shares["coverage"], len(by_day))
    about = words.days(period.first, period.last)
    below = [row for row in operators if row["reliability"] is not None
             and row["reliability"] < UK_RULE]  # fmt: skip
    known = [row for row in operators if row["reliability"] is not None]
    return [
        *(
            Figure(name, words(name), words.percent(shares[name], 2), about, coverage,
                   "availability" if name == "unknown" else name, shares[name])
            for name in ("availability", "reliability", "unknown")
        ),
        Figure(
            "below", words("operators_below"),
            words("of", count=words.number(len(below)), all=words.number(len(known))),
            about, coverage, "reliability", len(below),
            # The law's line is for rapid charge points in hours of access only.
            "SI 2023/1168" if _is_open_only(asked) and _is_rapid_only(asked) else "",
        ),
    ]  # fmt: skip


def _dots(asked: Asked, operators: list[Row], about: str) -> Chart:
    from charging_assets.dashboard.charts.curves import dots
    from charging_assets.dashboard.drawing import svg

    words = asked.words
    names = {name: words(name) for name in ("reliability", "availability")}
    rows = [
        {
            "name": row["operator_name"],
            "measure": told,
            "value": row[name],
            "told": f"{row['operator_name']}, {told}: {words.percent(row[name], 2)}",
        }
        for row in operators[:40]
        for name, told in names.items()
        if row[name] is not None
    ]
    description = words.counting(
        "dots_description", len(operators), count=words.number(len(operators))
    )
    chart = dots(rows, list(names.values()), unit=words("share_observed"), rule=UK_RULE)
    return Chart(
        "operators", words("dots_title"), svg(chart, asked.language, description), description,
        words("dots_caption", about=about), "reliability", "operators",
    )  # fmt: skip


def _trend(asked: Asked, period: Period, by_day: dict[Any, Row], about: str) -> Chart:
    from charging_assets.dashboard.charts.curves import trend
    from charging_assets.dashboard.drawing import svg

    words = asked.words
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
        "trend", words("reliability_trend"), svg(chart, asked.language, description), description,
        words("reliability_caption", about=about), "reliability", "days",
    )  # fmt: skip


def _operators(asked: Asked, operators: list[Row], about: str) -> Table:
    words = asked.words

    def rule(row: Row) -> str:
        if row["reliability"] is None:
            return ""
        return "below" if row["reliability"] < UK_RULE else ""

    return Table(
        "operators", words("reliability_operators"),
        [
            Column("operator_name", words("operator"),
                   link=lambda row: asked.href("/city", operator=row["operator_name"])),
            columns.count(asked, "station_count"),
            columns.count(asked, "day_count"),
            columns.share(asked, "availability", 2),
            Column("reliability", words("reliability"), lambda value: words.percent(value, 2),
                   is_number=True, definition="reliability", css=rule),
            columns.share(asked, "unknown", 2),
            columns.hours(asked, "inoperative_s"),
            columns.hours(asked, "out_of_order_s"),
            columns.hours(asked, "observed_s"),
            columns.share(asked, "coverage"),
        ],
        operators, f"{about}. {words('below_marked')}",
    )  # fmt: skip


def _stations(asked: Asked, stations: list[Row], about: str) -> Table:
    return Table(
        "stations", asked.words("reliability_stations"),
        [
            columns.station(asked),
            columns.text(asked, "city", "city_name"),
            columns.text(asked, "operator_name", "operator"),
            columns.count(asked, "evse_count"),
            columns.share(asked, "reliability", 2),
            columns.hours(asked, "inoperative_s"),
            columns.hours(asked, "out_of_order_s"),
            columns.hours(asked, "observed_s"),
            columns.share(asked, "coverage"),
            columns.key(asked),
        ],
        stations, about,
    )  # fmt: skip


def _days(asked: Asked, period: Period, by_day: dict[Any, Row], about: str) -> Table:
    missing = dict.fromkeys(("availability", "reliability", "unknown", "coverage"))
    rows = [
        {**missing, "local_date": day, **by_day.get(day, {})} for day in reversed(period.all_days)
    ]
    return Table(
        "days", asked.words("city_days"),
        [columns.day(asked), *(columns.share(asked, name, 2) for name in missing)],
        rows, about,
    )  # fmt: skip
