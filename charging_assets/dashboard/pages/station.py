"""Station: what one station and its charging points did, and what is known of it."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

from charging_assets.dashboard.asked import Asked
from charging_assets.dashboard.blocks import Choice, Figure, Note, Page, share
from charging_assets.dashboard.measures import SECONDS, measured, summed
from charging_assets.dashboard.pages import station_tables as tables
from charging_assets.dashboard.pages.period import Period, dates, first_seen, period_of
from charging_assets.dashboard.reader import Reader, Row, Rows

DAYS = 7
_LONGEST = timedelta(days=8)
# What a list to choose from holds; the table below it links to all.
_LISTED_EVSES = 500
_SUMS = (*SECONDS, "session_count", "ended_session_count", "dwell_s")


def page(asked: Asked, reader: Reader) -> Page:
    """A station's states as a band, their shares, sessions, and the history of its attributes."""
    words, period = asked.words, period_of(asked, DAYS, whole=False)
    with reader.reading(period.start, period.end) as rows:
        places = rows("dashboard/places", feed=asked.feed.name)
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
        shares = rows("dashboard/station_shares", **window)
        runs = rows("dashboard/station_runs", **window)
        sessions = rows("dashboard/station_sessions", **window)
        if evse is None:
            days = rows("dashboard/station_days", station_key=key, **period.dates())
    about = asked.words.days(period.first, period.last)
    shares.sort(key=lambda row: names.get(row["evse_key"], ""))
    if evse is not None:
        days = _evse_days(asked, reader, period, key, evse)
        about = f"{names[evse]}, {about}"
        runs, shares, sessions = (
            [row for row in held if row["evse_key"] == evse] for held in (runs, shares, sessions)
        )
    if history:
        found.title = history[0]["name"] or asked.words("unnamed")
        found.lead = _lead(asked, history[0], names)
    found.figures = _figures(asked, period, days, about)
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


def _evse_days(asked: Asked, reader: Reader, period: Period, key: int, evse: int) -> list[Row]:
    """One EVSE's days, with the columns that a station's have."""
    # A session may have begun long before the day on which it ends and counts.
    with reader.reading(period.start - _LONGEST, period.end) as rows:
        found = rows(
            "dashboard/station_evse_days",
            station_key=key, time_zone=asked.feed.time_zone, **period.window(),
        )  # fmt: skip
    return [{**row, **measured(row)} for row in found if row["evse_key"] == evse]


def _lead(asked: Asked, station: Row, names: dict[int, str]) -> str:
    where = ", ".join(filter(None, (
        station["address"], f"{station['postal_code'] or ''} {station['city'] or ''}".strip(),
    )))  # fmt: skip
    operator = station["operator_name"] or asked.words("not_told")
    return asked.words(
        "station_told", where=where, operator=operator, evses=asked.words.number(len(names))
    )


def _figures(asked: Asked, period: Period, days: list[Row], about: str) -> list[Figure]:
    words = asked.words
    totals = summed(days, _SUMS)
    shares = measured(totals)
    coverage = words.counting(
        "coverage_told", period.day_count, share=words.percent(shares["coverage"]),
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
