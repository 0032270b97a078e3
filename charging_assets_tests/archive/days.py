"""Archived days for the tests of compaction, and a lake that fails in the middle of one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from charging_assets.archive.raw_archive import (
    archive,
    feeds_archived,
    hour_keys,
    hours_archived,
    read,
    read_places,
)
from charging_assets.archive.raw_objects import PlaceResponse
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import Lake
from charging_assets_tests.builders import poll

DAY = date(2026, 1, 12)
START = datetime(2026, 1, 12, tzinfo=UTC)
LONG_AFTER = START + timedelta(days=30)
FEED = "test"


def archive_day(lake: Lake, polls: int = 24, places: Iterable[str] = ("a", "b")) -> list[str]:
    """Archive a day of evenly spaced polls with similar answers; returns the keys."""
    keys = []
    for number in range(polls):
        slot = START + timedelta(days=1) / polls * number
        answers = [
            PlaceResponse(slug=slug, outcome="ok", body=_body(slug, number)) for slug in places
        ]
        keys.append(archive(lake, poll(slot_at=slot, started_at=slot, ended_at=slot), answers)[0])
    return sorted(keys)


def read_archive(lake: Lake) -> dict[str, Any]:
    """Everything that readers get from an archive: feeds, hours, keys, answers by key and hour."""
    hours = hours_archived(lake)
    return {
        "feeds": feeds_archived(lake),
        "hours": hours,
        "by_hour": {hour: hour_keys(lake, [FEED], hour) for hour in hours},
        "answers": {key: list(read(lake, key)) for keys in hours.values() for key in keys},
        "places": {hour: list(read_places(lake, keys)) for hour, keys in hours.items()},
    }


class CutOff(Exception):
    """The program stopped here."""


class FailingLake(MemoryLake):
    """A lake that fails at its n-th change, after (`happens`) or before applying it."""

    def __init__(self, fail_at: int, *, happens: bool) -> None:
        super().__init__()
        self.armed = False
        self.changes = 0
        self._fail_at, self._happens = fail_at, happens

    def put_new(self, key: str, body: bytes) -> bool:
        return self._change(lambda: super(FailingLake, self).put_new(key, body))

    def put(self, key: str, body: bytes) -> None:
        self._change(lambda: super(FailingLake, self).put(key, body))

    def delete(self, key: str) -> None:
        self._change(lambda: super(FailingLake, self).delete(key))

    def _change(self, apply: Any) -> Any:
        if not self.armed:
            return apply()
        self.changes += 1
        if self.changes > self._fail_at or (self.changes == self._fail_at and not self._happens):
            raise CutOff
        result = apply()
        if self.changes == self._fail_at:
            raise CutOff
        return result


def _body(slug: str, number: int) -> bytes:
    return (f'{{"place": "{slug}", "poll": {number}, "rest": "' + "x" * 500 + '"}').encode()
