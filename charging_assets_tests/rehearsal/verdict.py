"""Conditions after a rehearsal: nothing lost or duplicated, every missed slot recorded."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from dagster import AssetKey, DagsterRunStatus, RunsFilter

from charging_assets.archive.missed_slots import unfilled_slots
from charging_assets.archive.raw_archive import hours_archived, read
from charging_assets.archive.raw_objects import slot_of_key
from charging_assets.hours import Hour, slot_of
from charging_assets.orchestration.staleness import stale_hours
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.rehearsal.operation import CADENCE, FEED, PLACES, Operation


def check_results(operation: Operation, live_from: datetime) -> dict[str, Any]:
    """Check the conditions and return the figures; AssertionError names a failed condition."""
    lake, archived = operation.lake, hours_archived(operation.lake)
    warehouse = DuckDBWarehouse(operation.home / "charging.duckdb")
    pending = stale_hours(lake, warehouse)
    assert not pending, f"hours that are not complete: {pending}"
    assert not list((operation.home / "spool").rglob("*.zst")), "polls wait in the spool"

    keys = [key for hour_keys in archived.values() for key in hour_keys]
    polls = {key: next(read(lake, key)).poll for key in keys}
    for key, poll in polls.items():
        assert slot_of(poll.started_at, CADENCE) == poll.slot_at or poll.slot_at < live_from, key
    slots = Counter(slot_of_key(key) for key in keys)
    missed = {datetime.fromisoformat(note["slot_at"]) for note in unfilled_slots(lake, archived)}
    expected, slot = set(), slot_of(live_from, CADENCE)
    while slot <= max(slots):
        expected.add(slot)
        slot += CADENCE
    polled = {slot for slot in slots if slot >= min(expected)}
    assert polled | {m for m in missed if m in expected} == expected, (
        "slots neither polled nor recorded as missed"
    )
    assert not polled & missed, "slots both polled and missed"

    rows = warehouse.query(
        "SELECT slot_at, COUNT(*) AS n, COUNT(DISTINCT place) AS places "
        "FROM warehouse.fact_poll WHERE feed = :feed GROUP BY slot_at",
        {"feed": FEED},
    ).to_pylist()
    loaded = {row["slot_at"].replace(tzinfo=UTC) for row in rows}
    assert loaded == set(slots), "slots archived and slots loaded differ"
    assert all(row["n"] == row["places"] == len(PLACES) for row in rows), (
        "places duplicated or lost"
    )

    with operation.instance() as instance:
        unfinished = instance.get_runs(filters=RunsFilter(statuses=[DagsterRunStatus.STARTED]))
        materialized = instance.get_materialized_partitions(AssetKey("mart_city_day"))
        by_end = Counter(
            f"{run.job_name} {run.status.value.lower()}" for run in instance.get_runs()
        )
    assert not unfinished, f"runs that never ended: {unfinished}"
    assert materialized >= {hour.key for hour in archived}, "hours without a materialized partition"
    return {
        "hours": len(archived),
        "slots_polled": len(polled),
        "slots_missed": len(missed & expected),
        "polls": len(keys),
        "alerts": len(operation.alerts.received),
        "heartbeats": len(operation.beats.received),
        "runs": dict(sorted(by_end.items())),
        "newest_hour": max(archived, default=Hour.of(live_from)).key,
    }
