"""A feed that cannot be loaded does not affect other feeds, in any kind of run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from charging_assets import deployments
from charging_assets.archive.raw_archive import hours_archived
from charging_assets.definitions import build
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.orchestration.load_runs import HourResult
from charging_assets.orchestration.runs import FIRST_TAG, LAST_TAG
from charging_assets.orchestration.staleness import stale_hours
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests import builders
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, evse, rows, station
from charging_assets_tests.stale_loads import errors_of, load_stale

GOOD, BAD = "good", "bad"
CHECK = "staged_tables__every_feed_is_staged"

KIND_THAT_RAISES = """
from charging_assets.sources.chargecloud import *
NAME = "raising.kind"
def split(bodies):
    raise MemoryError("this kind has a mistake")
"""


def stations(status: str = "AVAILABLE") -> list[dict[str, Any]]:
    return [station([evse("e1", status)])]


def _flip_a_bit(lake: MemoryLake, key: str) -> None:
    body = bytearray(lake.objects[key])
    body[len(body) // 2] ^= 1
    lake.objects[key] = bytes(body)


def _truncate(lake: MemoryLake, key: str) -> None:
    lake.objects[key] = lake.objects[key][:-20]


def _replace_by_another(lake: MemoryLake, key: str) -> None:
    other = MemoryLake()
    lake.objects[key] = other.objects[hours.put(other, 600, stations())]


DAMAGES: Mapping[str, Callable[[MemoryLake, str], None]] = {
    "bit flip": _flip_a_bit,
    "truncated": _truncate,
    "of another hour": _replace_by_another,
}


def slow(value: str) -> Any:
    """A parameter of tests that `make slow` runs."""
    return pytest.param(value, marks=pytest.mark.slow)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def feeds_loaded(warehouse: DuckDBWarehouse) -> list[tuple[Any, ...]]:
    return rows(
        warehouse,
        "SELECT DATE_TRUNC('hour', slot_at) AS hour_at, feed, COUNT(*) FROM warehouse.fact_poll "
        "GROUP BY 1, 2 ORDER BY 1, 2",
    )


def failed_feeds(outcomes: list[HourResult]) -> dict[str, dict[str, str]]:
    return {o.hour.key: dict(o.failed_feeds) for o in outcomes if o.failed_feeds}


def check_results(instance: dg.DagsterInstance, hour: Hour) -> list[bool]:
    """The results of the check that are recorded under an hour."""
    entries = [
        entry
        for run in instance.get_runs()
        for entry in instance.all_logs(run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    evaluations = [
        entry.dagster_event.asset_check_evaluation_data for entry in entries if entry.dagster_event
    ]
    return [
        evaluation.passed
        for evaluation in evaluations
        if evaluation.check_name == CHECK and evaluation.partition == hour.key
    ]


@pytest.mark.parametrize(
    "damage",
    [
        "bit flip",
        *(pytest.param(each, marks=pytest.mark.slow) for each in DAMAGES if each != "bit flip"),
    ],
)
def test_load__damaged_object_of_a_feed__loads_the_other_feed(
    damage: str, instance: dg.DagsterInstance
) -> None:
    lake, warehouse = MemoryLake(), DuckDBWarehouse(None)
    hours.put(lake, 0, stations(), GOOD)
    key = hours.put(lake, 0, stations(), BAD)
    DAMAGES[damage](lake, key)
    outcomes = load_stale(lake, warehouse, instance=instance, checks=True)
    assert errors_of(outcomes) == {}
    assert feeds_loaded(warehouse) == [(0, GOOD, 1)]
    reasons = failed_feeds(outcomes)[HOUR.key]
    assert list(reasons) == [BAD] and key in reasons[BAD]
    assert check_results(instance, HOUR) == [False]
    (stale,) = stale_hours(lake, warehouse)
    assert (list(stale.feeds), stale.reason) == ([BAD], f"{BAD}: not yet staged")


def test_load__a_failed_feed_keeps_its_loaded_rows() -> None:
    lake, warehouse = MemoryLake(), DuckDBWarehouse(None)
    for feed in (GOOD, BAD):
        hours.put(lake, 0, stations(), feed)
    assert failed_feeds(load_stale(lake, warehouse)) == {}
    hours.put(lake, 20, stations("CHARGING"), GOOD)
    _truncate(lake, hours.put(lake, 20, stations("CHARGING"), BAD))
    outcomes = load_stale(lake, warehouse)
    assert list(failed_feeds(outcomes)[HOUR.key]) == [BAD]
    assert feeds_loaded(warehouse) == [(0, BAD, 1), (0, GOOD, 2)]
    (stale,) = stale_hours(lake, warehouse)
    assert list(stale.feeds) == [BAD]


def test_load__a_late_poll__is_loaded_despite_a_damaged_feed() -> None:
    lake, warehouse = MemoryLake(), DuckDBWarehouse(None)
    hours.put(lake, 0, stations(), GOOD)
    _truncate(lake, hours.put(lake, 0, stations(), BAD))
    load_stale(lake, warehouse)
    hours.put(lake, 40, stations("CHARGING"), GOOD)
    assert errors_of(load_stale(lake, warehouse)) == {}
    assert feeds_loaded(warehouse) == [(0, GOOD, 2)]


def test_load__every_feed_of_an_hour_fails__the_hour_fails() -> None:
    lake, warehouse = MemoryLake(), DuckDBWarehouse(None)
    for feed in (GOOD, BAD):
        _truncate(lake, hours.put(lake, 0, stations(), feed))
    hours.put(lake, 60, stations(), GOOD)
    outcomes = load_stale(lake, warehouse)
    assert list(errors_of(outcomes)) == [HOUR]
    assert feeds_loaded(warehouse) == [(60, GOOD, 1)]


def test_load__a_kind_that_raises__fails_only_its_feed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raising").mkdir()
    (tmp_path / "raising" / "kind.py").write_text(KIND_THAT_RAISES)
    monkeypatch.syspath_prepend(tmp_path)
    lake, warehouse = MemoryLake(), DuckDBWarehouse(None)
    hours.put(lake, 0, stations(), GOOD)
    hours.put(lake, 0, stations(), BAD, kind="raising.kind")
    try:
        outcomes = load_stale(lake, warehouse)
    finally:
        for name in ("raising", "raising.kind"):
            sys.modules.pop(name, None)
    assert errors_of(outcomes) == {}
    assert "this kind has a mistake" in failed_feeds(outcomes)[HOUR.key][BAD]
    assert feeds_loaded(warehouse) == [(0, GOOD, 1)]


def run_of(
    lake: MemoryLake,
    warehouse: DuckDBWarehouse,
    instance: dg.DagsterInstance,
    options: Mapping[str, Any],
) -> dg.ExecuteInProcessResult:
    definitions = build(deployments.Storage(lake, warehouse), feeds={})
    config = {"ops": {"flat_tables": {"config": {"workers": 0}}}}
    return definitions.resolve_job_def("load_hour").execute_in_process(
        instance=instance, raise_on_error=False, run_config=config, **options
    )


@pytest.mark.parametrize("kind_of_run", ["range", slow("hour by hour")])
def test_runs__name_the_feed_of_each_hour__in_metadata_and_checks(
    kind_of_run: str, instance: dg.DagsterInstance
) -> None:
    lake, warehouse = MemoryLake(), DuckDBWarehouse(None)
    for number in range(3):
        hours.put(lake, 60 * number, stations(), GOOD)
        key = hours.put(lake, 60 * number, stations(), BAD)
        if number == 1:
            _truncate(lake, key)
    wanted = [hours.hour_after(number) for number in range(3)]
    if kind_of_run == "range":
        tags = {FIRST_TAG: wanted[0].key, LAST_TAG: wanted[-1].key}
        results = [run_of(lake, warehouse, instance, {"tags": tags})]
    else:
        results = [
            run_of(lake, warehouse, instance, {"partition_key": hour.key}) for hour in wanted
        ]
    assert all(result.success for result in results)
    assert [check_results(instance, hour) for hour in wanted] == [[True], [False], [True]]
    for name in ("flat_status", "staged_tables"):
        failed = {
            event.materialization.partition: event.materialization.metadata["failed_feeds"].value
            for result in results
            for event in result.all_events
            if event.is_step_materialization
            and event.asset_key == dg.AssetKey(name)
            and "failed_feeds" in event.materialization.metadata
        }
        assert list(failed) == [wanted[1].key] and list(failed[wanted[1].key]) == [BAD]
    assert feeds_loaded(warehouse) == [
        (0, BAD, 1), (0, GOOD, 1), (60, GOOD, 1), (120, BAD, 1), (120, GOOD, 1)
    ]  # fmt: skip


@pytest.mark.slow
def test_load__a_feed_removed_from_the_archive__leaves_no_rows() -> None:
    lake, warehouse = MemoryLake(), DuckDBWarehouse(None)
    hours.put(lake, 0, stations(), GOOD)
    key = hours.put(lake, 0, stations(), BAD)
    load_stale(lake, warehouse)
    lake.delete(key)
    (stale,) = stale_hours(lake, warehouse)
    assert stale.feeds.keys() == {BAD}
    assert errors_of(load_stale(lake, warehouse)) == {}
    assert stale_hours(lake, warehouse) == []
    alone, only = MemoryLake(), DuckDBWarehouse(None)
    hours.put(alone, 0, stations(), GOOD)
    load_stale(alone, only)
    assert hours.digests(warehouse) == hours.digests(only)
    assert hours_archived(lake).keys() == {HOUR}


@pytest.mark.slow
def test_load__an_accepted_gap_with_imported_polls__belongs_to_their_feed() -> None:
    from charging_assets.archive.gaps import accept

    lake, warehouse = MemoryLake(), DuckDBWarehouse(None)
    hours.put(lake, 0, stations(), GOOD)
    empty = hours.hour_after(1)
    accept(lake, [empty], "nobody polled", builders.SLOT, feed=GOOD)
    assert errors_of(load_stale(lake, warehouse)) == {}
    assert stale_hours(lake, warehouse) == []
    staged = "SELECT feed FROM ops.ledger WHERE asset = 'staged_tables' ORDER BY slot_at, feed"
    assert rows(warehouse, staged) == [(GOOD,), ("",)]
    hours.put(lake, 60, stations(), BAD)
    assert errors_of(load_stale(lake, warehouse)) == {}
    assert rows(warehouse, staged) == [(GOOD,), (BAD,)]
    assert stale_hours(lake, warehouse) == []


def test_load__a_damaged_identity_record__fails_only_its_feed() -> None:
    lake, warehouse = MemoryLake(), DuckDBWarehouse(None)
    for feed in (GOOD, BAD):
        hours.put(lake, 0, stations(), feed)
    lake.put(f"flat/identities/feed={BAD}.json", b"{")
    outcomes = load_stale(lake, warehouse)
    assert errors_of(outcomes) == {}
    assert f"feed={BAD}.json is damaged" in failed_feeds(outcomes)[HOUR.key][BAD]
    assert feeds_loaded(warehouse) == [(0, GOOD, 1)]
