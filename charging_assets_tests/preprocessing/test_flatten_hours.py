"""Flat files of many hours: by worker processes, what is current, what is damaged."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Mapping, Sequence
from multiprocessing.pool import Pool
from pathlib import Path

import pytest

from charging_assets.archive.compacted_days import ArchiveLake
from charging_assets.archive.raw_archive import feeds_archived, hour_keys
from charging_assets.hours import Hour
from charging_assets.lake.flat_files import flat_key
from charging_assets.lake.s3 import S3Lake
from charging_assets.lake.s3_resource import LakeS3Resource
from charging_assets.lake.store import Lake, LocalLake
from charging_assets.preprocessing import flatten_hours as module
from charging_assets.preprocessing.flatten_hours import FlattenedHour, flatten_hours
from charging_assets.schemas.flat import FLAT_STATUS, FLAT_TABLES
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import lake_of, stand

COUNT = 13
HOURS = [hours.hour_after(number) for number in range(COUNT)]


def keys_of(lake: Lake, wanted: Sequence[Hour] = HOURS) -> Mapping[Hour, Sequence[str]]:
    return {hour: hour_keys(lake, feeds_archived(lake), hour) for hour in wanted}


def flattened(lake: Lake, workers: int, wanted: Sequence[Hour] = HOURS) -> list[FlattenedHour]:
    with flatten_hours(lake, keys_of(lake, wanted), workers) as results:
        return list(results)


@pytest.fixture
def lake(tmp_path: Path) -> ArchiveLake:
    made = ArchiveLake(LocalLake(tmp_path / "lake"))
    for number in range(COUNT):
        hours.put(made, 60 * number, stand())
    return made


def test_flatten_hours__workers_give_the_files_of_this_lake_in_order(lake: ArchiveLake) -> None:
    results = flattened(lake, workers=2)
    assert [result.hour for result in results] == HOURS
    assert all(file.lake is lake for result in results for file in result.files)
    assert all([file.table for file in result.files] == list(FLAT_TABLES) for result in results)
    assert sum(result.files[0].read().num_rows for result in results) == COUNT


@pytest.mark.slow
def test_flatten_hours__a_worker_that_is_killed_costs_no_hour(
    lake: ArchiveLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_POLL_INTERVAL_S", 0.2)
    started = module._started_pool

    def with_a_victim(workers: int) -> Pool:
        pool = started(workers)
        monkeypatch.setattr(module, "_process_ids", kill_once(pool, module._process_ids))
        return pool

    def kill_once(pool: Pool, original: object) -> object:
        victims = [process.pid for process in pool._pool]  # type: ignore[attr-defined]

        def ids(of_pool: Pool) -> set[int | None]:
            process_ids = {process.pid for process in of_pool._pool}  # type: ignore[attr-defined]
            while victims:
                os.kill(victims.pop(), signal.SIGKILL)
            return process_ids

        return ids

    monkeypatch.setattr(module, "_started_pool", with_a_victim)
    assert [result.error for result in flattened(lake, workers=2)] == [None] * COUNT


def test_flatten_hours__of_several_leaves_current_files_and_rewrites_damaged_ones(
    lake: ArchiveLake,
) -> None:
    wanted = HOURS[:3]
    flattened(lake, 0, wanted)
    inner = lake.inner
    assert isinstance(inner, LocalLake)
    key = flat_key(FLAT_STATUS, wanted[1], hours.FEED)
    whole = lake.get(key)
    lake.put(key, whole[:-9])
    written: list[str] = []
    put = lake.put
    lake.put = lambda key, body: (written.append(key), put(key, body))[1]  # type: ignore[method-assign]
    assert [result.error for result in flattened(lake, 0, wanted)] == [None] * 3
    assert lake.get(key) == whole
    assert {each.split("hour=")[1][:2] for each in written if each.startswith("flat/flat_")} == {
        f"{wanted[1].start:%H}"
    }


def test_flatten_hours__one_hour_alone_is_always_flattened(lake: ArchiveLake) -> None:
    (first,) = flattened(lake, 0, HOURS[:1])
    key = flat_key(FLAT_STATUS, HOURS[0], hours.FEED)
    whole = lake.get(key)
    lake.put(key, whole.replace(b"PAR1", b"PAR1", 1))
    (again,) = flattened(lake, 0, HOURS[:1])
    assert [file.digest for file in again.files] == [file.digest for file in first.files]


@pytest.mark.parametrize(("worth_s", "pools"), [(0.0, 1), (3600.0, 0)])
def test_flatten_hours__few_hours_start_processes_only_if_it_pays(
    lake: ArchiveLake, monkeypatch: pytest.MonkeyPatch, worth_s: float, pools: int
) -> None:
    expected = [[file.digest for file in each.files] for each in flattened(lake, 0, HOURS[:3])]
    for key in lake.keys("flat/"):
        lake.delete(key)
    started, sizes = module._started_pool, list[int]()
    monkeypatch.setattr(module, "_POOL_WORTH_S", worth_s)
    monkeypatch.setattr(module, "_started_pool", lambda n: (sizes.append(n), started(n))[1])
    results = flattened(lake, 4, HOURS[:3])
    assert [[file.digest for file in each.files] for each in results] == expected
    assert sizes == [2] * pools


def test_lakes__can_be_passed_to_other_processes(lake: ArchiveLake) -> None:
    s3 = S3Lake("bucket", "prefix", LakeS3Resource(region_name="eu-central-1"))
    copy = pickle.loads(pickle.dumps(ArchiveLake(s3)))
    assert copy.uri("a") == "s3://bucket/prefix/a"
    lake._indexes["raw/a"] = object()  # type: ignore[assignment]
    assert pickle.loads(pickle.dumps(lake))._indexes == {}


def test_lakes__in_memory_are_flattened_by_this_process() -> None:
    made = lake_of({60 * number: stand() for number in range(COUNT)})
    assert len(flattened(made, workers=2)) == COUNT
    assert len(made.keys("flat/flat_status/")) == COUNT
