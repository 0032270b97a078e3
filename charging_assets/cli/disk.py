"""The disk: what takes how much of it, how fast it grows and for how long it lasts.

Belongs here: sizes of the local home, and a forecast from the newest days. Does not belong here:
making room (`automation.maintenance`), or what is in the files.
"""

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
    """Bytes by part of the home and free on its disk; `bytes_a_day` is None without whole days."""

    parts: dict[str, int]
    free: int
    bytes_a_day: int | None

    @property
    def days_left(self) -> int | None:
        """For how many days the free bytes last."""
        return self.free // self.bytes_a_day if self.bytes_a_day else None


def disk_use(home: Path, today: date) -> DiskUse:
    """Look at every file of a home once.

    What is kept by day (raw, flat) grows as in its newest whole days; what is not (warehouse,
    published) as it has by day of the archive. Dagster's own history is kept to a window.
    """
    # Late: it brings the engines with it, which `--help` need not wait for.
    from charging_assets.storage.generation import FILE_NAME
    from charging_assets.storage.old_warehouses import list_old_files

    nearest = next(path for path in (home, *home.parents) if path.exists())
    by_day: dict[date, int] = defaultdict(int)
    parts = {
        name: _sized(home / where, by_day)
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
    whole = {day: size for day, size in by_day.items() if day != today}
    a_day = None
    if whole:
        newest = sorted(whole)[-_NEWEST_DAYS:]
        kept_by_day = sum(whole[day] for day in newest) // len(newest)
        a_day = kept_by_day + (parts["warehouse"] + parts["published"]) // len(whole)
    return DiskUse(parts, shutil.disk_usage(nearest).free, a_day)


def _sized(path: Path, by_day: dict[date, int]) -> int:
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
                # Renamed or deleted while we looked: it is counted the next time.
                continue
