"""The station page: figures follow the selected station and EVSE."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.dashboard.blocks import Page
from charging_assets.dashboard.pages import station
from charging_assets.dashboard.reader import PublishedReader, Reader, WarehouseReader
from charging_assets.dashboard.request import Feed, PageRequest
from charging_assets.lake.store import LocalLake
from charging_assets.measures import SECONDS, SESSIONS
from charging_assets.publication.publish import publish
from charging_assets.publication.published_files import PublishedFiles
from charging_assets_tests.modelling import hours

# Every ten minutes from 22:30 UTC on, over midnight in Berlin: `idle` is free, `busy` charges from
# 22:40 to 23:20, which is from 23:40 on the first local day to 00:20 on the second.
POLLS = {
    minute: [
        hours.station(
            [
                hours.evse("busy", "CHARGING" if 160 <= minute <= 200 else "AVAILABLE"),
                hours.evse("idle"),
            ]
        )
    ]
    for minute in range(150, 240, 10)
}
FEED = Feed("test", "Europe/Berlin", 600, datetime(2022, 1, 10, 23), datetime(2022, 1, 11, 23, 50))
FIRST, LAST = "2022-01-11", "2022-01-12"
SUMS = (*SECONDS, *SESSIONS, "period_window_s")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Over published files, as a local deployment's pages are read."""
    lake, polled = LocalLake(tmp_path_factory.mktemp("lake")), hours.lake_of(POLLS)
    warehouse = hours.span_loaded(polled)
    publish(lake, warehouse, *hours_archived(polled))
    return PublishedReader(PublishedFiles(lake), "a test")


def make_request(evse: str = "", **query: str) -> PageRequest:
    chosen = {"evse": str(hours.key_of("evse", evse))} if evse else {}
    query = {"from": FIRST, "to": LAST, **chosen, **query}
    return PageRequest("/station", query, "en", ["test"], FEED, FEED.newest_at, draws=False)


def figures(page: Page) -> dict[str, float | int | None]:
    return {figure.id: figure.raw for figure in page.figures}


def test_station__figures_follow_the_evse_that_is_chosen(reader: Reader) -> None:
    whole, busy, idle = (
        station.build_page(make_request(evse), reader) for evse in ("", "busy", "idle")
    )
    assert [figures(page)["sessions"] for page in (whole, busy, idle)] == [1, 1, 0]
    for page, name in ((busy, "DE*TST*Ebusy"), (idle, "DE*TST*Eidle")):
        assert {figure.period for figure in page.figures} == {
            f"{name}, 11 Jan 2022\u00a0– 12 Jan 2022"
        }


def test_station__without_dates_begins_with_the_first_day_that_has_data(reader: Reader) -> None:
    page = station.build_page(make_request(**{"from": "", "to": ""}), reader)
    # The second day has hardly begun: with it, coverage would be half of what it is.
    assert {figure.period for figure in page.figures} == {"11 Jan 2022"}
    days = page.table("days")
    assert days is not None
    assert [row["local_date"] for row in days.rows] == [datetime(2022, 1, 11)]


def test_station__days_follow_the_evse_that_is_chosen(reader: Reader) -> None:
    counts = {}
    for evse in ("", "busy", "idle"):
        table = station.build_page(make_request(evse), reader).table("days")
        assert table
        counts[evse] = [(row["evse_count"], row["session_count"]) for row in table.rows]
    # Newest first; a session counts on the local day on which it began.
    assert counts == {"": [(2, 0), (2, 1)], "busy": [(1, 0), (1, 1)], "idle": [(1, 0), (1, 0)]}


def test_station__dwell_is_that_of_the_evse_that_is_chosen() -> None:
    """`busy` charges for ten minutes six times; `idle` once, which is not enough for a mean."""
    polls = {
        minute: [
            hours.station(
                [
                    hours.evse("busy", "CHARGING" if minute % 20 == 10 else "AVAILABLE"),
                    hours.evse("idle", "CHARGING" if minute == 200 else "AVAILABLE"),
                ]
            )
        ]
        for minute in range(180, 310, 10)
    }
    reader = WarehouseReader(hours.span_loaded(hours.lake_of(polls)))
    newest = datetime(2022, 1, 12, 1)
    feed = Feed("test", "Europe/Berlin", 600, datetime(2022, 1, 11, 23), newest)
    figures_by_evse = {}
    for name in ("", "busy", "idle"):
        page = make_request(name, **{"from": LAST})
        page.feed = feed
        page_figures = figures(station.build_page(page, reader))
        figures_by_evse[name] = (page_figures["sessions"], page_figures["dwell"])
    assert figures_by_evse == {"": (7, 600), "busy": (6, 600), "idle": (1, None)}


def test_station__days_of_evses_add_up_to_those_of_the_station(reader: Reader) -> None:
    key = hours.key_of("station", "s1")
    window = {
        "window_start": datetime(2022, 1, 10, 23), "window_end": datetime(2022, 1, 12, 23),
        "from_date": datetime(2022, 1, 11), "to_date": datetime(2022, 1, 12),
        "now_at": FEED.observed_until,
    }  # fmt: skip
    with reader.session() as query:
        whole = query(
            "dashboard/station_days",
            feed="test", station_key=key, **window,
        )  # fmt: skip
        each = query(
            "dashboard/station_evse_days",
            feed="test",
            station_key=key,
            **window,
            time_zone="Europe/Berlin",
        )
    assert len(whole) == 2
    assert len(each) == 4
    for day in whole:
        parts = [row for row in each if row["local_date"] == day["local_date"]]
        for name in SUMS:
            assert sum(part[name] for part in parts) == day[name], name


def test_station__another_station_s_evse_is_left_out(reader: Reader) -> None:
    whole = station.build_page(make_request(), reader)
    other = station.build_page(make_request("elsewhere"), reader)
    assert figures(other) == figures(whole)


def test_station__without_a_feed_uses_the_clock_and_days_of_the_station() -> None:
    """Another feed goes on for a week, by another clock, after this station's ended."""
    warehouse = hours.span_loaded(hours.lake_of(POLLS))
    warehouse.execute(
        ("INSERT INTO warehouse.fact_poll BY NAME SELECT * REPLACE ('other' AS feed, "
         "'Asia/Tokyo' AS time_zone, slot_at + INTERVAL 7 DAY AS slot_at)"
         " FROM warehouse.fact_poll", {}),
    )  # fmt: skip
    newest = FEED.newest_at + timedelta(days=7)
    other = Feed("other", "Asia/Tokyo", 600, newest, newest)
    query = {"station": str(hours.key_of("station", "s1"))}
    page = PageRequest("/station", query, "en", ["test", "other"], other, newest, draws=False)
    page_figures = station.build_page(page, WarehouseReader(warehouse))
    assert (page.feed.name, page.feed.time_zone) == ("test", "Europe/Berlin")
    assert page.feed.newest_at == FEED.newest_at
    assert {figure.period for figure in page_figures.figures} == {"11 Jan 2022"}
    assert figures(page_figures)["sessions"] == 1
    assert "feed=test" in page.href("/city")
