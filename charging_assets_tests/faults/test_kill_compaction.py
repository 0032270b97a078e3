"""kill -9 in the middle of a compaction: every poll exists once, and the next run completes it.

The archive is a folder on disk; a process is killed before or after each change that it makes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from charging_assets.archive.compacted_days import ArchiveLake
from charging_assets.archive.compaction import compact
from charging_assets.lake.store import LocalLake
from charging_assets_tests.archive.days import FEED, LONG_AFTER, archive_day, read_archive

pytestmark = pytest.mark.faults

POLLS = 8
# The day object, its index, and the removal of each poll.
CHANGES = POLLS + 2


class _KillingLake(LocalLake):
    """A lake that kills its process before or after its n-th change."""

    def __init__(self, root: Path, at: int, *, after: bool) -> None:
        super().__init__(root)
        self._at, self._after, self._count = at, after, 0

    def put_new(self, key: str, body: bytes) -> bool:
        return bool(self._change(lambda: LocalLake.put_new(self, key, body)))

    def delete(self, key: str) -> None:
        self._change(lambda: LocalLake.delete(self, key))

    def _change(self, apply: Any) -> Any:
        self._count += 1
        if self._count == self._at and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = apply()
        if self._count == self._at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


def _compact_until_killed(root: Path, at: int, after: bool) -> None:
    compact(ArchiveLake(_KillingLake(root, at, after=after)), FEED, now=LONG_AFTER)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, CHANGES + 1))
def test_compact__killed_anywhere_loses_and_duplicates_nothing(
    tmp_path: Path, at: int, after: bool
) -> None:
    lake = ArchiveLake(LocalLake(tmp_path))
    archive_day(lake, polls=POLLS)
    before = read_archive(lake)
    child = multiprocessing.get_context("spawn").Process(
        target=_compact_until_killed, args=(tmp_path, at, after)
    )
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    # A new reader, and one with cached indexes.
    assert read_archive(ArchiveLake(LocalLake(tmp_path))) == before
    assert read_archive(lake) == before
    compact(lake, FEED, now=LONG_AFTER)
    assert read_archive(lake) == before
    assert len(lake.inner.keys("raw/")) == 2
