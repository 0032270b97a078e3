"""Feeds of an hour are staged apart: in any order, without one of them, and with one that fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.hours import Hour, Span
from charging_assets.lake.flat_files import FlatFile, flat_key, open_hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.modelling.staged_hours import (
    StagingInput,
    ensure_staged,
    prune,
    staging_input,
    staging_load,
)
from charging_assets.modelling.staging import staging_plan, staging_span_plan
from charging_assets.schemas.flat import FLAT_STATUS, FLAT_TABLES
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.plan import NotStaged
from charging_assets.warehouse.span_loads import apply_spans
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, evse, rows, station
from charging_assets_tests.modelling.test_staging import with_rows

# Few by default, for time; many with `--hypothesis-profile=explore`.
EXAMPLES = max(4, settings().max_examples // 25)
FEEDS = ("a", "b")


def answer(name: str, status: str) -> list[dict[str, Any]]:
    return [station([evse("e1", status)], "s1", name=name)]


def files_of(
    contents: dict[str, Sequence[tuple[str, str]]], hour: int = 0
) -> dict[str, list[FlatFile]]:
    """An hour's flat files by feed, of polls with a station's name and status."""
    lake = MemoryLake()
    for feed, polls in contents.items():
        for number, poll in enumerate(polls):
            hours.put(lake, 60 * hour + 20 * number, answer(*poll), feed)
    files = hours.flat_files(lake, hours.hour_after(hour))
    return {feed: [file for file in files if file.feed == feed] for feed in contents}


def stage(
    warehouse: DuckDBWarehouse, files: dict[str, list[FlatFile]], *feeds: str, hour: Hour = HOUR
) -> None:
    """Stage some feeds of an hour, and leave the others as they are."""
    some = [file for feed in feeds for file in files[feed]]
    warehouse.apply(staging_plan(hour, some, set(files) - set(feeds)))


def derive(warehouse: DuckDBWarehouse, hour: Hour = HOUR) -> None:
    warehouse.apply_all(derived_plans(hour))


STATUS = st.sampled_from(["AVAILABLE", "CHARGING"])
POLLS = st.lists(st.tuples(st.sampled_from("AB"), STATUS), min_size=1, max_size=2)
HOUR_OF_FEEDS = st.fixed_dictionaries(dict.fromkeys(FEEDS, POLLS))
# (hour, feeds) in any order, with repeats.
LOADS = st.permutations([(0, "a"), (0, "b"), (1, "a"), (1, "b")]).flatmap(
    lambda order: st.lists(st.sampled_from(order), max_size=2).map(lambda more: [*order, *more])
)


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(
    right=st.lists(HOUR_OF_FEEDS, min_size=2, max_size=2),
    wrong=st.lists(HOUR_OF_FEEDS, min_size=2, max_size=2),
    order=LOADS,
)
def test_loads__of_feeds_in_any_order__come_to_one_load_of_all(
    right: list[Any], wrong: list[Any], order: list[tuple[int, str]]
) -> None:
    files = [files_of(content, hour) for hour, content in enumerate(right)]
    before = [files_of(content, hour) for hour, content in enumerate(wrong)]
    apart = DuckDBWarehouse(None)
    for loaded, source in ((order[:2], before), (order, files)):
        for hour, feed in loaded:
            at = hours.hour_after(hour)
            stage(apart, source[hour], feed, hour=at)
            derive(apart, at)
    together = DuckDBWarehouse(None)
    by_hour = {
        hours.hour_after(hour): [file for of_feed in of_hour.values() for file in of_feed]
        for hour, of_hour in enumerate(files)
    }
    together.apply_all([staging_span_plan(by_hour), *derived_plans(Span(tuple(by_hour)))])
    assert hours.digests(apart) == hours.digests(together)


def ledger(warehouse: DuckDBWarehouse, *columns: str) -> list[tuple[Any, ...]]:
    names = ", ".join(("feed", *columns))
    return rows(
        warehouse,
        f"SELECT {names} FROM ops.ledger WHERE asset = 'staged_tables' ORDER BY slot_at, feed",
    )


def test_staging__replaces_only_the_feeds_that_changed() -> None:
    warehouse = DuckDBWarehouse(None)
    first = files_of({"a": [("A", "CHARGING")], "b": [("A", "CHARGING")]})
    stage(warehouse, first, "a", "b")
    loads = dict(ledger(warehouse, "load_id"))
    assert loads["a"] == loads["b"]
    changed = files_of({"a": [("A", "CHARGING")], "b": [("B", "CHARGING"), ("B", "AVAILABLE")]})
    stage(warehouse, changed, "a", "b")
    now = dict(ledger(warehouse, "load_id"))
    assert now["a"] == loads["a"] and now["b"] != loads["b"]
    counted = "SELECT feed, COUNT(*) FROM staging.flat_status GROUP BY feed ORDER BY feed"
    assert rows(warehouse, counted) == [("a", 1), ("b", 2)]
    stage(warehouse, changed, "a", "b")
    assert dict(ledger(warehouse, "load_id")) == now


def test_staging__a_span_reads_only_the_feeds_and_hours_that_changed() -> None:
    warehouse = DuckDBWarehouse(None)
    content = {"a": [("A", "CHARGING")], "b": [("A", "CHARGING")]}
    by_hour = {hours.hour_after(hour): files_of(content, hour) for hour in range(3)}
    flat = {hour: [*files["a"], *files["b"]] for hour, files in by_hour.items()}
    warehouse.apply(staging_span_plan(flat))
    before = ledger(warehouse, "slot_at", "load_id")
    middle = hours.hour_after(1)
    flat[middle] = [
        *by_hour[middle]["a"], *files_of({**content, "b": [("B", "AVAILABLE")]}, 1)["b"]
    ]  # fmt: skip
    warehouse.apply(staging_span_plan(flat))
    after = ledger(warehouse, "slot_at", "load_id")
    assert [old[:2] for old, new in zip(before, after, strict=True) if old != new] == [("b", 60)]
    fresh = DuckDBWarehouse(None)
    fresh.apply(staging_span_plan(flat))
    assert hours.digests(warehouse) == hours.digests(fresh)


def test_staging__a_feed_that_is_gone_leaves_no_rows() -> None:
    warehouse = DuckDBWarehouse(None)
    files = files_of({"a": [("A", "CHARGING")], "b": [("A", "CHARGING")]})
    warehouse.apply(staging_plan(HOUR, [*files["a"], *files["b"]]))
    derive(warehouse)
    warehouse.apply(staging_plan(HOUR, files["a"]))
    derive(warehouse)
    alone = DuckDBWarehouse(None)
    hours.load_files(alone, files["a"])
    assert hours.digests(warehouse) == hours.digests(alone)


@pytest.mark.parametrize("of_hours", [1, 3])
def test_staging__a_feed_whose_rows_do_not_balance_costs_no_other(of_hours: int) -> None:
    warehouse = DuckDBWarehouse(None)
    content = {"a": [("A", "CHARGING")], "b": [("A", "CHARGING")]}
    flat: dict[Hour, list[FlatFile]] = {}
    for number in range(of_hours):
        files = files_of(content, number)
        flat[hours.hour_after(number)] = [*files["a"], *files["b"]]
    at = hours.hour_after(of_hours - 1)
    bad = next(
        n for n, file in enumerate(flat[at]) if (file.feed, file.table) == ("a", FLAT_STATUS)
    )
    flat[at][bad] = with_rows(flat[at][bad], flat[at][bad].read().slice(1))
    results = list(apply_spans(warehouse, staging_load(StagingInput(flat))))
    (failed,) = [result for result in results if result.error]
    assert (failed.feed, failed.span) == ("a", at)
    assert "input_rows_are_loaded_or_rejected" in (failed.error or "")
    loaded = ledger(warehouse, "slot_at")
    assert len(loaded) == 2 * of_hours - 1 and ("a", 60.0 * (of_hours - 1)) not in loaded


def test_staging__a_feed_without_usable_files_keeps_its_rows() -> None:
    warehouse, lake = DuckDBWarehouse(None), MemoryLake()
    for feed in FEEDS:
        hours.put(lake, 0, answer("A", "CHARGING"), feed)
    hours.load(warehouse, lake)
    before = rows(warehouse, "SELECT * FROM staging.flat_status WHERE feed = 'a'")
    hours.put(lake, 20, answer("B", "AVAILABLE"), "b")
    hours.flat_files(lake)
    key = flat_key(FLAT_STATUS, HOUR, "a")
    lake.put(key, lake.get(key)[:-9])
    tables = {HOUR: [open_hour(lake, table, HOUR) for table in FLAT_TABLES]}
    load = staging_load(staging_input(tables))
    assert "is damaged" in load.failed_feeds[HOUR]["a"]
    (result,) = apply_spans(warehouse, load)
    assert result.error is None
    assert rows(warehouse, "SELECT * FROM staging.flat_status WHERE feed = 'a'") == before
    assert rows(warehouse, "SELECT COUNT(*) FROM staging.flat_polls WHERE feed = 'b'") == [(2,)]


def test_derived__of_an_hour_with_a_feed_that_is_not_in_staging__keeps_all_rows() -> None:
    """Deriving the hour from the other feeds alone would delete the rows of this one."""
    warehouse, lake = DuckDBWarehouse(None), MemoryLake()
    for feed in FEEDS:
        hours.put(lake, 0, answer("A", "CHARGING"), feed)
    hours.load(warehouse, lake)
    prune(warehouse, HOUR)
    before = hours.digests(warehouse)
    assert ensure_staged(warehouse, lake, [HOUR]) == ([HOUR], {})
    derive(warehouse)
    prune(warehouse, HOUR)
    assert hours.digests(warehouse) == before
    key = flat_key(FLAT_STATUS, HOUR, "a")
    lake.put(key, lake.get(key)[:-9])
    staged, failed = ensure_staged(warehouse, lake, [HOUR])
    assert staged == [] and "is damaged" in failed[HOUR]
    with pytest.raises(NotStaged, match=f"{HOUR} of feed a is not staged"):
        warehouse.apply(derived_plans(HOUR)[0])
    assert rows(warehouse, "SELECT COUNT(*) FROM warehouse.fact_status") == [(2,)]


def test_staging__files_of_a_feed_that_miss_a_table_cost_that_feed() -> None:
    lake = MemoryLake()
    for feed in FEEDS:
        hours.put(lake, 0, answer("A", "CHARGING"), feed)
    hours.flat_files(lake)
    lake.delete(flat_key(FLAT_STATUS, HOUR, "b"))
    staged = staging_input({HOUR: [open_hour(lake, table, HOUR) for table in FLAT_TABLES]})
    assert {file.feed for file in staged.files[HOUR]} == {"a"}
    assert "flat_status" in staged.failed[HOUR]["b"]


def test_rows_of_all_feeds__are_those_of_one_file_each() -> None:
    lake = MemoryLake()
    for feed in FEEDS:
        hours.put(lake, 0, answer("A", "CHARGING"), feed)
    files = hours.flat_files(lake)
    hour_files = open_hour(lake, FLAT_STATUS, HOUR)
    assert [file.feed for file in hour_files.files] == list(FEEDS)
    apart = [file.read() for file in files if file.table is FLAT_STATUS]
    assert hour_files.read().equals(pa.concat_tables(apart))
