"""Station: what one station and its charging points did, and what is known of it."""

from __future__ import annotations

from itertools import islice

from charging_assets.dashboard.asked import Asked
from charging_assets.dashboard.blocks import Choice, Figure, Note, Page
from charging_assets.dashboard.feeds import feed_names, feed_of
from charging_assets.dashboard.pages import station_tables as tables
from charging_assets.dashboard.pages.period import (
    Period,
    coverage_text,
    dates,
    first_seen,
    period_of,
)
from charging_assets.dashboard.reader import Reader, Row, Rows
from charging_assets.measures import (
    SECONDS,
    SESSIONS,
    coverage,
    in_period,
    measured,
    status_shares,
    summed,
)

DAYS = 7
# What a list to choose from holds; the table below it links to all.
_LISTED_EVSES = 500
_SUMS = (*SECONDS, *SESSIONS)


def page(asked: Asked, reader: Reader) -> Page:
    """A station's states as a band, their shares, sessions, and the history of its attributes."""
    _choose_feed(asked, reader)
    words, period = asked.words, period_of(asked, DAYS, whole=False)
    with reader.reading(period.start, period.end) as rows:
        places = rows("dashboard/places", feed=asked.feed.name, **period.dates())
        key, place, stations = _chosen(asked, rows, [row["place"] for row in places])
        if key is not None:
            period = period_of(asked, DAYS, first_seen(asked, rows, station_key=key))
        found = _begun(asked, period, places, place, stations, key)
        if key is None:
            return found
        history = rows("dashboard/station_history", station_key=key)
        evses = rows("dashboard/station_evses", station_key=key)
        names = _names(evses)
        evse = _evse(asked, found, names)
        window = {"station_key": key, **period.window()}
        station = {"feed": asked.feed.name, "station_key": key}
        clock = {"time_zone": asked.feed.time_zone}
        evse_days = rows("dashboard/station_evse_days", **station, **clock, **period.scope(asked))
        runs = rows("dashboard/station_runs", **window)
        sessions = rows("dashboard/station_sessions", **window)
        dwell = rows(
            "dashboard/dwell", **station, **clock, **period.dates(), **period.window(),
            place="", operator_name="", evse_key=evse or 0,
        )  # fmt: skip
        days = (
            rows("dashboard/station_days", **station, **period.scope(asked))
            if evse is None
            else [row for row in evse_days if row["evse_key"] == evse]
        )
    days = [{**row, **measured(row)} for row in days]
    means = {row["grouped_by"]: row["dwell_mean_s"] for row in dwell}
    shares = _shares(evse_days)
    about = asked.words.days(period.first, period.last)
    shares.sort(key=lambda row: names.get(row["evse_key"], ""))
    if evse is not None:
        about = f"{names[evse]}, {about}"
        runs, shares, sessions = (
            [row for row in held if row["evse_key"] == evse] for held in (runs, shares, sessions)
        )
    if history:
        found.title = history[0]["name"] or asked.words("unnamed")
        found.lead = _lead(asked, history[0], names)
    found.figures = _figures(asked, period, days, means.get("total"), about)
    found.tables = [
        tables.shares_table(asked, shares, names, about),
        tables.sessions_table(asked, sessions, names, about),
        tables.runs_table(asked, runs, names, about),
        tables.days_table(asked, period, days, about),
        tables.station_history(asked, history),
        tables.evse_history(asked, evses),
    ]
    if asked.draws:
        from charging_assets.dashboard.pages import station_charts as charts

        drawn = charts.drawn_evses(names) if evse is None else {evse: names[evse]}
        if evse is None and len(drawn) < len(names):
            drawn_of = {"drawn": words.number(len(drawn)), "all": words.number(len(names))}
            found.notes.append(Note(words("evses_drawn", **drawn_of)))
        found.charts = [
            charts.band(asked, period, runs, drawn, about),
            charts.shares_chart(asked, shares, drawn, about),
            charts.trend_chart(asked, period, days, about),
        ]
    return found


def _choose_feed(asked: Asked, reader: Reader) -> None:
    """Without a feed in the address it is the station's, with its clock, days and newest poll."""
    key = asked.key("station")
    if asked.text("feed") or key is None:
        return
    with reader.reading() as rows:
        history = rows("dashboard/station_history", station_key=key)
    if history and history[0]["feed"] != asked.feed.name:
        name = history[0]["feed"]
        asked.change_feed(feed_of(reader, name, feed_names(reader)))


def _chosen(asked: Asked, rows: Rows, places: list[str]) -> tuple[int | None, str, list[Row]]:
    """The station that is asked for, or the first of the place, with the place's stations."""
    text = asked.text("station")
    held: list[Row] = []
    key = asked.key("station")
    if key is not None:
        held = rows("dashboard/station_history", station_key=key)
    if text and not held:
        asked.faults.append(asked.words("fault_station", value=text[:40]))
    place = asked.one_of("place", places) or (held[0]["place"] if held else "")
    place = place or (places[0] if places else "")
    stations = rows("dashboard/station_list", feed=asked.feed.name, place=place)
    if held and held[0]["place"] == place:
        return key, place, stations
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
    chosen = asked.key("evse")
    if chosen not in names:
        chosen = None  # it is another station's: the reader has chosen a new one
    listed = dict(islice(names.items(), _LISTED_EVSES))
    if chosen is not None:
        listed[chosen] = names[chosen]
    options = [("", asked.words("all_evses")), *((str(key), name) for key, name in listed.items())]
    value = "" if chosen is None else str(chosen)
    found.choices.insert(2, Choice("evse", asked.words("evse"), value, options=options))
    return chosen


def _shares(evse_days: list[Row]) -> list[Row]:
    """Of each EVSE, the share of each status in the period."""
    evses: dict[int, list[Row]] = {}
    for row in in_period(evse_days):
        evses.setdefault(row["evse_key"], []).append(row)
    totals = [{"evse_key": key, **summed(rows)} for key, rows in evses.items()]
    return [{**row, "coverage": coverage(row), **status_shares(row)} for row in totals]


def _lead(asked: Asked, station: Row, names: dict[int, str]) -> str:
    where = ", ".join(filter(None, (
        station["address"], f"{station['postal_code'] or ''} {station['city'] or ''}".strip(),
    )))  # fmt: skip
    operator = station["operator_name"] or asked.words("not_told")
    return asked.words(
        "station_told", where=where, operator=operator, evses=asked.words.number(len(names))
    )


def _figures(
    asked: Asked, period: Period, days: list[Row], dwell_mean_s: float | None, about: str
) -> list[Figure]:
    words = asked.words
    totals = {**summed(in_period(days), _SUMS), "dwell_mean_s": dwell_mean_s}
    shares = measured(totals)
    coverage = coverage_text(asked, period, shares["coverage"], len(days))
    rate = words("sessions_told", rate=words.number(shares["sessions_per_evse"], 2))
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
