"""All figures and tables of a page are based on the same seconds and the same window."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.dashboard.blocks import Page
from charging_assets.dashboard.pages import city, quality, reliability
from charging_assets.dashboard.reader import PublishedReader, Reader, WarehouseReader
from charging_assets.dashboard.request import Feed, PageRequest, utc
from charging_assets.lake.store import LocalLake
from charging_assets.publication.publish import publish
from charging_assets.publication.published_files import PublishedFiles
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.sql_files import sql, sql_names
from charging_assets.warehouse.transpile import bind_params
from charging_assets_tests.modelling import hours

# HOUR is 20:00 UTC; midnight in Berlin is 180 minutes later.
MIDNIGHT = 180
FIRST, LAST = "2022-01-11", "2022-01-12"
NEWEST = datetime(2022, 1, 12, 1, 20)
FEED = Feed("test", "Europe/Berlin", 600, datetime(2022, 1, 10, 23), NEWEST)
OPERATORS = ("", "Neue Werke", "Musterwerke")
PLACES = ("", "bonn", "koeln")


def of(operator: str) -> dict[str, Any]:
    return {"operator": {"name": operator, "hotline": ""}}


def answers(minute: int) -> dict[str, Any]:
    """A poll of two places: one publishes a station of the other, one changes its operator."""
    state = "CHARGING" if minute % 40 == 0 else "AVAILABLE"
    both = hours.station([hours.evse("both", state)], "both")
    changing = hours.station(
        [hours.evse("changing-1", state), hours.evse("changing-2", "OUTOFORDER")], "changing",
        # In the middle of the first day, and again in the middle of the second.
        **of("Alte Werke" if minute < 100 else "Neue Werke" if minute < 250 else "Musterwerke"),
    )  # fmt: skip
    local = hours.station(
        [hours.evse("own"), hours.evse("fast", connectors=[
            {**hours.evse("fast")["connectors"][0], "power_type": "DC", "max_power": 150},
        ])], "own",
    )  # fmt: skip
    # In the first hours bonn alone publishes what both do.
    koeln = [changing, local] if minute < 60 else [changing, local, both]
    bonn = None if minute in (90, 210) else [both]
    return {"koeln": koeln, "bonn": bonn}


# Uneven: every ten minutes, but for 40 minutes before midnight and a whole hour of the second day.
POLLS = {
    minute: answers(minute)
    for minute in range(0, 330, 10)
    if not MIDNIGHT - 50 < minute < MIDNIGHT and not 240 <= minute < 300
}


@pytest.fixture(scope="module")
def warehouse() -> DuckDBWarehouse:
    return hours.span_loaded(hours.lake_of(POLLS))


@pytest.fixture(scope="module", params=["published", "warehouse"])
def reader(
    request: pytest.FixtureRequest,
    warehouse: DuckDBWarehouse,
    tmp_path_factory: pytest.TempPathFactory,
) -> Reader:
    if request.param == "warehouse":
        return WarehouseReader(warehouse)
    lake = LocalLake(tmp_path_factory.mktemp("lake"))
    publish(lake, warehouse, *hours_archived(hours.lake_of(POLLS)))
    return PublishedReader(PublishedFiles(lake), "a test")


def make_request(path: str, **query: str) -> PageRequest:
    query = {"from": FIRST, "to": LAST, **{name: text for name, text in query.items() if text}}
    return PageRequest(path, query, "en", ["test"], FEED, NEWEST, draws=False)


def observed(page: Page, name: str) -> int:
    table = page.table(name)
    assert table
    return sum(row.get("observed_s") or 0 for row in table.rows)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("place", PLACES)
def test_tables__of_a_filter_add_up_to_the_same_observed_time(
    reader: Reader, operator: str, place: str
) -> None:
    page = city.build_page(make_request("/city", place=place, operator=operator), reader)
    assert page.table("places" if not place else "days")
    names = [table.id for table in page.tables]
    assert ("classes" in names) == (operator == "")
    totals = {name: observed(page, name) for name in names}
    other = reliability.build_page(
        make_request("/reliability", place=place, operator=operator), reader
    )
    totals["operators"] = observed(other, "operators")
    totals["reliability days"] = observed(other, "days")
    assert len(set(totals.values())) == 1, totals


def test_filters__add_up_to_the_whole(reader: Reader) -> None:
    def total(**query: str) -> int:
        return observed(city.build_page(make_request("/city", **query), reader), "days")

    whole = total()
    assert whole == sum(total(place=place) for place in PLACES[1:])
    assert whole == sum(total(operator=operator) for operator in OPERATORS[1:])
    assert total(operator="Neue Werke") > 0
    assert total(place="bonn") > 0
    # A day's operator is its last one: the first is gone by then, and cannot be chosen.
    page = make_request("/city", operator="Alte Werke")
    city.build_page(page, reader)
    assert len(page.faults) == 1


@pytest.mark.parametrize(
    "options", [{"access": "open"}, {"power": "50"}, {"access": "open", "power": "50"}]
)
def test_reliability__options_choose_of_the_same_seconds(
    reader: Reader, options: dict[str, str]
) -> None:
    page = reliability.build_page(make_request("/reliability", **options), reader)
    totals = {name: observed(page, name) for name in ("operators", "days")}
    assert len(set(totals.values())) == 1, totals
    whole = observed(reliability.build_page(make_request("/reliability"), reader), "days")
    # Every station is always open; one EVSE of six has 50 kW.
    assert totals["days"] == whole if "power" not in options else 0 < totals["days"] < whole


def opening(weekday: int, begins: str, ends: str) -> dict[str, Any]:
    hours_of_day = {"weekday": weekday, "period_begin": begins, "period_end": ends}
    return {"opening_times": {"twentyfourseven": False, "regular_hours": [hours_of_day]}}


def test_reliability__with_access_counts_opening_hours_only() -> None:
    """Open from nine to ten in the evening; before eleven it fails, when nobody can charge."""
    polls = {
        minute: [
            hours.station(
                [hours.evse("shop", "OUTOFORDER" if minute >= 60 else "AVAILABLE")], "shop",
                **opening(2, "21:00", "22:30"),
            ),
        ]
        for minute in range(0, 180, 10)
    }  # fmt: skip
    newest = datetime(2022, 1, 11, 22, 50)
    feed = Feed("test", "Europe/Berlin", 600, datetime(2022, 1, 10, 23), newest)
    reader = WarehouseReader(hours.span_loaded(hours.lake_of(polls)))
    row_of = {}
    for access in ("", "open"):
        query = {"from": FIRST, "to": FIRST, "access": access}
        page = PageRequest("/reliability", query, "en", ["test"], feed, newest, draws=False)
        (row_of[access],) = reliability.build_page(page, reader).tables[0].rows
    # Of the whole day three hours were polled; of the one hour that counts, all of it.
    assert (row_of[""]["observed_s"], row_of[""]["reliability"]) == (3 * 3600, None)
    assert (row_of["open"]["observed_s"], row_of["open"]["window_s"]) == (3600, 3600)
    assert (row_of["open"]["coverage"], row_of["open"]["reliability"]) == (1.0, 1.0)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu"])
def test_reliability_hours__are_utc_hours_by_every_clock(zone: str) -> None:
    """A shop opens from 10:00 to 12:00; by clocks of :30 and :45 one whole hour lies within."""
    day = datetime(2022, 1, 11)
    start = utc(day, zone)
    begins = start.replace(minute=0)
    open_hours = 2 if begins == start else 1
    with duckdb.connect() as connection:
        connection.execute(SHOP)
        connection.execute(
            "INSERT INTO mart.mart_city_day VALUES ('test', 'p', ?, ?, ?)",
            [day, start, start + timedelta(days=1)],
        )
        connection.execute("INSERT INTO mart.mart_station_day VALUES ('test', 1, ?, 'p', '', 'o')",
                           [day])  # fmt: skip
        for hour in range(25):
            at = begins + timedelta(hours=hour)
            if start <= at < start + timedelta(days=1):
                connection.execute(
                    "INSERT INTO mart.mart_evse_hour VALUES ('test', 1, 1, 'p', 22, ?, ?, ?, "
                    "3600, 3600, 0, 0, 0, 0, 0, 0)",
                    [at, at, at + timedelta(minutes=50)],
                )
        statement, values = bind_params(
            sql("dashboard/reliability_hours"),
            {"feed": "test", "place": "", "operator_name": "", "from_date": day, "to_date": day,
             "window_start": start, "window_end": start + timedelta(days=1),
             "now_at": start + timedelta(days=2), "time_zone": zone, "is_open_only": 1,
             "min_power_kw": 0})  # fmt: skip
        names = [each[0] for each in connection.execute(statement, values).description or []]
        rows = [dict(zip(names, row, strict=True)) for row in connection.fetchall()]
    assert {row["grouped_by"] for row in rows} == {"day", "operator"}
    for row in rows:
        assert (row["observed_s"], row["window_s"]) == (open_hours * 3600, open_hours * 3600)


SHOP = """
CREATE SCHEMA mart; CREATE SCHEMA warehouse;
CREATE TABLE mart.mart_city_day
    (feed TEXT, place TEXT, local_date TIMESTAMP, slot_at TIMESTAMP, ends_at TIMESTAMP);
CREATE TABLE mart.mart_station_day (feed TEXT, station_key BIGINT, local_date TIMESTAMP,
    place TEXT, station_name TEXT, operator_name TEXT);
CREATE TABLE mart.mart_evse_hour (feed TEXT, evse_key BIGINT, station_key BIGINT, place TEXT,
    max_power_kw DOUBLE, slot_at TIMESTAMP, first_slot_at TIMESTAMP, last_slot_at TIMESTAMP,
    observed_s BIGINT, available_s BIGINT, charging_s BIGINT, reserved_s BIGINT, blocked_s BIGINT,
    inoperative_s BIGINT, out_of_order_s BIGINT, unknown_s BIGINT);
CREATE TABLE warehouse.fact_poll
    (feed TEXT, place TEXT, slot_at TIMESTAMP, cadence_s INTEGER, outcome TEXT);
CREATE TABLE warehouse.dim_station
    (station_key BIGINT, valid_from TIMESTAMP, valid_to TIMESTAMP);
CREATE TABLE warehouse.bridge_station_opening (station_key BIGINT, valid_from TIMESTAMP,
    valid_to TIMESTAMP, day_number INTEGER, opens_min INTEGER, closes_min INTEGER);
INSERT INTO warehouse.dim_station VALUES (1, TIMESTAMP '2022-01-01', NULL);
INSERT INTO warehouse.bridge_station_opening VALUES
    (1, TIMESTAMP '2022-01-01', NULL, 2, 600, 720);
"""


def test_reliability__without_hours_that_are_closed_every_option_s_window_is_the_mart_s(
    reader: Reader,
) -> None:
    """The statement for the options, with nothing left out, is the plain one."""
    page = make_request("/reliability")
    from charging_assets.dashboard.pages.period import select_period

    period = select_period(page)
    scope = {"feed": "test", "place": "", "operator_name": "", **period.scope_params(page)}
    with reader.session(period.start, period.end) as query:
        plain = query("dashboard/reliability_operators", **scope)
        rows = query(
            "dashboard/reliability_hours", **scope, time_zone=FEED.time_zone, is_open_only=0,
            min_power_kw=0,
        )  # fmt: skip
        days = query("dashboard/city_days", **scope)
    operators = {r["operator_name"]: r for r in rows if r["grouped_by"] == "operator"}
    assert set(operators) == {row["operator_name"] for row in plain}
    for row in plain:
        for name in ("observed_s", "out_of_order_s", "window_s", "station_count", "day_count"):
            assert operators[row["operator_name"]][name] == row[name], name
    by_day: dict[datetime, int] = {}
    for row in days:
        by_day[row["local_date"]] = by_day.get(row["local_date"], 0) + row["window_s"]
    assert by_day == {
        row["local_date"]: row["window_s"] for row in rows if row["grouped_by"] == "day"
    }


def test_windows__have_the_same_text_in_every_query() -> None:
    """Which days are missing is decided once: statements that need it have the same text."""
    parts = {}
    for name in sql_names("dashboard"):
        text = sql(name)
        if "place_days AS (" in text:
            until = "\n),\n\n-- Days of a place" if "-- Days of a place" in text else "\n),\n\nstat"
            parts[name] = text[text.index("place_days AS (") : text.index(until)]
    windows = {
        sql(name)[sql(name).index("-- Days of a place") :].split("FROM neighbours\n)")[0]
        for name in parts
        if "-- Days of a place" in sql(name)
    }
    assert len(parts) == 9
    assert len(set(parts.values())) == 1
    assert len(windows) == 1


def windows_of(reader: Reader, path: str, first: str, last: str) -> Page:
    page = PageRequest(path, {"from": first, "to": last}, "en", ["test"], FEED, NEWEST, draws=False)
    return (quality if path == "/quality" else city).build_page(page, reader)


def coverages(page: Page) -> dict[str, float | None]:
    return {figure.id: figure.raw for figure in page.figures}


def test_coverage__counts_days_without_data_of_the_period_that_was_chosen(reader: Reader) -> None:
    """Ten days before the first poll are missing; days after the newest poll are still to come."""
    (short,) = {coverages(windows_of(reader, "/quality", FIRST, LAST))["coverage"]}
    (long,) = {coverages(windows_of(reader, "/quality", "2022-01-02", LAST))["coverage"]}
    (future,) = {coverages(windows_of(reader, "/quality", FIRST, "2022-02-20"))["coverage"]}
    assert short is not None and long is not None
    assert short == future
    assert long < short / 4
    page = windows_of(reader, "/city", "2022-01-02", LAST)
    assert "data on 2 of 11 days" in page.figures[0].coverage
    page = windows_of(reader, "/city", FIRST, "2022-02-20")
    assert "data on 2 of 2 days" in page.figures[0].coverage


def test_coverage__of_a_period_up_to_now_is_full_where_every_poll_is_there() -> None:
    """The rest of the running day is not missing."""
    polls = {minute: hours.stand() for minute in range(MIDNIGHT, MIDNIGHT + 60, 10)}
    newest = datetime(2022, 1, 11, 23, 50)
    feed = Feed("test", "Europe/Berlin", 600, datetime(2022, 1, 11, 23), newest)
    page = PageRequest(
        "/city", {"from": LAST, "to": LAST}, "en", ["test"], feed, newest, draws=False
    )
    result = city.build_page(page, WarehouseReader(hours.span_loaded(hours.lake_of(polls))))
    assert coverages(result)["availability"] == 1.0
    assert "coverage 100.0" in result.figures[0].coverage
    days = result.table("days")
    assert days
    assert days.rows[0]["availability"] is None  # the day itself is not over
    heat = result.table("hours")
    assert heat
    assert [row["coverage"] for row in heat.rows] == [1.0]


def test_heat_map__counts_hours_that_were_not_polled() -> None:
    """Of an hour that was polled on one of two days nothing is shown."""
    day = 24 * 60
    polls = {
        minute: hours.stand()
        for minute in range(MIDNIGHT, MIDNIGHT + 2 * day, 10)
        if not MIDNIGHT + day <= minute < MIDNIGHT + day + 60
    }
    newest = datetime(2022, 1, 13, 22, 50)
    feed = Feed("test", "Europe/Berlin", 600, datetime(2022, 1, 11, 23), newest)
    page = PageRequest("/city", {"from": LAST, "to": "2022-01-13"}, "en", ["test"], feed, newest,
                 draws=False)  # fmt: skip
    reader = WarehouseReader(hours.span_loaded(hours.lake_of(polls)))
    table = city.build_page(page, reader).table("hours")
    assert table
    by_cell = {(row["weekday"], row["local_hour"]): row for row in table.rows}
    assert by_cell[3, 0]["coverage"] == 1.0
    assert by_cell[4, 0]["coverage"] == 0.0
    assert by_cell[4, 0]["utilisation"] is None
    assert by_cell[4, 1]["coverage"] == 1.0
    assert len(by_cell) == 48
    assert timedelta(hours=48).total_seconds() == sum(row["window_s"] for row in table.rows)
