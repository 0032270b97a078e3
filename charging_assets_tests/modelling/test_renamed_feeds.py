"""A renamed feed: two feeds publish the EVSEs of one network, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from charging_assets.archive.identities import FeedIdentity
from charging_assets.hours import Hour, Span
from charging_assets.lake.memory import MemoryLake
from charging_assets.modelling.staging import staging_span_plan
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import Warehouse
from charging_assets_tests import builders
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, hour_after, rows, station

DIMENSIONS = ("dim_station", "dim_evse", "dim_connector")
VERSIONS = "SELECT feed, valid_from, valid_to, close_reason FROM warehouse.{} ORDER BY valid_from"
SECONDS = "SELECT slot_at, SUM(charging_s) FROM mart.{} GROUP BY slot_at ORDER BY slot_at"
# Names on either side of the former one, since names decide where nothing else does.
NEW_NAMES = ("new", pytest.param("zest", marks=pytest.mark.slow))


def archive_polls(lake: MemoryLake, minutes: Mapping[int, str]) -> None:
    """The same EVSE in each poll, by the name of the feed that polls at each minute."""
    body = builders.envelope(station([evse(status="CHARGING")]))
    for minute, feed in minutes.items():
        builders.archived(lake, builders.poll(minute, feed=feed), {"koeln": body})


def load_hours(
    warehouse: Warehouse, lake: MemoryLake, name: str, order: Sequence[int], *, as_span: bool
) -> Warehouse:
    identities = {name: FeedIdentity("test")}
    files = {hour_after(n): hours.flat_files(lake, hour_after(n), identities) for n in order}
    if as_span:
        span: Hour | Span = Span(tuple(sorted(files)))
        in_order = {hour: files[hour] for hour in sorted(files)}
        warehouse.apply_all([staging_span_plan(in_order), *hours.derived_plans(span)])
    else:
        for hour in files:
            hours.load_files(warehouse, files[hour], hour)
    return warehouse


def rename_feed(minute: int, name: str, until: int = 180) -> MemoryLake:
    lake = MemoryLake()
    archive_polls(lake, {at: "test" if at < minute else name for at in range(0, until, 10)})
    return lake


@pytest.mark.parametrize("name", NEW_NAMES)
@pytest.mark.parametrize(
    ("order", "as_span"),
    [((0, 1, 2), False), ((1, 2, 0), False), ((2, 1, 0), False), ((0, 1, 2), True)],
)
def test_renamed__between_hours__each_feed_has_its_versions(
    name: str, order: tuple[int, ...], as_span: bool
) -> None:
    warehouse = load_hours(
        DuckDBWarehouse(None), rename_feed(60, name), name, order, as_span=as_span
    )
    for dimension in DIMENSIONS:
        expected = [("test", 0, 60, "moved"), (name, 60, None, None)]
        assert rows(warehouse, VERSIONS.format(dimension)) == expected, dimension
    for mart in ("mart_evse_hour", "mart_station_hour"):
        assert rows(warehouse, SECONDS.format(mart)) == [(0, 3600), (60, 3600), (120, 3600)]


@pytest.mark.parametrize("name", NEW_NAMES)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_renamed__within_an_hour__has_one_version_of_each_feed(
    name: str, order: tuple[int, ...]
) -> None:
    lake = rename_feed(30, name, until=120)
    one_by_one = load_hours(DuckDBWarehouse(None), lake, name, order, as_span=False)
    by_span = load_hours(DuckDBWarehouse(None), lake, name, order, as_span=True)
    assert hours.digests(one_by_one) == hours.digests(by_span)
    for dimension in DIMENSIONS:
        versions = rows(one_by_one, VERSIONS.format(dimension))
        assert [row[0] for row in versions] == ["test", name], dimension
        assert (versions[0][1], versions[1][2]) == (0, None)
        assert versions[0][2] == versions[1][1] <= 50
    for mart in ("mart_evse_hour", "mart_station_hour"):
        assert rows(one_by_one, SECONDS.format(mart)) == [(0, 3600), (60, 3600)]


@pytest.mark.parametrize("name", NEW_NAMES)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_renamed__both_poll_the_same_slots__one_feed_counts(
    name: str, order: tuple[int, ...]
) -> None:
    lake = rename_feed(60, name, until=120)
    archive_polls(lake, dict.fromkeys(range(0, 60, 10), name))
    warehouse = load_hours(DuckDBWarehouse(None), lake, name, order, as_span=False)
    first = min("test", name)
    versions = [("test", 0, 60, "moved"), (name, 60, None, None)]
    for dimension in DIMENSIONS:
        expected = [(name, 0, None, None)] if first == name else versions
        assert rows(warehouse, VERSIONS.format(dimension)) == expected, dimension
    for mart in ("mart_evse_hour", "mart_station_hour"):
        assert rows(warehouse, SECONDS.format(mart)) == [(0, 3600), (60, 3600)], mart
    sessions = rows(warehouse, "SELECT feed, slot_at FROM warehouse.fact_charging_session")
    assert sessions == ([(name, 0)] if first == name else [("test", 0), (name, 60)])
