"""The charts of the station page: status over time, shares of statuses, utilisation by day."""

from __future__ import annotations

from datetime import datetime, timedelta

from charging_assets.dashboard.blocks import Chart
from charging_assets.dashboard.charts.bands import timeline
from charging_assets.dashboard.charts.curves import statuses, trend
from charging_assets.dashboard.drawing import svg
from charging_assets.dashboard.pages import columns
from charging_assets.dashboard.pages.period import Period
from charging_assets.dashboard.reader import Row
from charging_assets.dashboard.request import PageRequest
from charging_assets.measures import STATUS_COLUMNS

# More lines are not readable, and thousands stop the renderer.
_MAX_CHARTED_EVSES = 40


def charted_evses(names: dict[int, str]) -> dict[int, str]:
    """The EVSEs in charts, by key: the first by name."""
    return dict(sorted(names.items(), key=lambda item: item[1])[:_MAX_CHARTED_EVSES])


def status_chart(
    request: PageRequest, period: Period, runs: list[Row], names: dict[int, str], about: str
) -> Chart:
    """Status over time of the EVSEs in `names`."""
    words = request.words
    labels = columns.status_labels(request)
    runs = [run for run in runs if run["evse_key"] in names]
    bars = [
        {
            "evse": names[run["evse_key"]],
            "status": run["status"] if run["status"] in labels else "UNKNOWN",
            "start": words.local(run["first_slot_at"]),
            "end": words.local(_end(run, period)),
            "tooltip": f"{names[run['evse_key']]}: {labels.get(run['status'], run['status'])}, "
            f"{words.time(run['first_slot_at'])} – {words.time(_end(run, period))}",
        }
        for run in runs
    ]
    lines = sorted(names.values())
    span = (period.first, period.last + timedelta(days=1))
    description = words("band_description", evses=len(lines), about=about, runs=len(runs))
    chart = timeline(bars, lines, span, labels, words("status"))
    return Chart(
        "band", words("band_title"), svg(chart, request.language, description), description,
        words("band_caption", about=about, zone=request.feed.time_zone), "status", "runs",
        is_wide=True,
    )  # fmt: skip


def _end(run: Row, period: Period) -> datetime:
    """The end of a run: one cadence after its last poll, within the period."""
    end: datetime = run["last_slot_at"] + timedelta(seconds=run["cadence_s"])
    return min(end, period.end)


def shares_chart(
    request: PageRequest, shares: list[Row], names: dict[int, str], about: str
) -> Chart:
    """Share of each status of the EVSEs in `names`."""
    words = request.words
    labels = columns.status_labels(request)
    rows = [
        {
            "name": names[row["evse_key"]],
            "status": status,
            "value": row[column],
            "tooltip": f"{names[row['evse_key']]}, {labels[status]}: {words.percent(row[column])}",
        }
        for row in shares
        if row["evse_key"] in names
        for status, column in STATUS_COLUMNS.items()
        if row[column]
    ]
    description = words("shares_description", about=about)
    return Chart(
        "shares", words("shares_title"),
        svg(statuses(rows, labels, unit=words("share_observed")), request.language, description),
        description, words("shares_caption", about=about), "status", "shares",
    )  # fmt: skip


def trend_chart(request: PageRequest, period: Period, days: list[Row], about: str) -> Chart:
    words = request.words
    series = {
        words(name): {row["local_date"]: row[name] for row in days}
        for name in ("utilisation", "occupancy")
    }
    days_with_value = {row["local_date"] for row in days if row["utilisation"] is not None}
    gaps = sum(day not in days_with_value for day in period.all_days)
    description = words("trend_description", about=about, gaps=words.number(gaps))
    chart = trend(period.all_days, series, unit=words("share_operable"), gap=words("gap"))
    return Chart(
        "trend", words("trend_title"), svg(chart, request.language, description), description,
        words("trend_caption", about=about), "utilisation", "days",
    )  # fmt: skip
