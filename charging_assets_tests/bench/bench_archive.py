"""P3: the size of a poll in the archive, before and after compaction, and the time to read it.

The polls are those of a simulated day of the real network's size; every body is read back after
compaction and compared with the original.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import zstandard

from charging_assets.archive.compacted_days import ArchiveLake
from charging_assets.archive.compaction import compact
from charging_assets.archive.raw_archive import hours_archived, read_places
from charging_assets.archive.raw_objects import ArchivedResponse, read_responses
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.simulator import FEED, Network, write_history

FIRST = Hour.parse("2025-01-08T00")


def run() -> list[dict[str, Any]]:
    """The ratios of P3: bytes in the archive to bytes of JSON, reading to decompressing."""
    lake = ArchiveLake(MemoryLake())
    end = Hour.of(FIRST.start + timedelta(days=1))
    write_history(lake, Network(seed=1), FIRST, end)
    before, json_bytes = _bodies(lake)
    reading = _reading(lake)
    archived_bytes = sum(len(lake.get(key)) for key in lake.keys("raw/"))
    started = time.perf_counter()
    (result,) = compact(lake, FEED, now=end.start + timedelta(days=30))
    took_s = time.perf_counter() - started
    assert _bodies(lake)[0] == before, "a body has changed"
    polls = result.polls
    return [
        _goal("P3 a poll at once", archived_bytes / json_bytes, 1 / 20,
              bytes_a_poll=archived_bytes // polls),
        _goal("P3 a compacted day", result.bytes_after / json_bytes, 1 / 200,
              bytes_a_poll=result.bytes_after // polls, took_s=round(took_s, 1)),
        _goal("P3 reading against decompressing", reading, 1.5),
    ]  # fmt: skip


def _reading(lake: ArchiveLake) -> float:
    """Seconds of reading a day of polls, divided by those of decompressing them."""
    blobs = [(key, lake.get(key)) for key in lake.keys("raw/")]
    decompressing_s = reading_s = 0.0
    for key, blob in blobs:
        started = time.perf_counter()
        zstandard.ZstdDecompressor().decompress(blob)
        between = time.perf_counter()
        list(read_responses(key, blob))
        decompressing_s += between - started
        reading_s += time.perf_counter() - between
    return reading_s / decompressing_s


def _bodies(lake: ArchiveLake) -> tuple[list[tuple[str, str, bytes | None]], int]:
    bodies = [(a.raw_key, a.place.slug, a.place.body) for a in _answers(lake)]
    return bodies, sum(len(body or b"") for _, _, body in bodies)


def _answers(lake: ArchiveLake) -> Iterator[ArchivedResponse]:
    for keys in hours_archived(lake).values():
        for _, _, answers in read_places(lake, keys):
            yield from answers


def _goal(goal: str, ratio: float, target: float, **figures: Any) -> dict[str, Any]:
    return {
        "goal": goal, "ratio": round(ratio, 5), "target": round(target, 5),
        "met": ratio <= target, **figures,
    }  # fmt: skip
