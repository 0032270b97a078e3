"""A full disk: a tmpfs of one megabyte, where mounting is allowed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charging_assets.archive.raw_archive import hours_archived, read
from charging_assets.lake.store import LakeError, LocalLake
from charging_assets_tests import builders
from charging_assets_tests.modelling.hours import evse, station

pytestmark = pytest.mark.faults


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting a tmpfs is not allowed: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def incompressible(n: int) -> list[dict[str, Any]]:
    return [
        station([evse(f"e{n}-{k}")], f"s{n}-{k}", name=os.urandom(100).hex()) for k in range(300)
    ]


def fill(lake: LocalLake, archived: list[str]) -> None:
    for n in range(60):
        body = builders.envelope(*incompressible(n))
        archived.append(builders.archived(lake, builders.poll(n * 10), {"koeln": body}))


@pytest.mark.fault(
    "The disk is full",
    "existing files stay intact, and the error states the cause",
    area="storage",
)
def test_archive__on_a_full_disk_keeps_archived_polls_and_reports_it(small_disk: Path) -> None:
    lake = LocalLake(small_disk / "lake")
    archived: list[str] = []
    with pytest.raises(LakeError, match="No space left") as failure:
        fill(lake, archived)
    assert archived and "raw/feed=test" in str(failure.value)
    keys_archived = [key for keys in hours_archived(lake).values() for key in keys]
    assert sorted(keys_archived) == sorted(archived)
    assert all(len(list(read(lake, key))) == 1 for key in keys_archived)
    left = [path for path in (small_disk / "lake").rglob("*") if path.is_file()]
    assert len(left) == len(archived), "a partial object was left"
