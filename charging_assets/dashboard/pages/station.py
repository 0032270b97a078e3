"""Station: what one station and its charging points did, and what is known of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from charging_assets.dashboard.asked import Asked
from charging_assets.dashboard.blocks import Chart, Choice, Column, Figure, Page, Table, share
from charging_assets.dashboard.measures import SECONDS, STATUS_COLUMNS, measured, summed
from charging_assets.dashboard.pages import columns
from charging_assets.dashboard.pages.period import Period, dates, period_of
from charging_assets.dashboard.reader import Reader, Row, Rows

DAYS = 7
_SUMS = (*SECONDS, "session_count", "ended_session_count", "dwell_s")


def page(asked: Asked, reader: Reader) -> Page:
    """A station's states as a band, their shares, sessions, and the history of its attributes."""
    period = period_of(asked, DAYS)
    with reader.reading(period.start, period.end) as rows:
        places = rows("dashboard/places", feed=asked.feed.name)
        key, place, stations = _chosen(asked, rows, [row["place"] for row in places])
        found = _begun(asked, period, places, place, stations, key)
        if key is None:
            return found
        history = rows("dashboard/station_history", station_key=key)
        evses = rows("dashboard/station_evses", station_key=key)
        days = rows("dashboard/station_days", station_key=key, **period.dates())
        window = {"station_key": key, **period.window()}
        shares = rows("dashboard/station_shares", **window)
        runs = rows("dashboard/station_runs", **window)
        sessions = rows("dashboard/station_sessions", **window)
    names = _names(evses)
    evse = _evse(asked, found, names)
    if evse:
        runs, shares, sessions = (
            [row for row in held if row["evse_key"] == evse] for held in (runs, shares, sessions)
        )
    if history:
        found.title = history[0]["name"] or asked.words("unnamed")
        found.lead = _lead(asked, history[0], names)
    about = asked.words.days(period.first, period.last)
    found.figures = _figures(asked, period, days)
    found.tables = [
        _shares(asked, shares, names, about),
        _sessions(asked, sessions, names, about),
        _runs(asked, runs, names, about),
        _days(asked, period, days, about),
        _station_history(asked, history),
        _evse_history(asked, evses),
    ]
    if asked.draws:
        found.charts = [
            _band(asked, period, runs, names, evse, about),
            _status(asked, shares, names, about),
            _trend(asked, period, days, about),
        ]
    return found


def _chosen(asked: Asked, rows: Rows, places: list[str]) -> tuple[int | None, str, list[Row]]:
    """The station that is asked for, or the first of the place, with the place's stations."""
    text = asked.text("station")
    held: list[Row] = []
    if text.lstrip("-").isdecimal() and abs(int(text)) < 2**63:
        held = rows("dashboard/station_history", station_key=int(text))
    if text and not held:
        asked.faults.append(asked.words("fault_station", value=text[:40]))
    place = asked.one_of("place", places) or (held[0]["place"] if held else "")
    place = place or (places[0] if places else "")
    stations = rows("dashboard/station_list", feed=asked.feed.name, place=place)
    if held and held[0]["place"] == place:
        return int(text), place, stations
    return (stations[0]["station_key"] if stations else None), place, stations


def _begun(
    asked: Asked,
    period: Period,
    places: list[Row],
    place: str,
    stations: list[Row],
    key: int | None,
) -> Page:
    words = asked.words
    listed = [
        (str(row["station_key"]), f"{row['name'] or words('unnamed')}, {row['address'] or '–'}")
        for row in stations
    ]
    found = Page("station", words("station"), words("station_lead"))
    found.choices = [
        Choice("place", words("city_name"), place,
               options=[(row["place"], row["city"]) for row in places]),
        Choice("station", words("station"), str(key), options=listed),
        *dates(asked, period),
    ]  # fmt: skip
    return found


def _names(evses: list[Row]) -> dict[int, str]:
    """What each EVSE is called: the id on the label, or the one that is published."""
    names: dict[int, str] = {}
    for row in evses:
        names.setdefault(row["evse_key"], row["evse_id"] or row["evse_uid"])
    return names


def _evse(asked: Asked, found: Page, names: dict[int, str]) -> int | None:
    options = [("", asked.words("all_evses")), *((str(key), name) for key, name in names.items())]
    chosen = asked.text("evse")
    if chosen not in [value for value, _ in options]:
        chosen = ""  # it is another station's: the reader has chosen a new one
    found.choices.insert(2, Choice("evse", asked.words("evse"), chosen, options=options))
    return int(chosen) if chosen else None


def _lead(asked: Asked, station: Row, names: dict[int, str]) -> str:
    where = ", ".join(filter(None, (
        station["address"], f"{station['postal_code'] or ''} {station['city'] or ''}".strip(),
    )))  # fmt: skip
    operator = station["operator_name"] or asked.words("not_told")
    return asked.words(
        "station_told", where=where, operator=operator, evses=asked.words.number(len(names))
    )


def _figures(asked: Asked, period: Period, days: list[Row]) -> list[Figure]:
    words = asked.words
    totals = summed(days, _SUMS)
    shares = measured(totals)
    about = words.days(period.first, period.last)
    coverage = words(
        "coverage_told", share=words.percent(shares["coverage"]),
        days=words.number(len(days)), all=words.number(period.day_count),
    )  # fmt: skip
    evse_days = sum(row["evse_count"] for row in days)
    dwell = share(totals["dwell_s"], totals["ended_session_count"])
    rate = words.number(share(totals["session_count"], evse_days), 2)
    return [
        *(
            Figure(name, words(name), words.percent(shares[name]), about, coverage, name,
                   shares[name])
            for name in ("utilisation", "occupancy", "availability", "reliability")
        ),
        Figure("sessions", words("sessions"), words.number(totals["session_count"]), about,
               coverage,
               "sessions", totals["session_count"], words("sessions_told", rate=rate)),
        Figure("dwell", words("dwell"), words.duration(dwell), about, coverage, "dwell", dwell),
    ]  # fmt: skip


def _end(run: Row, period: Period) -> datetime:
    """Until when a run stands: its last poll stands for its cadence."""
    end: datetime = run["last_slot_at"] + timedelta(seconds=run["cadence_s"])
    return min(end, period.end)


def _band(
    asked: Asked,
    period: Period,
    runs: list[Row],
    names: dict[int, str],
    evse: int | None,
    about: str,
) -> Chart:
    from charging_assets.dashboard.charts.bands import timeline
    from charging_assets.dashboard.drawing import svg

    words = asked.words
    told = _status_names(asked)
    drawn = [
        {
            "evse": names.get(run["evse_key"], "?"),
            "status": run["status"] if run["status"] in told else "UNKNOWN",
            "start": words.local(run["first_slot_at"]),
            "end": words.local(_end(run, period)),
            "told": f"{names.get(run['evse_key'], '?')}: {told.get(run['status'], run['status'])}, "
            f"{words.time(run['first_slot_at'])} – {words.time(_end(run, period))}",
        }
        for run in runs
    ]
    lines = [names[evse]] if evse else sorted(names.values())
    span = (period.first, period.last + timedelta(days=1))
    description = words("band_description", evses=len(lines), about=about, runs=len(runs))
    chart = timeline(drawn, lines, span, told, words("status"))
    return Chart(
        "band", words("band_title"), svg(chart, asked.language, description), description,
        words("band_caption", about=about, zone=asked.feed.time_zone), "status", "runs",
        is_wide=True,
    )  # fmt: skip


def _status_names(asked: Asked) -> dict[str, str]:
    return {status: asked.words(f"status_{status}") for status in STATUS_COLUMNS}


def _status(asked: Asked, shares: list[Row], names: dict[int, str], about: str) -> Chart:
    from charging_assets.dashboard.charts.curves import statuses
    from charging_assets.dashboard.drawing import svg

    words = asked.words
    told = _status_names(asked)
    rows = [
        {
            "name": names.get(row["evse_key"], "?"),
            "status": status,
            "value": row[column],
            "told": f"{names.get(row['evse_key'], '?')}, {told[status]}: "
            f"{words.percent(share(row[column], row['observed_s']))}",
        }
        for row in shares
        for status, column in STATUS_COLUMNS.items()
        if row[column]
    ]
    description = words("shares_description", about=about)
    return Chart(
        "shares", words("shares_title"),
        svg(statuses(rows, told, unit=words("share_observed")), asked.language, description),
        description, words("shares_caption", about=about), "status", "shares",
    )  # fmt: skip


def _trend(asked: Asked, period: Period, days: list[Row], about: str) -> Chart:
    from charging_assets.dashboard.charts.curves import trend
    from charging_assets.dashboard.drawing import svg

    words = asked.words
    series = {
        words(name): {row["local_date"]: row[name] for row in days}
        for name in ("utilisation", "occupancy")
    }
    held = {row["local_date"] for row in days if row["utilisation"] is not None}
    gaps = sum(day not in held for day in period.all_days)
    description = words("trend_description", about=about, gaps=words.number(gaps))
    chart = trend(period.all_days, series, unit=words("share_operable"), gap=words("gap"))
    return Chart(
        "trend", words("trend_title"), svg(chart, asked.language, description), description,
        words("trend_caption", about=about), "utilisation", "days",
    )  # fmt: skip


def _shares(asked: Asked, shares: list[Row], names: dict[int, str], about: str) -> Table:
    words = asked.words
    rows = [
        {
            "evse": names.get(row["evse_key"], "?"),
            "evse_key": row["evse_key"],
            "observed_s": row["observed_s"],
            **{column: share(row[column], row["observed_s"]) for column in STATUS_COLUMNS.values()},
        }
        for row in shares
    ]
    return Table(
        "shares", words("shares_title"),
        [
            Column("evse", words("evse"),
                   link=lambda row: asked.href(evse=str(row["evse_key"]))),
            columns.hours(asked, "observed_s"),
            *(
                Column(column, words(f"status_{status}"), words.percent, is_number=True)
                for status, column in STATUS_COLUMNS.items()
            ),
        ],
        rows, f"{about}. {words('share_observed')}",
    )  # fmt: skip


def _sessions(asked: Asked, sessions: list[Row], names: dict[int, str], about: str) -> Table:
    words = asked.words
    rows = [
        {
            **row,
            "evse": names.get(row["evse_key"], row["evse_uid"]),
            "remark": ", ".join(
                words(name)
                for name in ("is_start_censored", "is_end_censored", "is_stuck")
                if row[name]
            ),
        }
        for row in sessions
    ]
    return Table(
        "sessions", words("sessions_title"),
        [
            columns.text(asked, "evse"),
            columns.time(asked, "started_at"),
            columns.time(asked, "ended_at"),
            columns.duration(asked, "duration_s"),
            columns.duration(asked, "duration_min_s"),
            columns.duration(asked, "duration_max_s"),
            columns.duration(asked, "idle_after_s"),
            columns.decimal(asked, "max_power_kw"),
            columns.decimal(asked, "energy_min_kwh"),
            columns.decimal(asked, "energy_max_kwh"),
            columns.text(asked, "remark"),
        ],
        rows, f"{about}. {words('sessions_caption')}",
    )  # fmt: skip


def _runs(asked: Asked, runs: list[Row], names: dict[int, str], about: str) -> Table:
    words = asked.words
    told = _status_names(asked)
    rows = [{**run, "evse": names.get(run["evse_key"], "?")} for run in reversed(runs)]
    return Table(
        "runs", words("runs_title"),
        [
            columns.text(asked, "evse"),
            Column("status", words("status"), lambda status: told.get(status, status)),
            columns.time(asked, "first_slot_at"),
            columns.time(asked, "last_slot_at"),
            columns.count(asked, "poll_count"),
        ],
        rows, about,
    )  # fmt: skip


def _days(asked: Asked, period: Period, days: list[Row], about: str) -> Table:
    shares = ("utilisation", "occupancy", "availability", "reliability")
    held = {row["local_date"]: row for row in days}
    missing: dict[str, Any] = dict.fromkeys((*shares, "coverage", "session_count", "evse_count"))
    rows = [{**missing, "local_date": day, **held.get(day, {})} for day in
            reversed(period.all_days)]  # fmt: skip
    return Table(
        "days", asked.words("city_days"),
        [
            columns.day(asked),
            columns.count(asked, "evse_count"),
            *(columns.share(asked, name) for name in shares),
            columns.count(asked, "session_count"),
            columns.share(asked, "coverage"),
        ],
        rows, about,
    )  # fmt: skip


def _station_history(asked: Asked, history: list[Row]) -> Table:
    names = ("name", "address", "postal_code", "city", "operator_name", "owner", "station_id")
    labels = {"name": "station", "city": "city_name", "operator_name": "operator"}
    return Table(
        "history", asked.words("history_title"),
        [
            columns.time(asked, "valid_from"),
            columns.time(asked, "valid_to"),
            columns.text(asked, "close_reason"),
            *(columns.text(asked, name, labels.get(name, name)) for name in names),
            Column("is_open_24_7", asked.words("is_open_24_7"), lambda value: _yes(asked, value)),
        ],
        history, asked.words("history_caption"),
    )  # fmt: skip


def _evse_history(asked: Asked, evses: list[Row]) -> Table:
    return Table(
        "evses", asked.words("evse_history_title"),
        [
            columns.text(asked, "evse_id"),
            columns.text(asked, "evse_uid"),
            columns.time(asked, "valid_from"),
            columns.time(asked, "valid_to"),
            columns.text(asked, "close_reason"),
            columns.text(asked, "power_type"),
            columns.decimal(asked, "max_power_kw"),
            columns.count(asked, "connector_count"),
            columns.text(asked, "physical_reference"),
        ],
        evses, asked.words("history_caption"),
    )  # fmt: skip


def _yes(asked: Asked, value: bool | None) -> str:
    return "–" if value is None else asked.words("yes" if value else "no")
