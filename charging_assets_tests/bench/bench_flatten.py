"""P1: one hour from raw objects to flat Parquet, against the original's approach and a floor.

All three read the same six polls of a simulated hour in one warm process. As in a load, hours
follow each other and none is read twice. The floor reads the raw objects, splits every body,
decodes each distinct record once, and writes the same Parquet tables from ready columns.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import orjson

from charging_assets.archive.raw_archive import hour_keys, read_places, stream_places
from charging_assets.archive.raw_objects import ArchivedResponse
from charging_assets.hours import ONE_HOUR, Hour, hours_between
from charging_assets.lake.flat_files import write_flat
from charging_assets.lake.memory import MemoryLake
from charging_assets.preprocessing.flatten import FlatHour, flatten
from charging_assets.preprocessing.gc_pause import gc_paused
from charging_assets.preprocessing.schema_check import find_violations
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.simulator import Network, write_history
from charging_assets.sources import chargecloud
from charging_assets_tests.bench.original_approach import flatten_poll, written
from charging_assets_tests.preprocessing.flat_hours import polled

FIRST = Hour.parse("2025-01-08T06")
# Earlier measurement of original / floor for one poll: 100–148 ms / 7.8 ms.
COMPARABLE = (8.0, 30.0)


def run(hours: int = 7) -> list[dict[str, Any]]:
    """The two ratios of P1: medians of the hours after the first."""
    lake = MemoryLake()
    last = Hour.of(FIRST.start + hours * ONE_HOUR)
    write_history(lake, Network(seed=1), FIRST, Hour.of(last.end))
    times = [_measured(lake, hour) for hour in hours_between(FIRST, last)][1:]
    ours, original, floor = (statistics.median(column) for column in zip(*times, strict=True))
    against_original = statistics.median(o / u for u, o, _ in times)
    against_floor = statistics.median(u / f for u, _, f in times)
    shape = original / floor
    figures = {
        "ours_ms": round(ours * 1e3, 1),
        "original_ms": round(original * 1e3, 1),
        "floor_ms": round(floor * 1e3, 1),
        "comparable": COMPARABLE[0] <= shape <= COMPARABLE[1],
    }
    return [
        _goal("P1 against the original", against_original, 10.0, at_least=True, **figures),
        _goal("P1 against the floor", against_floor, 2.0, at_least=False, **figures),
    ]


def _measured(lake: MemoryLake, hour: Hour) -> tuple[float, float, float]:
    """Seconds of ours, the original's approach and the floor, for an hour not read before."""
    keys = hour_keys(lake, ["simulated"], hour)
    ours = _timed(_ours, lake, keys, hour)
    answers = [a for _, _, places in read_places(lake, keys) for a in places]
    polls = _polls(answers)
    if hour == FIRST:
        _check_equal(polls, flatten(read_places(lake, keys)))
    flat_hour = flatten(read_places(lake, keys))
    return ours, _timed(_original, polls), _timed(_floor, lake, keys, hour, flat_hour)


def _goal(
    goal: str, ratio: float, target: float, *, at_least: bool, **figures: Any
) -> dict[str, Any]:
    met = ratio >= target if at_least else ratio <= target
    return {"goal": goal, "ratio": round(ratio, 2), "target": target, "met": met, **figures}


def _ours(lake: MemoryLake, keys: list[str], hour: Hour) -> None:
    flat_hour = flatten(stream_places(lake, keys))
    for table in FLAT_TABLES:
        rows = flat_hour[table.name]
        assert not find_violations(table, rows)
        write_flat(lake, table, "bench", hour, rows, archive_digest="bench", code_version="bench")


def _original(polls: list[dict[str, bytes]]) -> None:
    for bodies in polls:
        written(flatten_poll(bodies))


def _floor(lake: MemoryLake, keys: list[str], hour: Hour, flat_hour: FlatHour) -> None:
    with gc_paused():
        for _, _, answers in read_places(lake, keys):
            distinct: dict[bytes, object] = {}
            for answer in answers:
                if answer.place.body is not None and answer.place.outcome == "ok":
                    for record in chargecloud.split([answer.place.body]).stations:
                        fragment = bytes(record)
                        if fragment not in distinct:
                            distinct[fragment] = orjson.loads(fragment)
    for table in FLAT_TABLES:
        rows = flat_hour[table.name]
        write_flat(lake, table, "bench", hour, rows, archive_digest="bench", code_version="bench")


def _timed(work: Any, *arguments: Any) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def _polls(answers: list[ArchivedResponse]) -> list[dict[str, bytes]]:
    polls: dict[Any, dict[str, bytes]] = {}
    for answer in answers:
        if answer.place.outcome == "ok" and answer.place.body is not None:
            polls.setdefault(answer.poll.slot_at, {})[answer.place.slug] = answer.place.body
    return list(polls.values())


def _check_equal(polls: list[dict[str, bytes]], flat_hour: FlatHour) -> None:
    """Check that the baseline has the same statuses, stations and connectors."""
    frames = [flatten_poll(bodies) for bodies in polls]
    uids = flat_hour["flat_evses"].to_pylist()
    names = {row["evse_uid"]: " ".join(row["evse_id"].split()) for row in uids}
    baseline = sorted(
        (" ".join(row.id.split()), row.status, row.timestamp.tz_convert("UTC").tz_localize(None))
        for frame in frames
        for row in frame["status_point"].itertuples()
    )
    ours = sorted(
        (names[row["evse_uid"]], row["status"], row["observed_at"]) for row in polled(flat_hour)
    )
    assert baseline == ours, "the baseline's statuses differ"
    for table, name, column in (
        ("flat_stations", "station", "station_id"),
        ("flat_connectors", "connector", "connector_id"),
    ):
        published = {
            " ".join(str(value).split()) for frame in frames for value in frame[name]["id"]
        }
        assert published == set(flat_hour[table].column(column).to_pylist()), f"{name}s differ"
