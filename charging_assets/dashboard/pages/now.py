"""Network now: the state of stations and EVSEs according to the newest polls."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from charging_assets.dashboard.blocks import Column, Figure, FormField, Note, Page, Table
from charging_assets.dashboard.pages import columns
from charging_assets.dashboard.pages.states import COUNTS, STATES, with_state
from charging_assets.dashboard.reader import Reader, Row
from charging_assets.dashboard.request import PageRequest
from charging_assets.measures import count_share, observed_share

# A status older than this is not shown.
_WINDOW = timedelta(hours=24)
_EVSE_COUNTS = ("evse_count", *COUNTS.values(), "absent_count")


def build_page(request: PageRequest, reader: Reader) -> Page:
    """Stations and EVSEs by state at the requested time, and the age of each place's data."""
    words, at = request.words, request.instant()
    # The last known state is shown whatever its age; its age is measured from `at`.
    until = min(at, request.feed.newest_at)
    with reader.session(until - _WINDOW, until + timedelta(seconds=1)) as query:
        places = query(
            "dashboard/places", feed=request.feed.name, from_date=until - _WINDOW, to_date=until
        )
        stations = query(
            "dashboard/now_stations",
            feed=request.feed.name,
            now_at=until,
            window_start=until - _WINDOW,
        )
    cities = {row["place"]: row["city"] for row in places}
    place = request.choice_value("place", list(cities))
    state = request.choice_value("state", list(STATES))
    all_stations = [with_state(row, request, at) for row in stations if place in ("", row["place"])]
    listed_stations = [row for row in all_stations if state in ("", row["state"])]
    page = Page(
        "now", words("now_title"), words("now_lead"), form_fields=_form_fields(request, cities)
    )
    if not request.text("at") and at - request.feed.newest_at > 2 * request.feed.cadence:
        page.notes.append(_stale_note(request, at))
    page.figures = _figures(request, all_stations, at)
    page.tables = [
        _places_table(request, all_stations, cities, at),
        _stations_table(request, listed_stations, cities),
    ]
    if request.draws:
        from charging_assets.dashboard.pages import now_charts as charts

        page.charts = [
            charts.map_chart(request, listed_stations, at),
            charts.cities_chart(request, page.tables[0].rows, at),
        ]
    return page


def _stale_note(request: PageRequest, at: datetime) -> Note:
    words = request.words
    newest = words.local(request.feed.newest_at)
    return Note(
        words("now_stale", age=words.age(request.feed.newest_at, at)),
        request.href(at=newest.strftime("%Y-%m-%dT%H:%M")),
        words("now_then", time=words.time(request.feed.newest_at)),
        is_warning=True,
    )


def _form_fields(request: PageRequest, cities: dict[str, str]) -> list[FormField]:
    words = request.words
    at = request.text("at")
    return [
        FormField(
            "place", words("city"), request.text("place"),
            options=[("", words("all_cities")), *((slug, city) for slug, city in cities.items())],
        ),
        FormField(
            "state", words("state"), request.text("state"),
            options=[("", words("all_states")), *((s, words(f"state_{s}")) for s in STATES)],
        ),
        FormField("at", words("as_of"), at, kind="datetime-local"),
    ]  # fmt: skip


def _figures(request: PageRequest, stations: list[Row], at: datetime) -> list[Figure]:
    words = request.words
    fresh = [row for row in stations if row["is_fresh"]]
    pool = fresh or stations
    is_old = not fresh
    every = sum(row["evse_count"] for row in stations)
    seen = [row["seen_at"] for row in pool if row["seen_at"] is not None]
    reported = sum(row["evse_count"] - row["absent_count"] for row in fresh)
    # Shares of the last known state are of the EVSEs observed at that time.
    observed = sum(row["evse_count"] - row["absent_count"] for row in pool)
    period = (
        words("polled", time=words.time(max(seen)), age=words.age(max(seen), at))
        if seen
        else words("never_polled")
    )
    if is_old and seen:
        period = f"{words('last_known')}: {period}"
    coverage = words.plural(
        "now_coverage",
        every,
        share=words.percent(observed_share(reported, every), 1),
        seen=words.number(reported),
        all=words.number(every),
    )

    def figure(name: str, count: int) -> Figure:
        return Figure(
            id=name,
            label=words(f"figure_{name}"),
            value=words.number(count),
            unit=words.plural(
                "of_evses", count, share=words.percent(count_share(count, observed, every))
            ),
            period=period, coverage=coverage, definition="status", raw=count, is_old=is_old,
        )  # fmt: skip

    return [
        Figure(
            id="evses", label=words("figure_evses"),
            value=words.number(every),
            unit=words.plural(
                "at_stations", len(stations), stations=words.number(len(stations))
            ),
            period=period, coverage=coverage, definition="evse", raw=every, is_old=is_old,
        ),
        *(figure(name, sum(row[column] for row in pool)) for name, column in COUNTS.items()),
    ]  # fmt: skip


def _places_table(
    request: PageRequest, stations: list[Row], cities: dict[str, str], at: datetime
) -> Table:
    words = request.words
    by_place: dict[str, list[Row]] = {}
    for row in stations:
        by_place.setdefault(row["place"], []).append(row)
    rows = [
        {
            "place": place,
            "city": cities.get(place, place),
            "station_count": len(group),
            **{name: sum(row[name] for row in group) for name in _EVSE_COUNTS},
            "seen_at": group[0]["seen_at"],
            "is_fresh": group[0]["is_fresh"],
        }
        for place, group in by_place.items()
    ]
    rows.sort(key=lambda row: (row["city"], row["place"]))
    return Table(
        id="places", title=words("places_title"),
        columns=[
            Column("city", words("city"), link=lambda row: request.href(place=row["place"])),
            Column("place", words("place")),
            _count_column(request, "station_count"),
            *(_count_column(request, name) for name in _EVSE_COUNTS),
            Column("seen_at", words("seen_at"), _age_formatter(request, at), css=_css_class),
        ],
        rows=rows, caption=words("now_caption", time=words.time(at)),
    )  # fmt: skip


def _stations_table(request: PageRequest, stations: list[Row], cities: dict[str, str]) -> Table:
    words = request.words
    at = request.instant()
    return Table(
        id="stations", title=words("stations_title"),
        columns=[
            Column("name", words("station"),
                   link=lambda row: request.href("/station", station=str(row["station_key"]))),
            Column("address", words("address")),
            Column("city", words("city")),
            Column("operator_name", words("operator")),
            Column("state", words("state"), lambda state: words(f"state_{state}"), css=_css_class),
            *(_count_column(request, name) for name in _EVSE_COUNTS),
            Column("seen_at", words("seen_at"), _age_formatter(request, at), css=_css_class),
            columns.key(request),
        ],
        rows=stations, caption=words("now_caption", time=words.time(at)),
    )  # fmt: skip


def _count_column(request: PageRequest, name: str) -> Column:
    return Column(name, request.words(name), request.words.number, is_number=True)


def _age_formatter(request: PageRequest, at: datetime) -> Any:
    def format_age(seen_at: datetime | None) -> str:
        return request.words("never_polled") if seen_at is None else request.words.age(seen_at, at)

    return format_age


def _css_class(row: Row) -> str:
    return "short" if row["is_fresh"] else "short old"
