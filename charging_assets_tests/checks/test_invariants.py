"""Rules about guarantees of the pipeline: each reports direct damage to the stored data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.archive import missed_slots, recent_polls
from charging_assets.archive.raw_archive import hours_archived
from charging_assets.archive.raw_objects import hour_prefix
from charging_assets.lake.memory import MemoryLake
from charging_assets.sources.feeds import Feed
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests import builders
from charging_assets_tests.checks import test_keys, test_values
from charging_assets_tests.checks.stores import (
    BY_NAME,
    FEEDS,
    NOW,
    Stores,
    evse,
    find,
    flat_lake,
    network,
    sample_text,
    station,
)
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR

Damage = Callable[[Stores], Stores]
CHECK_SELECTS = sorted((Path(__file__).parents[2] / "sql/checks").glob("*.sql"))
ARCHIVED = "raw_api_snapshots__latest_hour_is_archived"


class CountingLake(MemoryLake):
    """A lake that counts the objects read."""

    read_count = 0

    def get_many(self, keys: Iterable[str]) -> list[bytes]:
        wanted = list(keys)
        self.read_count += len(wanted)
        return super().get_many(wanted)


def polled_warehouse(lake: MemoryLake) -> DuckDBWarehouse:
    """A warehouse with every archived poll in `fact_poll`."""
    if not hours_archived(lake):
        return DuckDBWarehouse(None)
    return hours.span_loaded(lake, "fact_poll")


def sql(*statements: str) -> Damage:
    return lambda stores: stores.execute(*statements)


def damage_file(stores: Stores) -> Stores:
    key = "published/dim_station/dim_station.parquet"
    stores.lake.put(key, stores.lake.get("published/dim_time/dim_time.parquet"))
    return stores


def reject_hour(stores: Stores) -> Stores:
    """Load the hour again from a response whose only station has no id."""
    for key in stores.lake.keys(hour_prefix("test", HOUR)):
        stores.lake.delete(key)
    hours.put(stores.lake, 0, [builders.station(builders.MISSING)])
    hours.load(stores.warehouse, stores.lake, HOUR, "fact_poll")
    return stores


def archive_damaged_poll(stores: Stores) -> Stores:
    key = hours.put(stores.lake, 55, network())
    stores.lake.put(key, b"damaged")
    return stores


def archive_next_hour(stores: Stores) -> Stores:
    hours.put(stores.lake, 60, network())
    return stores


# The damage, and words that the sample must contain. `test_keys` covers the keys of all tables.
DAMAGE: dict[str, tuple[Damage, tuple[str, ...]]] = {
    "staged_tables__every_feed_is_staged": (
        archive_damaged_poll, ("test", "2022-01-11T20", "damaged", "'has_earlier_rows': True")),
    "staged_tables__input_rows_are_loaded_or_rejected": (
        sql("DELETE FROM staging.flat_evses WHERE evse_uid = 'e1'"), ("evse", "18", "12")),
    "staged_tables__no_two_ids_share_a_key": (
        sql("INSERT INTO ops.key_conflict VALUES "
            "(TIMESTAMP '2022-01-11 20:00:00', 'station', 1, 2, 'first', FALSE), "
            "(TIMESTAMP '2022-01-11 20:10:00', 'station', 1, 3, 'second', TRUE)"),
        ("second", "first")),
    "fact_poll__matches_staged_polls": (
        sql("DELETE FROM warehouse.fact_poll WHERE slot_at = TIMESTAMP '2022-01-11 20:20:00'"),
        ("koeln", "20, 20)")),
    "fact_poll__volume_matches_past_weeks": (
        sql("UPDATE warehouse.fact_poll SET evse_count = 2 "
            "WHERE slot_at >= TIMESTAMP '2022-01-11 20:00:00'"),
        ("koeln", "'week_count': 2", "'usual_evse_count': 3.0", "'evse_count': 2.0")),
    "fact_status__covers_every_polled_row": (
        sql("UPDATE warehouse.fact_status SET poll_count = poll_count + 1 WHERE evse_uid = 'e2'"),
        ("koeln", "13", "14")),
    "dim_station__versions_are_contiguous": (
        sql("INSERT INTO warehouse.entity_version SELECT entity_type, entity_key, attribute_hash, "
            "feed, place, TIMESTAMP '2022-01-11 20:30:00', NULL, NULL, NULL "
            "FROM warehouse.entity_version WHERE entity_type = 'station' LIMIT 1"),
        ("station", "20, 30)")),
    "dim_evse__versions_are_contiguous": (
        sql("INSERT INTO warehouse.entity_version SELECT entity_type, entity_key, attribute_hash, "
            "feed, place, TIMESTAMP '2022-01-11 20:30:00', NULL, NULL, NULL "
            "FROM warehouse.entity_version WHERE entity_type = 'evse' LIMIT 1"),
        ("evse", "20, 30)")),
    "dim_connector__versions_are_contiguous": (
        sql("INSERT INTO warehouse.entity_version SELECT entity_type, entity_key, attribute_hash, "
            "feed, place, TIMESTAMP '2022-01-11 20:30:00', NULL, NULL, NULL "
            "FROM warehouse.entity_version WHERE entity_type = 'connector' LIMIT 1"),
        ("connector", "20, 30)")),
    "dim_time__hour_present": (
        sql("UPDATE warehouse.dim_time SET utc_offset_min = 120"), ("Europe/Berlin", "120")),
    "fact_charging_session__bounds_are_in_order": (
        sql("UPDATE warehouse.fact_charging_session SET ended_before = "
            "TIMESTAMP '2022-01-11 20:00:00'"), ("e1",)),
    "mart_evse_hour__seconds_add_up": (
        sql("UPDATE mart.mart_evse_hour SET charging_s = charging_s + 600 WHERE charging_s > 0"),
        ("1800",)),
    "mart_station_hour__seconds_add_up": (
        sql("UPDATE mart.mart_station_hour SET observed_s = observed_s - 1"), ("7199",)),
    "mart_station_day__seconds_add_up": (
        sql("UPDATE mart.mart_station_day SET coverage = 1.5"), ("1.5",)),
    "mart_city_day__seconds_add_up": (
        sql("UPDATE mart.mart_city_day SET observed_s = 1"), ("koeln",)),
    "mart_operator_month__seconds_add_up": (
        sql("UPDATE mart.mart_operator_month SET unknown_s = -1"), ("Musterwerke",)),
    "mart_station_hour__seconds_match_its_evses": (
        sql("DELETE FROM mart.mart_station_hour WHERE station_key IN "
            "(SELECT MIN(station_key) FROM mart.mart_station_hour)"), ("test", "10800")),
    "published_tables__files_have_the_rows_of_the_warehouse": (
        damage_file, ("dim_station.parquet", "'published_rows': 1", "'warehouse_rows': 2")),
    "staged_tables__no_place_is_rejected_completely": (
        reject_hour, ("koeln", "raw/feed=test")),
    "staged_tables__no_new_reject_code": (reject_hour, ("missing_key", "/data/0", "Station")),
    "raw_api_snapshots__latest_hour_is_archived": (
        lambda stores: stores, ("test", "2022-01-11T20:50:00", "2022-01-11T21")),
    "fact_poll__latest_hour_is_loaded": (archive_next_hour, ("test", "2022-01-11T21")),
}  # fmt: skip
LATE = {
    "raw_api_snapshots__latest_hour_is_archived": NOW + timedelta(hours=1),
    "fact_poll__latest_hour_is_loaded": NOW + timedelta(hours=1),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_rule__reports_the_damage(stores: Stores, name: str) -> None:
    damage, words = DAMAGE[name]
    finding = damage(stores).find(name, LATE.get(name, NOW))
    assert not finding.passed
    assert [word for word in words if word not in sample_text(finding)] == [], sample_text(finding)


@pytest.mark.parametrize("name", BY_NAME)
def test_rule__accepts_a_clean_hour(clean_stores: Stores, name: str) -> None:
    finding = clean_stores.find(name)
    assert finding.passed, finding.sample
    assert finding.count == 0, finding.sample


def test_rules__each_has_a_failing_case() -> None:
    assert {*DAMAGE, *test_keys.KEYS, *test_values.PLANTED} == set(BY_NAME)


def test_volume__new_place_is_not_checked(stores: Stores) -> None:
    stores.execute(
        "DELETE FROM warehouse.fact_poll WHERE slot_at < TIMESTAMP '2022-01-05 00:00:00'",
        "UPDATE warehouse.fact_poll SET evse_count = 1 "
        "WHERE slot_at >= TIMESTAMP '2022-01-11 20:00:00'",
    )
    assert stores.find("fact_poll__volume_matches_past_weeks").passed


def test_volume__other_hours_of_past_weeks_are_not_compared(stores: Stores) -> None:
    stores.execute(
        "UPDATE warehouse.fact_poll SET evse_count = 100, slot_at = slot_at + INTERVAL '1 hour' "
        "WHERE slot_at < TIMESTAMP '2022-01-11 00:00:00'"
    )
    assert stores.find("fact_poll__volume_matches_past_weeks").passed


def test_new_reject_code__code_of_past_weeks_is_not_new(stores: Stores) -> None:
    reject_hour(stores).execute(
        "INSERT INTO ops.flat_rejects SELECT slot_at - INTERVAL '7 days', * EXCLUDE (slot_at) "
        "FROM ops.flat_rejects"
    )
    assert stores.find("staged_tables__no_new_reject_code").passed


@pytest.mark.parametrize("name", LATE)
@pytest.mark.parametrize(
    "feeds",
    [
        {"other": FEEDS["test"]},  # a simulated feed, or one removed from the configuration
        {"test": builders.change_feed(FEEDS["test"], enabled=False)},
    ],
    ids=["not configured", "disabled"],
)
def test_latest_hour__ignores_feeds_not_polled(
    stores: Stores, name: str, feeds: dict[str, Feed]
) -> None:
    for late in (timedelta(hours=3), timedelta(days=14)):
        assert stores.find(name, NOW + late, feeds).passed


@pytest.mark.parametrize("name", LATE)
def test_latest_hour__keeps_failing_for_an_enabled_feed(stores: Stores, name: str) -> None:
    for late in (timedelta(hours=3), timedelta(days=14), timedelta(days=400)):
        assert not stores.find(name, NOW + late).passed


def put_polls(
    lake: MemoryLake,
    *slots: datetime,
    feed: str = "test",
    outcome: str = "ok",
    is_imported: bool = False,
) -> None:
    """Archive one poll per slot; its only place has the outcome."""
    for slot_at in slots:
        header = builders.poll(feed=feed, slot_at=slot_at, is_imported=is_imported)
        body = b"{}" if outcome == "ok" else None
        builders.archived(lake, header, {"koeln": builders.place("koeln", body, outcome)})


def every_ten_minutes(start: datetime, count: int) -> list[datetime]:
    return [start + timedelta(minutes=10 * n) for n in range(count)]


@pytest.mark.parametrize("name", LATE)
@pytest.mark.parametrize("outcome", ["timeout", "http_error"])
def test_latest_hour__fails_for_polls_without_a_good_response(name: str, outcome: str) -> None:
    lake = MemoryLake()
    put_polls(lake, HOUR.start)
    put_polls(lake, *every_ten_minutes(HOUR.start + timedelta(minutes=10), 12), outcome=outcome)
    now = HOUR.start + timedelta(minutes=125)
    finding = find(name, lake, polled_warehouse(lake), now=now)
    assert finding.count == 1
    assert "polled, but no good response since 2022-01-11T20:00Z" in sample_text(finding)


def test_latest_hour__needs_one_good_place_only() -> None:
    lake = MemoryLake()
    places = {
        "bonn": builders.place("bonn", None, "timeout"),
        "koeln": builders.place("koeln", b"{}"),
    }
    builders.archived(lake, builders.poll(slot_at=HOUR.start), places)
    assert find(ARCHIVED, lake, now=HOUR.start + timedelta(minutes=80)).passed


def test_latest_hour__feed_without_any_good_response_fails_after_the_allowed_age() -> None:
    lake = MemoryLake()
    put_polls(lake, *every_ten_minutes(HOUR.start, 12), outcome="timeout")
    assert find(ARCHIVED, lake, now=HOUR.start + timedelta(minutes=85)).passed
    finding = find(ARCHIVED, lake, now=HOUR.start + timedelta(minutes=115))
    assert "no good response at all" in sample_text(finding)


def test_latest_hour__reads_few_polls_and_only_one_if_it_is_good() -> None:
    lake = CountingLake()
    put_polls(lake, *every_ten_minutes(HOUR.start - timedelta(days=3), 400), outcome="timeout")
    now = HOUR.start - timedelta(days=3) + timedelta(minutes=4000)
    finding = find(ARCHIVED, lake, now=now)
    assert "no good response since" in sample_text(finding) and "or longer" in sample_text(finding)
    assert lake.read_count <= recent_polls.MAX_POLLS_READ + 3
    put_polls(lake, now)
    lake.read_count = 0
    assert find(ARCHIVED, lake, now=now).passed
    assert lake.read_count == 1


def test_latest_hour__damaged_poll_is_not_good() -> None:
    lake = MemoryLake()
    put_polls(lake, HOUR.start)
    late = HOUR.start + timedelta(minutes=110)
    key = builders.archived(lake, builders.poll(slot_at=late), {"koeln": b"{}"})
    lake.put(key, b"damaged")
    assert "no good response since 2022-01-11T20:00Z" in sample_text(
        find(ARCHIVED, lake, now=HOUR.start + timedelta(minutes=115))
    )


@pytest.mark.parametrize("name", LATE)
def test_latest_hour__ignores_feeds_with_only_imports(name: str) -> None:
    lake = MemoryLake()
    put_polls(lake, *every_ten_minutes(HOUR.start, 5), is_imported=True)
    warehouse = polled_warehouse(lake)
    for late in (timedelta(hours=3), timedelta(days=6), timedelta(days=400)):
        assert find(name, lake, warehouse, now=HOUR.start + late).passed


@settings(max_examples=30)
@given(polled=st.integers(0, 30), imported=st.integers(31, 90), days=st.floats(0.1, 400))
def test_latest_hour__fails_for_a_polled_feed_despite_newer_imports(
    polled: int, imported: int, days: float
) -> None:
    lake = MemoryLake()
    put_polls(lake, HOUR.start + timedelta(days=polled))
    put_polls(lake, HOUR.start + timedelta(days=imported), is_imported=True)
    now = HOUR.start + timedelta(days=imported + days)
    assert not find(ARCHIVED, lake, now=now).passed


@pytest.mark.parametrize("name", LATE)
@pytest.mark.parametrize("is_archived", [False, True], ids=["never polled", "only imported"])
def test_latest_hour__enabled_feed_fails_once_another_feed_is_polled(
    name: str, is_archived: bool
) -> None:
    lake = MemoryLake()
    if is_archived:
        put_polls(lake, HOUR.start - timedelta(days=2), feed="new", is_imported=True)
    feeds = {**FEEDS, "new": builders.change_feed(FEEDS["test"], name="new")}
    now = HOUR.start + timedelta(hours=3)
    assert find(name, lake, polled_warehouse(lake), now=now, feeds=feeds).passed
    put_polls(lake, now - timedelta(minutes=20))
    # Polling has just begun: the other feed may be due later.
    assert find(name, lake, polled_warehouse(lake), now=now, feeds=feeds).passed
    put_polls(lake, now - timedelta(minutes=100))
    finding = find(name, lake, polled_warehouse(lake), now=now, feeds=feeds)
    assert [row["feed"] for row in finding.sample] == ["new"]
    disabled = {**feeds, "new": builders.change_feed(feeds["new"], enabled=False)}
    assert find(name, lake, polled_warehouse(lake), now=now, feeds=disabled).passed


@pytest.mark.parametrize("name", LATE)
def test_latest_hour__fails_if_no_poll_could_be_archived(name: str) -> None:
    lake = MemoryLake()
    missed_slots.record_missed(lake, "test", HOUR.start, "a test")
    assert "enabled, but never polled" in sample_text(find(name, lake))


@pytest.mark.parametrize("name", LATE)
def test_latest_hour__ignores_a_simulated_home(name: str) -> None:
    lake = MemoryLake()
    put_polls(lake, HOUR.start, feed="simulated")
    for late in (timedelta(hours=3), timedelta(days=30)):
        assert find(name, lake, polled_warehouse(lake), now=HOUR.start + late).passed


@settings(max_examples=50)
@given(minutes=st.integers(0, 400), cadence_min=st.sampled_from([1, 5, 10, 15, 60]))
def test_latest_hour__fails_90_minutes_after_the_newest_poll(
    minutes: int, cadence_min: int
) -> None:
    lake = MemoryLake()
    builders.archived(lake, builders.poll(slot_at=HOUR.start), {"koeln": b"{}"})
    feed = builders.change_feed(FEEDS["test"], cadence_s=60 * cadence_min, poll_budget_s=30)
    feeds = {"test": feed}
    now = HOUR.start + timedelta(minutes=minutes)
    finding = find("raw_api_snapshots__latest_hour_is_archived", lake, now=now, feeds=feeds)
    assert finding.passed == (minutes <= 90)


def test_latest_hour__poll_in_the_future_is_ignored() -> None:
    lake = MemoryLake()
    for slot_at in (HOUR.start, HOUR.start + timedelta(days=3)):
        builders.archived(lake, builders.poll(slot_at=slot_at), {"koeln": b"{}"})
    late = HOUR.start + timedelta(hours=2)
    assert not find("raw_api_snapshots__latest_hour_is_archived", lake, now=late).passed


def test_slots__future_slots_are_not_reported() -> None:
    lake = flat_lake(network(), (0, 10))
    at = HOUR.start + timedelta(minutes=25)
    assert find("raw_api_snapshots__every_slot_was_polled", lake, now=at).passed
    later = HOUR.start + timedelta(minutes=30)
    assert find("raw_api_snapshots__every_slot_was_polled", lake, now=later).count == 1


def test_sample__is_truncated_and_the_count_is_not() -> None:
    many = [station([evse(f"e{n}", "UNKNOWN") for n in range(50)])]
    finding = find("flat_status__status_is_known", flat_lake(many, (0,)))
    assert (finding.count, len(finding.sample)) == (50, 20)


@pytest.mark.parametrize("path", CHECK_SELECTS, ids=lambda path: path.stem)
def test_sample__rows_are_ordered_by_the_select(path: Path) -> None:
    outer = re.sub(r"--.*", "", path.read_text("utf-8"))
    while "(" in outer:  # what is in parentheses orders windows and CTEs, not the result
        outer = re.sub(r"\([^()]*\)", "", outer)
    assert "ORDER BY" in outer
