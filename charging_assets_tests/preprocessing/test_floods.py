"""Answers of many megabytes: their time and memory are limited, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys

import pytest

from charging_assets.preprocessing import caches
from charging_assets.preprocessing.caches import Cache
from charging_assets_tests.preprocessing import floods


def test_cache__of_all_together_hold_no_more_than_their_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = Cache(), Cache()
    one.add("a", 1, 1000)
    monkeypatch.setattr(caches, "TOTAL_LIMIT_BYTES", caches.cached_bytes() + 500)
    other.add("b", 2, 400)
    assert (one.entries, other.entries) == ({"a": 1}, {"b": 2})
    other.add("c", 3, 400)
    assert (one.entries, other.entries) == ({}, {"c": 3})
    assert caches.cached_bytes() == 400


def test_cache__does_not_store_large_values() -> None:
    cache = Cache()
    cache.add("a", 1, caches.MAX_ENTRY_BYTES + 1)
    assert cache.entries == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", floods.NAMES)
def test_flatten__a_flood_takes_time_and_memory_by_its_size(name: str) -> None:
    """Half a MiB, of which records of 2 bytes and more are made; see docs/operations.md."""
    measured = floods.measure(name, 0.5, polls=2)
    assert measured["seconds"] < 12, measured
    assert measured["peak_mb"] < measured["before_mb"] + 300, measured
    assert measured["rejects"] <= 2 * 2 * 1010, measured


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nan_records", "distinct_nan_records", "broken_evses"])
def test_flatten__a_flood_of_rejects_of_the_largest_answer_fits_in_one_gib(name: str) -> None:
    measured = floods.measure(name, 32, cap_mb=3000)
    assert measured["peak_mb"] < 1024, measured
    assert measured["rejects"] <= 2 * 1010, measured


@pytest.mark.slow
def test_flatten__hours_of_hostile_answers_cost_little_and_add_up() -> None:
    command = [sys.executable, "-m", "charging_assets_tests.preprocessing.fuzz_floods"]
    command += ["--seconds", "20", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
