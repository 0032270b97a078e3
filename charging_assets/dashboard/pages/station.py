"""Station: status, sessions and history of one station and its charging points."""

from __future__ import annotations

from itertools import islice

from charging_assets.dashboard.blocks import Figure, FormField, Note, Page
from charging_assets.dashboard.feeds import loaded_feeds, select_feed
from charging_assets.dashboard.pages import station_tables as tables
from charging_assets.dashboard.pages.period import (
    Period,
    coverage_text,
    date_fields,
    find_first_seen,
    select_period,
)
from charging_assets.dashboard.reader import Query, Reader, Row
from charging_assets.dashboard.request import PageRequest
from charging_assets.measures import (
    SECONDS,
    SESSIONS,
    compute_measures,
    coverage,
    status_shares,
    sum_columns,
    use_period_windows,
)

DAYS = 7
# The longest selection list; the table below it links to all EVSEs.
_LISTED_EVSES = 500
_SUMS = (*SECONDS, *SESSIONS)


def build_page(request: PageRequest, reader: Reader) -> Page:
    """Status over time, shares, sessions, and the history of the station's attributes."""
    _use_station_feed(request, reader)
    words, period = request.words, select_period(request, DAYS, whole=False)
    with reader.session(period.start, period.end) as query:
        places = query("dashboard/places", feed=request.feed.name, **period.date_params())
        key, place, stations = _select_station(request, query, [row["place"] for row in places])
        if key is not None:
            period = select_period(request, DAYS, find_first_seen(request, query, station_key=key))
        page = _empty_page(request, period, places, place, stations, key)
        if key is None:
            return page
        history = query("dashboard/station_history", station_key=key)
        evses = query("dashboard/station_evses", station_key=key)
        names = _evse_names(evses)
        evse = _select_evse(request, page, names)
        window = {"station_key": key, **period.window_params()}
        station = {"feed": request.feed.name, "station_key": key}
        clock = {"time_zone": request.feed.time_zone}
        evse_days = query(
            "dashboard/station_evse_days", **station, **clock, **period.scope_params(request)
        )
        runs = query("dashboard/station_runs", **window)
        sessions = query("dashboard/station_sessions", **window)
        dwell = query(
            "dashboard/dwell", **station, **clock, **period.date_params(), **period.window_params(),
            place="", operator_name="", evse_key=evse or 0,
        )  # fmt: skip
        days = (
            query("dashboard/station_days", **station, **period.scope_params(request))
            if evse is None
            else [row for row in evse_days if row["evse_key"] == evse]
        )
    days = [{**row, **compute_measures(row)} for row in days]
    means = {row["grouped_by"]: row["dwell_mean_s"] for row in dwell}
    shares = _status_shares(evse_days)
    about = request.words.days(period.first, period.last)
    shares.sort(key=lambda row: names.get(row["evse_key"], ""))
    if evse is not None:
        about = f"{names[evse]}, {about}"
        runs, shares, sessions = (
            [row for row in rows if row["evse_key"] == evse] for rows in (runs, shares, sessions)
        )
    if history:
        page.title = history[0]["name"] or request.words("unnamed")
        page.lead = _lead(request, history[0], names)
    page.figures = _figures(request, period, days, means.get("total"), about)
    page.tables = [
        tables.shares_table(request, shares, names, about),
        tables.sessions_table(request, sessions, names, about),
        tables.runs_table(request, runs, names, about),
        tables.days_table(request, period, days, about),
        tables.station_history(request, history),
        tables.evse_history(request, evses),
    ]
    if request.draws:
        from charging_assets.dashboard.pages import station_charts as charts

        charted = charts.charted_evses(names) if evse is None else {evse: names[evse]}
        if evse is None and len(charted) < len(names):
            counts = {"drawn": words.number(len(charted)), "all": words.number(len(names))}
            page.notes.append(Note(words("evses_drawn", **counts)))
        page.charts = [
            charts.status_chart(request, period, runs, charted, about),
            charts.shares_chart(request, shares, charted, about),
            charts.trend_chart(request, period, days, about),
        ]
    return page


def _use_station_feed(request: PageRequest, reader: Reader) -> None:
    """Use the station's feed, with its time zone and period, if the request names none."""
    key = request.key("station")
    if request.text("feed") or key is None:
        return
    with reader.session() as query:
        history = query("dashboard/station_history", station_key=key)
    if history and history[0]["feed"] != request.feed.name:
        name = history[0]["feed"]
        request.change_feed(select_feed(reader, name, loaded_feeds(reader)))


def _select_station(
    request: PageRequest, query: Query, places: list[str]
) -> tuple[int | None, str, list[Row]]:
    """The key of the requested station or the first of its place, the place, and its stations."""
    text = request.text("station")
    rows: list[Row] = []
    key = request.key("station")
    if key is not None:
        rows = query("dashboard/station_history", station_key=key)
    if text and not rows:
        request.faults.append(request.words("fault_station", value=text[:40]))
    place = request.choice_value("place", places) or (rows[0]["place"] if rows else "")
    place = place or (places[0] if places else "")
    stations = query("dashboard/station_list", feed=request.feed.name, place=place)
    if rows and rows[0]["place"] == place:
        return key, place, stations
    return (stations[0]["station_key"] if stations else None), place, stations


def _empty_page(
    request: PageRequest,
    period: Period,
    places: list[Row],
    place: str,
    stations: list[Row],
    key: int | None,
) -> Page:
    words = request.words
    station_options = [
        (str(row["station_key"]), f"{row['name'] or words('unnamed')}, {row['address'] or '–'}")
        for row in stations
    ]
    page = Page("station", words("station"), words("station_lead"))
    page.form_fields = [
        FormField("place", words("city_name"), place,
               options=[(row["place"], row["city"]) for row in places]),
        FormField("station", words("station"), str(key), options=station_options),
        *date_fields(request, period),
    ]  # fmt: skip
    return page


def _evse_names(evses: list[Row]) -> dict[int, str]:
    """EVSE key → the EVSE-ID, or the uid if there is none."""
    names: dict[int, str] = {}
    for row in evses:
        names.setdefault(row["evse_key"], row["evse_id"] or row["evse_uid"])
    return names


def _select_evse(request: PageRequest, page: Page, names: dict[int, str]) -> int | None:
    selected = request.key("evse")
    if selected not in names:
        selected = None  # it belongs to the station that was selected before
    station_options = dict(islice(names.items(), _LISTED_EVSES))
    if selected is not None:
        station_options[selected] = names[selected]
    options = [
        ("", request.words("all_evses")),
        *((str(key), name) for key, name in station_options.items()),
    ]
    value = "" if selected is None else str(selected)
    page.form_fields.insert(2, FormField("evse", request.words("evse"), value, options=options))
    return selected


def _status_shares(evse_days: list[Row]) -> list[Row]:
    """The share of each status in the period, by EVSE."""
    evses: dict[int, list[Row]] = {}
    for row in use_period_windows(evse_days):
        evses.setdefault(row["evse_key"], []).append(row)
    totals = [{"evse_key": key, **sum_columns(rows)} for key, rows in evses.items()]
    return [{**row, "coverage": coverage(row), **status_shares(row)} for row in totals]


def _lead(request: PageRequest, station: Row, names: dict[int, str]) -> str:
    where = ", ".join(filter(None, (
        station["address"], f"{station['postal_code'] or ''} {station['city'] or ''}".strip(),
    )))  # fmt: skip
    operator = station["operator_name"] or request.words("not_stated")
    return request.words(
        "station_summary", where=where, operator=operator, evses=request.words.number(len(names))
    )


def _figures(
    request: PageRequest, period: Period, days: list[Row], dwell_mean_s: float | None, about: str
) -> list[Figure]:
    words = request.words
    totals = {**sum_columns(use_period_windows(days), _SUMS), "dwell_mean_s": dwell_mean_s}
    shares = compute_measures(totals)
    coverage = coverage_text(request, period, shares["coverage"], len(days))
    rate = words("sessions_detail", rate=words.number(shares["sessions_per_evse"], 2))
    dwell = shares["dwell_mean_s"]
    return [
        *(
            Figure(name, words(name), words.percent(shares[name]), about, coverage, name,
                   shares[name])
            for name in ("utilisation", "occupancy", "availability", "reliability")
        ),
        Figure("sessions", words("sessions"), words.number(totals["session_count"]), about,
               coverage, "sessions", totals["session_count"], rate),
        Figure("dwell", words("dwell"), words.duration(dwell), about, coverage, "dwell", dwell),
    ]  # fmt: skip
