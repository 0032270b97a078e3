"""Disk usage of the local home, and a forecast of when the disk is full."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

_NEWEST_DAYS = 7
_DATE = "date="


@dataclass(frozen=True)
class DiskUse:
    """Bytes per part of the home, and free; `bytes_a_day` is None without past days."""

    parts: dict[str, int]
    free: int
    bytes_a_day: int | None

    @property
    def days_left(self) -> int | None:
        """Days until the disk is full; None if growth is unknown."""
        return self.free // self.bytes_a_day if self.bytes_a_day else None


def disk_use(home: Path, today: date) -> DiskUse:
    """Measure every file of a home, and estimate the growth per day.

    Files kept by day (raw, flat) grow as in their newest past days, the warehouse and published
    files as on average per archived day. Dagster's history is limited and does not count.
    """
    # Imported late: it loads the engines, and `--help` must be quick.
    from charging_assets.warehouse.duckdb.old_files import list_old_files
    from charging_assets.warehouse.generation import FILE_NAME

    nearest = next(path for path in (home, *home.parents) if path.exists())
    by_day: dict[date, int] = defaultdict(int)
    parts = {
        name: _size(home / where, by_day)
        for name, where in (
            ("raw", "lake/raw"),
            ("flat", "lake/flat"),
            ("published", "lake/published"),
            ("warehouse", FILE_NAME),
            ("dagster", "dagster"),
            ("spool", "spool"),
        )
    }
    parts["moved_aside"] = sum(path.stat().st_size for path in list_old_files(home))
    past_days = {day: size for day, size in by_day.items() if day != today}
    a_day = None
    if past_days:
        newest = sorted(past_days)[-_NEWEST_DAYS:]
        kept_by_day = sum(past_days[day] for day in newest) // len(newest)
        a_day = kept_by_day + (parts["warehouse"] + parts["published"]) // len(past_days)
    return DiskUse(parts, shutil.disk_usage(nearest).free, a_day)


def _size(path: Path, by_day: dict[date, int]) -> int:
    total = 0
    for file, size in _files(path):
        total += size
        for part in Path(file).parts:
            if part.startswith(_DATE):
                try:
                    by_day[date.fromisoformat(part.removeprefix(_DATE))] += size
                except ValueError:
                    continue
    return total


def _files(path: Path) -> Iterator[tuple[str, int]]:
    if path.is_file():
        yield str(path), path.stat().st_size
        return
    for folder, _, names in os.walk(path):
        for name in names:
            file = f"{folder}/{name}"
            try:
                yield file, Path(file).stat().st_size
            except OSError:
                # Renamed or deleted in the meantime.
                continue
