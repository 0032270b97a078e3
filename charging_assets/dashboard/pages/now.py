"""Network now: where a car could charge, as the newest polls tell."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from charging_assets.dashboard.asked import Asked
from charging_assets.dashboard.blocks import Choice, Column, Figure, Note, Page, Table
from charging_assets.dashboard.pages import columns
from charging_assets.dashboard.pages.states import COUNTS, STATES, judged
from charging_assets.dashboard.reader import Reader, Row
from charging_assets.measures import count_share, observed_share

# What was last said longer ago than this is not told of at all.
_WINDOW = timedelta(hours=24)


def page(asked: Asked, reader: Reader) -> Page:
    """Stations and EVSEs by state at a moment, and how old each place's answer is."""
    words, at = asked.words, asked.moment()
    # What was last said is shown however old it is; whether it is old is judged from `at`.
    until = min(at, asked.feed.newest_at)
    with reader.reading(until - _WINDOW, until + timedelta(seconds=1)) as rows:
        places = rows(
            "dashboard/places", feed=asked.feed.name, from_date=until - _WINDOW, to_date=until
        )
        stations = rows(
            "dashboard/now_stations",
            feed=asked.feed.name,
            now_at=until,
            window_start=until - _WINDOW,
        )
    cities = {row["place"]: row["city"] for row in places}
    place = asked.one_of("place", list(cities))
    state = asked.one_of("state", list(STATES))
    told = [judged(row, asked, at) for row in stations if place in ("", row["place"])]
    shown = [row for row in told if state in ("", row["state"])]
    found = Page("now", words("now_title"), words("now_lead"), choices=_choices(asked, cities))
    if not asked.text("at") and at - asked.feed.newest_at > 2 * asked.feed.cadence:
        found.notes.append(_stale(asked, at))
    found.figures = _figures(asked, told, at)
    found.tables = [_by_place(asked, told, cities, at), _stations(asked, shown, cities)]
    if asked.draws:
        from charging_assets.dashboard.pages import now_charts as charts

        found.charts = [
            charts.map_chart(asked, shown, at),
            charts.cities_chart(asked, found.tables[0].rows, at),
        ]
    return found


def _stale(asked: Asked, at: datetime) -> Note:
    words = asked.words
    newest = words.local(asked.feed.newest_at)
    return Note(
        words("now_stale", age=words.age(asked.feed.newest_at, at)),
        asked.href(at=newest.strftime("%Y-%m-%dT%H:%M")),
        words("now_then", time=words.time(asked.feed.newest_at)),
        warns=True,
    )


def _choices(asked: Asked, cities: dict[str, str]) -> list[Choice]:
    words = asked.words
    at = asked.text("at")
    return [
        Choice(
            "place", words("city"), asked.text("place"),
            options=[("", words("all_cities")), *((slug, city) for slug, city in cities.items())],
        ),
        Choice(
            "state", words("state"), asked.text("state"),
            options=[("", words("all_states")), *((s, words(f"state_{s}")) for s in STATES)],
        ),
        Choice("at", words("as_of"), at, kind="datetime-local"),
    ]  # fmt: skip


def _figures(asked: Asked, stations: list[Row], at: datetime) -> list[Figure]:
    words = asked.words
    fresh = [row for row in stations if row["is_fresh"]]
    pool = fresh or stations
    is_old = not fresh
    every = sum(row["evse_count"] for row in stations)
    seen = [row["seen_at"] for row in pool if row["seen_at"] is not None]
    told_of = sum(row["evse_count"] - row["absent_count"] for row in fresh)
    # What is only last known is a share of what was seen then.
    observed = sum(row["evse_count"] - row["absent_count"] for row in pool)
    period = (
        words("polled", time=words.time(max(seen)), age=words.age(max(seen), at))
        if seen
        else words("never_polled")
    )
    if is_old and seen:
        period = f"{words('last_known')}: {period}"
    coverage = words.counting(
        "now_coverage",
        every,
        share=words.percent(observed_share(told_of, every), 1),
        seen=words.number(told_of),
        all=words.number(every),
    )

    def figure(name: str, count: int) -> Figure:
        return Figure(
            id=name,
            label=words(f"figure_{name}"),
            value=words.number(count),
            unit=words.counting(
                "of_evses", count, share=words.percent(count_share(count, observed, every))
            ),
            period=period, coverage=coverage, definition="status", raw=count, is_old=is_old,
        )  # fmt: skip

    return [
        Figure(
            id="evses", label=words("figure_evses"),
            value=words.number(every),
            unit=words.counting(
                "at_stations", len(stations), stations=words.number(len(stations))
            ),
            period=period, coverage=coverage, definition="evse", raw=every, is_old=is_old,
        ),
        *(figure(name, sum(row[column] for row in pool)) for name, column in COUNTS.items()),
    ]  # fmt: skip


def _by_place(asked: Asked, stations: list[Row], cities: dict[str, str], at: datetime) -> Table:
    words = asked.words
    by_place: dict[str, list[Row]] = {}
    for row in stations:
        by_place.setdefault(row["place"], []).append(row)
    counted = ("evse_count", "available_count", "charging_count", "held_count", "failed_count",
               "unknown_count", "absent_count")  # fmt: skip
    rows = [
        {
            "place": place,
            "city": cities.get(place, place),
            "station_count": len(group),
            **{name: sum(row[name] for row in group) for name in counted},
            "seen_at": group[0]["seen_at"],
            "is_fresh": group[0]["is_fresh"],
        }
        for place, group in by_place.items()
    ]
    rows.sort(key=lambda row: (row["city"], row["place"]))
    return Table(
        id="places", title=words("places_title"),
        columns=[
            Column("city", words("city"), link=lambda row: asked.href(place=row["place"])),
            Column("place", words("place")),
            _count(asked, "station_count"),
            *(_count(asked, name) for name in counted),
            Column("seen_at", words("seen_at"), _seen(asked, at), css=_quiet),
        ],
        rows=rows, caption=words("now_caption", time=words.time(at)),
    )  # fmt: skip


def _stations(asked: Asked, stations: list[Row], cities: dict[str, str]) -> Table:
    words = asked.words
    at = asked.moment()
    return Table(
        id="stations", title=words("stations_title"),
        columns=[
            Column("name", words("station"),
                   link=lambda row: asked.href("/station", station=str(row["station_key"]))),
            Column("address", words("address")),
            Column("city", words("city")),
            Column("operator_name", words("operator")),
            Column("state", words("state"), lambda state: words(f"state_{state}"), css=_quiet),
            *(_count(asked, name) for name in
              ("evse_count", "available_count", "charging_count", "held_count", "failed_count",
               "unknown_count", "absent_count")),
            Column("seen_at", words("seen_at"), _seen(asked, at), css=_quiet),
            columns.key(asked),
        ],
        rows=stations, caption=words("now_caption", time=words.time(at)),
    )  # fmt: skip


def _count(asked: Asked, name: str) -> Column:
    return Column(name, asked.words(name), asked.words.number, is_number=True)


def _seen(asked: Asked, at: datetime) -> Any:
    def told(seen_at: datetime | None) -> str:
        return asked.words("never_polled") if seen_at is None else asked.words.age(seen_at, at)

    return told


def _quiet(row: Row) -> str:
    return "short" if row["is_fresh"] else "short old"
