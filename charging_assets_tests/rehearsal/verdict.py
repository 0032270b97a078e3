"""What must be true after a rehearsal: nothing lost, nothing doubled, everything told.

Belongs here: the conditions. Does not belong here: what was done before.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from dagster import AssetKey, DagsterRunStatus, RunsFilter

from charging_assets.acquisition.archive import hours_archived, read
from charging_assets.acquisition.missed import still_missed
from charging_assets.acquisition.raw_objects import slot_of_key
from charging_assets.automation.pending import pending_hours
from charging_assets.partitions import Hour, slot_of
from charging_assets.storage.warehouse_duckdb import DuckDBWarehouse
from charging_assets_tests.rehearsal.operation import CADENCE, FEED, PLACES, Operation


def verdict(operation: Operation, live_from: datetime) -> dict[str, Any]:
    """Figures of the rehearsal; AssertionError names the first condition that does not hold."""
    lake, archived = operation.lake, hours_archived(operation.lake)
    warehouse = DuckDBWarehouse(operation.home / "charging.duckdb")
    pending = pending_hours(lake, warehouse)
    assert not pending, f"hours that are not complete: {pending}"
    assert not list((operation.home / "spool").rglob("*.zst")), "polls wait in the spool"

    keys = [key for found in archived.values() for key in found]
    polls = {key: next(read(lake, key)).poll for key in keys}
    for key, poll in polls.items():
        assert slot_of(poll.started_at, CADENCE) == poll.slot_at or poll.slot_at < live_from, key
    slots = Counter(slot_of_key(key) for key in keys)
    missed = {datetime.fromisoformat(note["slot_at"]) for note in still_missed(lake, archived)}
    expected, slot = set(), slot_of(live_from, CADENCE)
    while slot <= max(slots):
        expected.add(slot)
        slot += CADENCE
    polled = {slot for slot in slots if slot >= min(expected)}
    assert polled | {m for m in missed if m in expected} == expected, "slots of which nobody knows"
    assert not polled & missed, "slots both polled and missed"

    rows = warehouse.query(
        "SELECT slot_at, COUNT(*) AS n, COUNT(DISTINCT place) AS places "
        "FROM warehouse.fact_poll WHERE feed = :feed GROUP BY slot_at",
        {"feed": FEED},
    ).to_pylist()
    loaded = {row["slot_at"].replace(tzinfo=UTC) for row in rows}
    assert loaded == set(slots), "slots archived and slots loaded differ"
    assert all(row["n"] == row["places"] == len(PLACES) for row in rows), "places doubled or lost"

    with operation.instance() as instance:
        left = instance.get_runs(filters=RunsFilter(statuses=[DagsterRunStatus.STARTED]))
        made = instance.get_materialized_partitions(AssetKey("mart_city_day"))
        by_end = Counter(
            f"{run.job_name} {run.status.value.lower()}" for run in instance.get_runs()
        )
    assert not left, f"runs that never ended: {left}"
    assert made >= {hour.key for hour in archived}, "hours whose partitions the UI does not show"
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
